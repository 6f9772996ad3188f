"""Staging: what the rules made, on disk, checked and sorted before anything is committed."""
