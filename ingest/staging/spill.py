"""Emitted rows on disk: a Parquet file per node type and edge type."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from graph.schema import PropertyKind
from ingest.mapping.document import MappingDocument
from ingest.readers.rows import Bools, Ints
from ingest.staging.emissions import Emission
from ingest.validation.values import ARROW_TYPES

GROUP_ROWS = 100_000


class Spill:
    """Takes emissions of any size, writes row groups of about 100,000 rows."""

    def __init__(self, document: MappingDocument, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._directory = directory
        self._schemas = {(True, name): node_layout(document, name) for name in document.graph.nodes}
        self._schemas |= {(False, label): edge_layout(document, label) for label in document.graph.edges}
        self._writers: dict[tuple[bool, str], pq.ParquetWriter] = {}
        self._buffers: dict[tuple[bool, str], list[pa.RecordBatch]] = {}
        self._paths: dict[tuple[bool, str], Path] = {}
        self.rules: list[str] = []
        """Rule names by the number that staged rows hold."""

    def add(self, emission: Emission, *, file: int, lines: Ints, origins: Ints, alone: Bools) -> None:
        """Stages the rows of one emission; ``lines``, ``origins`` and ``alone`` are those of the frame's rows.

        ``origins`` number the rows of all files; ``alone`` says that no other rule made anything of the row.
        """
        key = (emission.is_node, emission.label)
        layout, count = self._schemas[key], len(emission.parents)
        columns = dict(emission.columns)
        if not emission.is_node:
            if emission.rule not in self.rules:
                self.rules.append(emission.rule)
            rule = self.rules.index(emission.rule)
            columns |= {
                "rule": pa.array(np.full(count, rule, dtype=np.int16)),
                "file": pa.array(np.full(count, file, dtype=np.int32)),
                "line": pa.array(lines[emission.parents]),
                "origin": pa.array(origins[emission.parents]),
                "alone": pa.array(alone[emission.parents]),
            }
            if "weight" in columns:
                columns["weight"] = columns["weight"].fill_null(1.0)
            if "qualifier" in columns:
                columns["qualifier"] = columns["qualifier"].fill_null("")
        arrays = [columns[field.name] if field.name in columns else _filler(field, count) for field in layout]
        buffer = self._buffers.setdefault(key, [])
        buffer.append(pa.RecordBatch.from_arrays(arrays, schema=layout))
        if sum(map(len, buffer)) >= GROUP_ROWS:
            self._flush(key)

    def close(self) -> None:
        """Writes what is buffered, and ends every file."""
        for key in list(self._buffers):
            self._flush(key)
        for writer in self._writers.values():
            writer.close()

    def nodes(self, node_type: str) -> Path | None:
        """The staged rows of a node type; None when there are none."""
        return self._paths.get((True, node_type))

    def edges(self, label: str) -> Path | None:
        """The staged rows of an edge type; None when there are none."""
        return self._paths.get((False, label))

    def _flush(self, key: tuple[bool, str]) -> None:
        buffer = self._buffers[key]
        if not buffer:
            return
        if key not in self._writers:
            place = len(self._writers)
            self._paths[key] = self._directory / f"{'nodes' if key[0] else 'edges'}-{place}.parquet"
            self._writers[key] = pq.ParquetWriter(self._paths[key], self._schemas[key], compression="snappy")
        self._writers[key].write_table(pa.Table.from_batches(buffer).combine_chunks(), row_group_size=2 * GROUP_ROWS)
        buffer.clear()


def node_layout(document: MappingDocument, node_type: str) -> pa.Schema:
    """The staged columns of a node type."""
    kinds = {name: entry.kind for name, entry in document.graph.nodes[node_type].properties.items()}
    return pa.schema([("node_id", pa.string()), *_properties(kinds)])


def edge_layout(document: MappingDocument, label: str) -> pa.Schema:
    """The staged columns of an edge type."""
    kinds = {name: entry.kind for name, entry in document.graph.edges[label].properties.items()}
    return pa.schema(
        [
            ("source_id", pa.string()),
            ("target_id", pa.string()),
            ("qualifier", pa.string()),
            ("weight", pa.float64()),
            ("timestamp_ms", pa.int64()),
            *_properties(kinds),
            ("rule", pa.int16()),
            ("file", pa.int32()),
            ("line", pa.int64()),
            ("origin", pa.int64()),
            ("alone", pa.bool_()),
        ]
    )


def _properties(kinds: Mapping[str, PropertyKind]) -> list[tuple[str, pa.DataType]]:
    return [(f"p_{name}", ARROW_TYPES[kind]) for name, kind in kinds.items()]


def _filler(field: pa.Field, count: int) -> pa.Array:
    if field.name == "weight":
        return pa.array(np.ones(count))
    if field.name == "qualifier":
        return pa.array([""], pa.string()).take(pa.array(np.zeros(count, dtype=np.int64)))
    return pa.nulls(count, field.type)
