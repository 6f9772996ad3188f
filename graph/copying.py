"""A whole graph from one store into another, a batch at a time."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pyarrow as pa

from graph.digest import graph_hash
from graph.errors import Conflict, SchemaError, StoreError
from graph.loading import load
from graph.records import GraphStats, Mutation, Properties, UpsertEdges, UpsertNodes
from graph.schema import EdgeType
from graph.store import GraphReader, GraphStore

ACTOR = "copy"
BATCH_ROWS = 20_000


@dataclass(frozen=True, slots=True)
class Copied:
    """What a copy did, and the hashes of both graphs after it."""

    nodes: int
    edges: int
    changed: int
    source_hash: str
    target_hash: str

    @property
    def equal(self) -> bool:
        return self.source_hash == self.target_hash


def copy_graph(
    source: GraphStore, target: GraphStore, *, into_existing: bool = False, step: Callable[[str], None] | None = None
) -> Copied:
    """The counts and hashes of a copy of everything that ``source`` holds at one moment.

    Memory holds a few batches, whatever the graph's size. A copy that was cut off is repeated with
    ``into_existing``: what is there already changes nothing.

    Raises:
        Conflict: when ``target`` is not empty and ``into_existing`` was not said, or both are one store.
        StoreError: when a copy into an empty store does not hash as its source does.
    """
    tell = step or (lambda _: None)
    if source.url == target.url:
        raise Conflict("a graph cannot be copied into itself", got=source.url)
    fresh = _is_empty(target)
    if not fresh and not into_existing:
        raise Conflict(
            "the target holds a graph already",
            got=target.url,
            remedy="Choose an empty one, or merge into it with --into-existing.",
        )
    with source.reading() as reader:
        target.ensure_schema(reader.schema)
        counts = {"nodes": 0, "edges": 0}
        batch_id = f"copy-{reader.watermark()}"
        applied = load(target, _mutations(reader, counts, tell), batch_id=batch_id, actor=ACTOR)
        tell("comparing the hashes of both graphs")
        source_hash = graph_hash(reader)
    with target.reading() as written:
        copied = Copied(counts["nodes"], counts["edges"], applied.changed, source_hash, graph_hash(written))
    if fresh and not copied.equal:
        raise StoreError(
            "the copy is not the same graph",
            expected=f"hash {copied.source_hash[:16]}",
            got=copied.target_hash[:16],
            where=target.url,
            remedy="Was something else writing to it? Empty it and copy again.",
        )
    return copied


def _is_empty(store: GraphStore) -> bool:
    try:
        stats: GraphStats = store.stats()
    except SchemaError:
        return True
    return not any(stats.nodes.values()) and not any(stats.edges.values())


def _mutations(reader: GraphReader, counts: dict[str, int], tell: Callable[[str], None]) -> Iterator[Mutation]:
    """Nodes before the edges between them; of each type what :mod:`graph.store` exports."""
    schema = reader.schema
    for node in schema.nodes:
        tell(f"nodes of {node.name}")
        for batch in _small(reader.export_nodes(node.name)):
            counts["nodes"] += batch.num_rows
            yield UpsertNodes(node.name, batch["node_id"].to_pylist(), _properties(batch))
    for edge in schema.edges:
        tell("edges of " + " ".join(edge.edge_type))
        for batch in _small(reader.export_edges(edge.edge_type)):
            counts["edges"] += batch.num_rows
            yield _edges(edge.edge_type, batch)


def _small(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        for start in range(0, batch.num_rows, BATCH_ROWS):
            yield batch.slice(start, BATCH_ROWS)


def _edges(edge_type: EdgeType, batch: pa.RecordBatch) -> UpsertEdges:
    return UpsertEdges(
        edge_type,
        batch["source_id"].to_pylist(),
        batch["target_id"].to_pylist(),
        weight=batch["weight"].to_pylist(),
        timestamp_ms=batch["timestamp_ms"].to_pylist(),
        qualifiers=batch["qualifier"].to_pylist(),
        properties=_properties(batch),
    )


def _properties(batch: pa.RecordBatch) -> list[Properties] | None:
    """The properties of each row; nothing where no row has any, which stores write faster."""
    texts = batch["properties"].to_pylist()
    return None if all(text == "{}" for text in texts) else [json.loads(text) for text in texts]
