"""What the ``kindred`` command does: the recipe, the demo, the tables, the health check. Composes all rooms."""
