"""Lists for an item, by kind: the same need, bought with it, another category; and what is trending."""
