"""A bulk load over the network: blocks worked out ahead of the server, in a chain of transactions."""
