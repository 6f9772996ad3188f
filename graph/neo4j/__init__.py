"""The production graph store: a Neo4j server, Community edition is enough.

The driver is imported with the first of these names, not with the package: commands for a server need none.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from graph.neo4j.curated import CuratedStore, open_neo4j
    from graph.neo4j.store import Neo4jStore

__all__ = ["CuratedStore", "Neo4jStore", "open_neo4j"]
_MODULES = {"CuratedStore": "curated", "open_neo4j": "curated", "Neo4jStore": "store"}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__} has no attribute {name}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
