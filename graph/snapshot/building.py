"""Writing a snapshot: the store's export, sorted, packed, published at once."""

from __future__ import annotations

import json
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from graph.files import building, publish_directory, save_array, sha256_of
from graph.schema import EdgeType, NodeSpec
from graph.snapshot.edges import LongArray
from graph.snapshot.end_nodes import EndNodes
from graph.snapshot.mapped import FileEntry
from graph.snapshot.opening import FORMAT, MANIFEST, Snapshot, digest_of, edge_directory, node_directory, open_snapshot
from graph.snapshot.ordering import Ordered, in_time
from graph.snapshot.packing import CODEBOOK, pack_rank, pack_time, pack_weight
from graph.snapshot.reading import EdgeRows, read_edges, read_nodes
from graph.snapshot.vocabulary import Vocabulary
from graph.store import GraphReader, GraphStore


def build_snapshot(store: GraphStore, directory: Path) -> Snapshot:
    """The graph of one moment, written to ``directory`` and opened.

    The directory appears whole or not at all; one that was there is replaced. The same graph gives the same
    bytes in every file, whatever the order it was written in; only the manifest's watermark may differ.
    """
    directory = Path(directory)
    with building(directory.parent) as temporary:
        with store.reading() as reader, ThreadPoolExecutor(1) as beside:
            document = _Writer(temporary, beside).write(reader)
        (temporary / MANIFEST).write_text(json.dumps(document, indent=1, ensure_ascii=False), encoding="utf-8")
        publish_directory(temporary, directory)
    return open_snapshot(directory)


class _Writer:
    """Writes the files of one snapshot while the next is worked out, and remembers what the manifest says of them."""

    def __init__(self, directory: Path, beside: Executor) -> None:
        self._directory = directory
        self._beside = beside
        self._files: dict[str, Future[FileEntry]] = {}

    def write(self, reader: GraphReader) -> dict[str, Any]:
        schema, watermark = reader.schema, reader.watermark()
        nodes = {spec.name: EndNodes(self._write_nodes(reader, spec)) for spec in schema.nodes}
        edges: dict[str, dict[str, Any]] = {}
        for edge in schema.edges:
            sources, targets = nodes[edge.source], nodes[edge.target]
            rows = read_edges(reader, edge.edge_type, sources, targets)
            sizes = (len(sources), len(targets))
            edges["-".join(edge.edge_type)] = self._write_edges(edge.edge_type, rows, sizes)
        document: dict[str, Any] = {
            "format": FORMAT,
            "schema": json.loads(schema.to_json()),
            "schema_version": schema.version,
            "watermark": watermark,
            "nodes": {name: {"count": len(ends)} for name, ends in nodes.items()},
            "edges": edges,
            "files": {name: self._files[name].result().to_json() for name in sorted(self._files)},
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
        ordered = in_time(rows.source, rows.target, rows.timestamp_ms, sizes)
        order = ordered.out_order
        # Packed before they are put in order, since small columns are moved faster than wide ones.
        offset, times = pack_time(rows.timestamp_ms)
        weight, weights = pack_weight(rows.weight)
        arrays: dict[str, npt.NDArray[Any]] = {
            "out_indptr": ordered.out_indptr,
            "out_indices": rows.target[order],
            "into_indptr": ordered.into_indptr,
            "into_indices": ordered.into_indices,
            "into_rank": pack_rank(ordered.into_rank),
            **{name: column[order] for name, column in times.items()},
            **{name: column if name == CODEBOOK else column[order] for name, column in weights.items()},
        }
        if len(rows.qualifier_names):
            arrays["qualifier"] = rows.qualifier[order]
            self._table(f"{at}/qualifier_names.arrow", pa.table({"qualifier": rows.qualifier_names}))
        first = _first_of_pair(rows)
        if not first.all():
            arrays["first_of_pair"] = _earliest_of_pair(rows, ordered, np.flatnonzero(first))
        for name, array in arrays.items():
            self._array(f"{at}/{name}.npy", array)
        return (
            {"count": int(rows.source.size)}
            | ({} if weight is None else {"weight": weight})
            | ({"time_offset_s": offset} if times else {})
        )

    def _array(self, name: str, array: npt.NDArray[Any]) -> None:
        self._files[name] = self._beside.submit(_write_array, self._path(name), np.ascontiguousarray(array))

    def _table(self, name: str, table: pa.Table) -> None:
        self._files[name] = self._beside.submit(_write_table, self._path(name), table)

    def _path(self, name: str) -> Path:
        path = self._directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        return path


def _write_array(path: Path, array: npt.NDArray[Any]) -> FileEntry:
    save_array(path, array)
    return FileEntry(path.stat().st_size, sha256_of(path), array.dtype.str, array.shape)


def _write_table(path: Path, table: pa.Table) -> FileEntry:
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table.combine_chunks())
    return FileEntry(path.stat().st_size, sha256_of(path))


def _first_of_pair(rows: EdgeRows) -> npt.NDArray[np.bool_]:
    """Marks each pair's first row; rows of a pair lie together."""
    first = np.ones(rows.source.size, bool)
    first[1:] = (rows.source[1:] != rows.source[:-1]) | (rows.target[1:] != rows.target[:-1])
    return first


def _earliest_of_pair(rows: EdgeRows, ordered: Ordered, starts: LongArray) -> npt.NDArray[np.bool_]:
    """Marks the earliest edge of every pair, in out order; the edges of a pair begin at ``starts`` in the rows."""
    earliest = np.minimum.reduceat(ordered.out_rank, starts)
    marks = np.zeros(rows.source.size, bool)
    marks[ordered.out_indptr[rows.source[starts]] + earliest] = True
    return marks
