"""Figures beside the quality tables: are reasons true, are audiences right, can the ranking be pushed."""
