"""Every Cypher statement, and what the types of a schema are called in them."""
