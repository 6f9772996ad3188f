"""Finding items by words and by meaning: search and autocomplete over the graph as it is now."""
