"""The graph store: a protocol of meanings, free of any query language, and how to open one by URL."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from importlib import import_module
from typing import Protocol, Self, cast, runtime_checkable

import pyarrow as pa

from graph.errors import SettingsError
from graph.records import (
    Applied,
    Change,
    Direction,
    GraphStats,
    Mutation,
    NeighborPage,
    Node,
    NodeHit,
    NodeKey,
    Path,
)
from graph.schema import EdgeType, GraphSchema

NODE_COLUMNS = pa.schema([("node_id", pa.string()), ("properties", pa.string())])
"""Arrow schema of :meth:`GraphReader.export_nodes`; ``properties`` is JSON with sorted keys."""

EDGE_COLUMNS = pa.schema(
    [
        ("source_id", pa.string()),
        ("target_id", pa.string()),
        ("qualifier", pa.string()),
        ("weight", pa.float64()),
        ("timestamp_ms", pa.int64()),
        ("properties", pa.string()),
    ]
)
"""Arrow schema of :meth:`GraphReader.export_edges`."""


class GraphReader(Protocol):
    """What can be asked of a graph. Every id is a business key, never a row id."""

    @property
    def schema(self) -> GraphSchema:
        """The stored schema; :class:`~graph.errors.SchemaError` when none was ever ensured."""
        ...

    def watermark(self) -> str:
        """An opaque mark of the last committed change."""
        ...

    def node(self, node_type: str, node_id: str) -> Node | None: ...

    def neighbors(
        self,
        node_type: str,
        node_id: str,
        *,
        edge_types: Sequence[EdgeType] | None = None,
        direction: Direction = "both",
        limit: int = 100,
        cursor: str | None = None,
    ) -> NeighborPage:
        """One page of neighbours in a stable order; :class:`~graph.errors.NotFound` for an absent node."""
        ...

    def paths(
        self,
        source: NodeKey,
        target: NodeKey,
        *,
        max_hops: int = 4,
        limit: int = 10,
        edge_types: Sequence[EdgeType] | None = None,
    ) -> list[Path]:
        """Shortest paths first, edges followed both ways, no node twice in a path."""
        ...

    def search_nodes(self, text: str, *, node_type: str | None = None, limit: int = 20) -> list[NodeHit]:
        """Nodes whose id or text properties match ``text``; any user text is safe."""
        ...

    def export_nodes(self, node_type: str) -> Iterator[pa.RecordBatch]:
        """Live nodes ordered by id, in :data:`NODE_COLUMNS`."""
        ...

    def export_edges(self, edge_type: EdgeType) -> Iterator[pa.RecordBatch]:
        """Live edges ordered by (source, target, qualifier), in :data:`EDGE_COLUMNS`."""
        ...

    def changes_since(self, watermark: str, *, limit: int | None = None) -> Iterator[Change]:
        """Every row changed after ``watermark``, oldest first, each once, in its latest state."""
        ...

    def stats(self) -> GraphStats: ...


class GraphStore(GraphReader, Protocol):
    """A place where the property graph is kept. Safe to use from several threads.

    Errors: :class:`~graph.errors.StoreError` and below; :class:`~graph.errors.SchemaError` for names
    outside the schema; :class:`~graph.errors.InputError` for values that cannot be stored (NaN, a lone
    surrogate, an empty id).
    """

    @property
    def url(self) -> str: ...

    def ensure_schema(self, schema: GraphSchema) -> None:
        """Make the store hold ``schema`` merged into what it has; idempotent."""
        ...

    def apply(self, mutations: Iterable[Mutation], *, batch_id: str, actor: str) -> Applied:
        """Write all mutations in one transaction, in order, durable on return.

        Idempotent: applying the same mutations again changes no row and no version.
        """
        ...

    def reading(self) -> AbstractContextManager[GraphReader]:
        """A reader whose every answer is of one moment."""
        ...

    def close(self) -> None: ...

    def __enter__(self) -> Self: ...

    def __exit__(self, *exc: object) -> None: ...


@runtime_checkable
class BulkLoad(Protocol):
    """What a store may offer beside the protocol: a faster way to load many mutations.

    ``bulk_load`` commits in several transactions, is idempotent, and the caller repeats it after a crash.
    """

    def bulk_load(self, mutations: Iterable[Mutation], *, batch_id: str, actor: str) -> Applied: ...


class FirstLoad(BulkLoad, Protocol):
    """What takes a whole graph once: a store, or the writer of files that a database imports while it is stopped."""

    def ensure_schema(self, schema: GraphSchema) -> None: ...


@runtime_checkable
class Erasing(Protocol):
    """What a store may offer beside the protocol: a node erased so that its id is nowhere in its files.

    The change feed gives the node's deletion under a :func:`~graph.erasure.pseudonym`. Idempotent. A store without
    it deletes nodes and may keep their ids.
    """

    def erase_node(self, node_type: str, node_id: str, *, batch_id: str, actor: str) -> Applied: ...


@runtime_checkable
class HandEdits(Protocol):
    """What a store may offer whose graph others edit by hand, past :meth:`GraphStore.apply`.

    ``reconcile`` notices what others have committed, puts it into the change feed as the actor ``browser``, so that
    ``changes_since`` delivers it, and returns how many rows that were.
    """

    def reconcile(self) -> int: ...


@runtime_checkable
class KnowsMany(Protocol):
    """What a store may offer that tells of many nodes in one question."""

    def known_ids(self, node_type: str, node_ids: Collection[str]) -> set[str]:
        """Those of the ids that name a node now."""
        ...


@runtime_checkable
class Drifting(Protocol):
    """What a store may offer whose constraints and indexes others can drop."""

    def drift(self) -> list[str]:
        """One line for each that the schema needs and the store lacks; ``ensure_schema`` makes it."""
        ...


STORES: Mapping[str, str] = {
    "sqlite": "graph.sqlite:open_sqlite",
    "neo4j": "graph.neo4j.curated:open_neo4j",
    "neo4j+s": "graph.neo4j.curated:open_neo4j",
    "neo4j+ssc": "graph.neo4j.curated:open_neo4j",
    "bolt": "graph.neo4j.curated:open_neo4j",
    "bolt+s": "graph.neo4j.curated:open_neo4j",
    "bolt+ssc": "graph.neo4j.curated:open_neo4j",
}
"""URL scheme → ``module:function`` that opens the store; imported on first use."""


def shown_url(url: str) -> str:
    """The URL without the user and password that may be in it: what messages, documents and logs may hold."""
    scheme, separator, rest = url.partition("://")
    return f"{scheme}{separator}{rest.rpartition('@')[2]}" if separator else url


def open_store(url: str) -> GraphStore:
    """The store behind ``url``, e.g. ``sqlite:var/graph.db``.

    Raises:
        SettingsError: when no store is registered for the URL's scheme.
        StoreUnavailable: when the store cannot be reached.
    """
    scheme, separator, _ = url.partition(":")
    if not separator or scheme not in STORES:
        raise SettingsError(
            "no graph store for this URL",
            expected="one of " + ", ".join(f"{name}:…" for name in STORES),
            got=shown_url(url),
            remedy="Set KINDRED_STORE, e.g. sqlite:var/graph.db.",
        )
    module, _, function = STORES[scheme].partition(":")
    opener = cast(Callable[[str], GraphStore], getattr(import_module(module), function))
    return opener(url)
