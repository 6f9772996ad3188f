"""Lists for somebody, ranked by the fusion: for a user, a session, a cart, a newcomer, a query; users for an item."""
