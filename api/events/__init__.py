"""What people did: written, acknowledged, and held against what they were given."""
