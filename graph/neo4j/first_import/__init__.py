"""A first import by the server's own offline tool."""
