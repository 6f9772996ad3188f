"""The embedded graph store, in one SQLite file."""

from graph.sqlite.store import SqliteStore, open_sqlite

__all__ = ["SqliteStore", "open_sqlite"]
