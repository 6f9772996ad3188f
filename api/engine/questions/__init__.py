"""What is asked about an engine's answers: why not, what if, whether reasons are true, what a user is interested in."""
