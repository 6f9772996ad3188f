"""A store's export as sorted vocabularies, typed columns and row numbers."""

from __future__ import annotations

import json
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from graph.errors import SchemaError, StoreError
from graph.schema import EdgeType, NodeSpec
from graph.snapshot.edges import NO_TIME, FloatArray, LongArray
from graph.snapshot.end_nodes import EndNodes
from graph.snapshot.nodes import ARROW_TYPES
from graph.snapshot.vocabulary import IntArray, Vocabulary
from graph.sorting import stable_order
from graph.store import GraphReader

_BLOCK = 1 << 18
"""Rows compared at a go: what that takes stays in the cache."""


@dataclass(frozen=True, eq=False)
class EdgeRows:
    """The edges of one type as row numbers, sorted by (source, target, qualifier). Shapes: (E,)."""

    source: IntArray
    target: IntArray
    qualifier: IntArray
    """Codes, -1 for the empty qualifier."""
    weight: FloatArray
    timestamp_ms: LongArray
    qualifier_names: pa.Array


def read_nodes(reader: GraphReader, spec: NodeSpec) -> tuple[Vocabulary, pa.Table | None]:
    """The vocabulary of a node type, and its property columns where the schema has any."""
    ids: list[pa.Array] = []
    columns: dict[str, list[pa.Array]] = {name: [] for name in spec.properties}
    for batch in reader.export_nodes(spec.name):
        batch_ids = batch.column("node_id").cast(pa.large_string())
        ids.append(batch_ids)
        if columns:
            documents = [json.loads(text) if text else {} for text in batch.column("properties").to_pylist()]
            for name, parts in columns.items():
                parts.append(_typed(spec, name, [document.get(name) for document in documents], batch_ids))
    all_ids, order = _ordered(ids, spec.name)
    vocabulary = Vocabulary.of(all_ids)
    if not columns:
        return vocabulary, None
    table = pa.table(
        {name: _joined(parts, ARROW_TYPES[spec.properties[name]], order) for name, parts in columns.items()}
    )
    return vocabulary, table


def _ordered(parts: list[pa.Array], node_type: str) -> tuple[pa.Array, IntArray | None]:
    """All ids by their UTF-8 bytes, and the order that put them so (None when they came so)."""
    ids = pa.concat_arrays(parts) if parts else pa.array([], pa.large_string())
    order = None
    keys = ids.cast(pa.large_binary())
    if len(ids) > 1 and not pc.all(pc.less(keys[:-1], keys[1:])).as_py():
        order = pc.sort_indices(keys).to_numpy().astype(np.int32)
        ids = ids.take(pa.array(order))
        keys = ids.cast(pa.large_binary())
        if pc.any(pc.equal(keys[:-1], keys[1:])).as_py():
            raise StoreError("the store exported a node twice", where=node_type, remedy="Run kindred doctor.")
    size = sum(part.nbytes for part in parts)
    return (ids.cast(pa.string()) if size < 1 << 31 else ids), order


def _typed(spec: NodeSpec, name: str, values: list[Any], ids: pa.Array) -> pa.Array:
    kind = spec.properties[name]
    try:
        return pa.array(values, ARROW_TYPES[kind])
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, OverflowError):
        for node_id, value in zip(ids.to_pylist(), values, strict=True):
            try:
                pa.array([value], ARROW_TYPES[kind])
            except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, OverflowError) as error:
                raise SchemaError(
                    f"a property has the wrong type: {spec.name} {name}",
                    expected=str(kind),
                    got=value,
                    where=f"node {node_id}",
                    remedy="Correct the node, or the property's type in the schema.",
                ) from error
        raise


def _joined(parts: list[pa.Array], arrow_type: pa.DataType, order: IntArray | None) -> pa.Array:
    column = pa.concat_arrays(parts) if parts else pa.array([], arrow_type)
    return column if order is None else column.take(pa.array(order))


def read_edges(reader: GraphReader, edge_type: EdgeType, sources: EndNodes, targets: EndNodes) -> EdgeRows:
    """The edges of one type, ends as rows of the vocabularies: found beside the export, which waits for its store."""
    source: list[Future[IntArray]] = []
    target: list[Future[IntArray]] = []
    qualifier_names: dict[str, int] = {}
    qualifier, weight, times = [np.zeros(0, np.int32)], [np.zeros(0, np.float32)], [np.zeros(0, np.int64)]
    with ThreadPoolExecutor(2) as beside:
        for batch in reader.export_edges(edge_type):
            source.append(beside.submit(sources.rows_of, batch.column("source_id"), edge_type))
            target.append(beside.submit(targets.rows_of, batch.column("target_id"), edge_type))
            qualifier.append(_codes(batch.column("qualifier"), qualifier_names))
            weight.append(batch.column("weight").to_numpy(zero_copy_only=False).astype(np.float32))
            times.append(pc.fill_null(batch.column("timestamp_ms"), NO_TIME).to_numpy(zero_copy_only=False))
    names, codes = _sorted_codes(qualifier_names, np.concatenate(qualifier))
    rows = EdgeRows(
        _together(source),
        _together(target),
        codes,
        np.concatenate(weight),
        np.concatenate(times).astype(np.int64, copy=False),
        names,
    )
    return _in_key_order(rows)


def _together(parts: list[Future[IntArray]]) -> IntArray:
    return np.concatenate([np.zeros(0, np.int32), *(part.result() for part in parts)])


def _codes(column: pa.Array, names: dict[str, int]) -> IntArray:
    """Codes in order of first sight, -1 for the empty qualifier; ``names`` grows."""
    encoded = column.dictionary_encode()
    local = [-1 if not name else names.setdefault(name, len(names)) for name in encoded.dictionary.to_pylist()]
    codes = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False)
    return np.asarray(np.asarray([*local, -1], np.int32)[codes], np.int32)


def _sorted_codes(names: dict[str, int], codes: IntArray) -> tuple[pa.Array, IntArray]:
    ordered = sorted(names, key=lambda name: name.encode())
    renamed = np.full(len(names) + 1, -1, np.int32)
    renamed[[names[name] for name in ordered]] = np.arange(len(ordered), dtype=np.int32)
    return pa.array(ordered, pa.string()), renamed[codes]


def _in_key_order(rows: EdgeRows) -> EdgeRows:
    """The same rows by (source, target, qualifier), whatever order the store exported them in."""
    if all(_is_in_key_order(rows, slice(start, start + _BLOCK + 1)) for start in range(0, rows.source.size, _BLOCK)):
        return rows
    order = stable_order(rows.qualifier, rows.target, rows.source)
    return EdgeRows(
        rows.source[order],
        rows.target[order],
        rows.qualifier[order],
        rows.weight[order],
        rows.timestamp_ms[order],
        rows.qualifier_names,
    )


def _is_in_key_order(rows: EdgeRows, block: slice) -> bool:
    pair = rows.source[block].astype(np.int64) << 32 | rows.target[block]
    qualifier = rows.qualifier[block]
    step, tie = pair[1:] - pair[:-1], qualifier[1:] > qualifier[:-1]
    return bool(((step > 0) | ((step == 0) & tie)).all())
