"""Baselines and walks: one file each, numpy and scipy only."""
