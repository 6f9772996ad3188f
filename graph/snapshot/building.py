"""Writing a snapshot: the store's export, sorted, packed, published at once."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from graph.csr import by_row
from graph.files import building, publish_directory, save_array, sha256_of
from graph.schema import EdgeType, NodeSpec
from graph.snapshot.edges import LongArray
from graph.snapshot.mapped import FileEntry
from graph.snapshot.opening import FORMAT, MANIFEST, Snapshot, digest_of, edge_directory, node_directory, open_snapshot
from graph.snapshot.packing import pack_rank, pack_time, pack_weight
from graph.snapshot.reading import EdgeRows, read_edges, read_nodes
from graph.snapshot.vocabulary import Vocabulary
from graph.sorting import stable_order
from graph.store import GraphReader, GraphStore


def build_snapshot(store: GraphStore, directory: Path) -> Snapshot:
    """The graph of one moment, written to ``directory`` and opened.

    The directory appears whole or not at all; one that was there is replaced. The same graph gives the same
    bytes in every file, whatever the order it was written in; only the manifest's watermark may differ.
    """
    directory = Path(directory)
    with building(directory.parent) as temporary:
        with store.reading() as reader:
            document = _Writer(temporary).write(reader)
        (temporary / MANIFEST).write_text(json.dumps(document, indent=1, ensure_ascii=False), encoding="utf-8")
        publish_directory(temporary, directory)
    return open_snapshot(directory)


class _Writer:
    """Writes the files of one snapshot and remembers what the manifest says of them."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._files: dict[str, FileEntry] = {}

    def write(self, reader: GraphReader) -> dict[str, Any]:
        schema, watermark = reader.schema, reader.watermark()
        vocabularies = {spec.name: self._write_nodes(reader, spec) for spec in schema.nodes}
        edges: dict[str, dict[str, Any]] = {}
        for edge in schema.edges:
            rows = read_edges(reader, edge.edge_type, vocabularies[edge.source], vocabularies[edge.target])
            sizes = (len(vocabularies[edge.source]), len(vocabularies[edge.target]))
            edges["-".join(edge.edge_type)] = self._write_edges(edge.edge_type, rows, sizes)
        document: dict[str, Any] = {
            "format": FORMAT,
            "schema": json.loads(schema.to_json()),
            "schema_version": schema.version,
            "watermark": watermark,
            "nodes": {name: {"count": len(vocabulary)} for name, vocabulary in vocabularies.items()},
            "edges": edges,
            "files": {name: self._files[name].to_json() for name in sorted(self._files)},
        }
        return document | {"digest": digest_of(document)}

    def _write_nodes(self, reader: GraphReader, spec: NodeSpec) -> Vocabulary:
        vocabulary, properties = read_nodes(reader, spec)
        at = node_directory(spec.name)
        self._table(f"{at}/ids.arrow", pa.table({"node_id": vocabulary.ids}))
        self._array(f"{at}/hashes.npy", vocabulary.hashes)
        self._array(f"{at}/hash_rows.npy", vocabulary.rows)
        if properties is not None:
            self._table(f"{at}/properties.arrow", properties)
        return vocabulary

    def _write_edges(self, edge_type: EdgeType, rows: EdgeRows, sizes: tuple[int, int]) -> dict[str, Any]:
        at = edge_directory(edge_type)
        num_sources, num_targets = sizes
        # One stable sort by time; rows come by (source, target, qualifier), so that order breaks ties, and the two
        # counting sorts below keep it inside every row.
        by_time = _stable_order(rows.timestamp_ms)
        source, target = rows.source[by_time], rows.target[by_time]
        out_indptr, out_indices, out_order = by_row(source, target, num_sources, num_targets)
        into_indptr, into_indices, into_order = by_row(target, source, num_targets, num_sources)
        rank = np.empty(source.size, np.int64)
        rank[out_order] = np.arange(source.size) - np.repeat(out_indptr[:-1], np.diff(out_indptr))
        order = by_time[out_order]
        offset, times = pack_time(rows.timestamp_ms[order])
        weight, weights = pack_weight(rows.weight[order])
        arrays: dict[str, npt.NDArray[Any]] = {
            "out_indptr": out_indptr,
            "out_indices": out_indices,
            "into_indptr": into_indptr,
            "into_indices": into_indices,
            "into_rank": pack_rank(rank[into_order]),
            **times,
            **weights,
        }
        if len(rows.qualifier_names):
            arrays["qualifier"] = rows.qualifier[order]
            self._table(f"{at}/qualifier_names.arrow", pa.table({"qualifier": rows.qualifier_names}))
        first = _first_of_pair(rows)
        if not first.all():
            arrays["first_of_pair"] = _earliest_of_pair(source[out_order], out_indices)
        for name, array in arrays.items():
            self._array(f"{at}/{name}.npy", array)
        return (
            {"count": int(source.size)}
            | ({} if weight is None else {"weight": weight})
            | ({"time_offset_s": offset} if times else {})
        )

    def _array(self, name: str, array: npt.NDArray[Any]) -> None:
        array = np.ascontiguousarray(array)
        path = self._path(name)
        save_array(path, array)
        self._files[name] = FileEntry(path.stat().st_size, sha256_of(path), array.dtype.str, array.shape)

    def _table(self, name: str, table: pa.Table) -> None:
        path = self._path(name)
        with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
            writer.write_table(table.combine_chunks())
        self._files[name] = FileEntry(path.stat().st_size, sha256_of(path))

    def _path(self, name: str) -> Path:
        path = self._directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        return path


def _stable_order(timestamp_ms: LongArray) -> LongArray:
    if bool((timestamp_ms[1:] >= timestamp_ms[:-1]).all()):
        return np.arange(timestamp_ms.size, dtype=np.int64)
    return stable_order(timestamp_ms)


def _first_of_pair(rows: EdgeRows) -> npt.NDArray[np.bool_]:
    """Marks each pair's first row; rows of a pair lie together."""
    first = np.ones(rows.source.size, bool)
    first[1:] = (rows.source[1:] != rows.source[:-1]) | (rows.target[1:] != rows.target[:-1])
    return first


def _earliest_of_pair(source: npt.NDArray[np.int32], target: npt.NDArray[np.int32]) -> npt.NDArray[np.bool_]:
    """Marks the first of every pair in the order given."""
    order = stable_order(target, source)
    source, target = source[order], target[order]
    marks = np.ones(source.size, bool)
    marks[1:] = (source[1:] != source[:-1]) | (target[1:] != target[:-1])
    first = np.empty(source.size, bool)
    first[order] = marks
    return first
