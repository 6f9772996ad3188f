"""The production graph store: a Neo4j server, Community edition is enough."""

from graph.neo4j.store import Neo4jStore, open_neo4j

__all__ = ["Neo4jStore", "open_neo4j"]
