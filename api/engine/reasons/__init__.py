"""Why an item is listed: what in the graph connects it with a history, what that is worth, and how it is said."""
