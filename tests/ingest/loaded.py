"""Mappings loaded into a store, and what lies in it afterwards."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from graph.store import GraphStore
from ingest.loading import ingest
from ingest.mapping import load_mapping
from ingest.report import IngestReport


def graph_hash(store: GraphStore) -> str:
    digest = hashlib.sha256(store.schema.to_json().encode())
    for node in store.schema.nodes:
        for batch in store.export_nodes(node.name):
            digest.update(repr(batch.to_pylist()).encode())
    for edge in store.schema.edges:
        for batch in store.export_edges(edge.edge_type):
            digest.update(repr(batch.to_pylist()).encode())
    return digest.hexdigest()


def load(directory: Path, mapping: str, store: GraphStore, **options: Any) -> IngestReport:
    (directory / "shop.yaml").write_text(mapping)
    bound = load_mapping(directory / "shop.yaml", directory)
    return ingest(bound, store, work_dir=directory / "work", **options)


def edges_of(store: GraphStore, relation: str) -> list[dict[str, Any]]:
    (spec,) = (spec for spec in store.schema.edges if spec.relation == relation)
    return [row for batch in store.export_edges(spec.edge_type) for row in batch.to_pylist()]


def pairs_of(store: GraphStore, relation: str) -> list[tuple[str, str]]:
    return [(row["source_id"], row["target_id"]) for row in edges_of(store, relation)]
