"""The production graph store: a Neo4j server, Community edition is enough."""

from graph.neo4j.curated import CuratedStore, open_neo4j
from graph.neo4j.store import Neo4jStore

__all__ = ["CuratedStore", "Neo4jStore", "open_neo4j"]
