"""A graph as the CSV files that the server's offline import tool reads: the fastest way into an empty database.

Nodes are numbered here, one after the other through all files, so the tool need not look up the ends of edges by text.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from graph.errors import InputError, NotFound, SchemaError
from graph.neo4j.cypher.names import BATCH, META, Names
from graph.neo4j.knowing import FORMAT
from graph.neo4j.reading.exporting import key_ranks
from graph.records import Applied, DeleteEdges, DeleteNodes, Mutation, UpsertEdges, UpsertNodes, Value
from graph.schema import EdgeSpec, EdgeType, GraphSchema, NodeSpec, PropertyKind
from graph.values import (
    check_audit,
    check_ids,
    checked_properties,
    column_list,
    id_list,
    timestamp_list,
    weight_list,
)

_LIST_SEPARATOR = "\x1f"
_TYPES = {
    PropertyKind.STRING: ("", pa.string()),
    PropertyKind.INTEGER: (":long", pa.int64()),
    PropertyKind.NUMBER: (":double", pa.float64()),
    PropertyKind.BOOLEAN: (":boolean", pa.bool_()),
    PropertyKind.TIMESTAMP: (":long", pa.int64()),
    PropertyKind.STRINGS: (":string[]", pa.string()),
}
"""Kind → what the header says and the column's type in the file."""


class _Edges:
    """The columns of one edge type, as they come."""

    def __init__(self) -> None:
        self.sources: list[str] = []
        self.targets: list[str] = []
        self.qualifiers: list[str] = []
        self.weights: list[float] = []
        self.times: list[int | None] = []
        self.properties: list[dict[str, Value]] = []


class ImportFiles:
    """Takes a first load, as a store would, and leaves files. Deletes and conditions have no place in one."""

    def __init__(self, folder: Path, names: Names) -> None:
        self._folder = folder
        self._names = names
        self._schema: GraphSchema | None = None
        self._nodes: dict[str, dict[str, dict[str, Value]]] = {}
        self._edges: dict[EdgeType, _Edges] = {}
        self._sequence = 0
        self._numbered = 0
        self._node_ids: dict[str, tuple[int, pa.Array]] = {}
        """Node type → the number of its first node, and the ids in the order of the numbers."""
        self._multiline: list[Path] = []
        self.arguments: list[str] = []
        """What the import tool is told; complete after :meth:`bulk_load`."""
        self.edge_count = 0

    @property
    def schema(self) -> GraphSchema:
        if self._schema is None:
            raise SchemaError("the files have no schema yet", remedy="Call ensure_schema first.")
        return self._schema

    def ensure_schema(self, schema: GraphSchema) -> None:
        self._schema = schema if self._schema is None else self._schema.merged(schema)

    def bulk_load(self, mutations: Iterable[Mutation], *, batch_id: str, actor: str) -> Applied:
        """Write the files; ``changed`` counts their rows.

        Raises:
            InputError: for a mutation that is not a plain upsert.
            NotFound: when an edge's end is missing and is not to be created.
        """
        check_audit(batch_id, actor)
        for mutation in mutations:
            if isinstance(mutation, UpsertNodes) and mutation.expected_version is None:
                self._take_nodes(mutation)
            elif isinstance(mutation, UpsertEdges):
                self._take_edges(mutation)
            else:
                kind = type(mutation).__name__ if isinstance(mutation, (DeleteNodes, DeleteEdges)) else "a condition"
                raise InputError("a first import only adds", got=kind, remedy="Load it without --bulk.")
        self._folder.mkdir(parents=True, exist_ok=True)
        for node in self.schema.nodes:
            self._write_nodes(node, self._nodes.pop(node.name, {}))
        for edge in self.schema.edges:
            self._write_edges(edge, self._edges.pop(edge.edge_type, _Edges()))
        self._write_bookkeeping(batch_id, actor)
        self.arguments += ["--id-type=actual", f"--array-delimiter=U+{ord(_LIST_SEPARATOR):04X}"]
        if self._multiline:  # the tool reads these with one thread
            files = ",".join(map(str, self._multiline))
            self.arguments += ["--multiline-fields-format=v2", f"--multiline-fields={files}"]
        return Applied(self._sequence, str(self._sequence))

    def _take_nodes(self, mutation: UpsertNodes) -> None:
        spec = self.schema.node(mutation.node_type)
        node_ids = id_list(mutation.node_ids, "node id")
        check_ids(set(node_ids), "node id")
        known = self._nodes.setdefault(spec.name, {})
        if mutation.properties is None:
            for node_id in node_ids:
                known[node_id] = {} if mutation.replace else known.get(node_id, {})
            return
        column = column_list(mutation.properties, "properties", len(node_ids))
        for node_id, properties in zip(node_ids, column, strict=True):
            checked = checked_properties(spec.properties, properties, f"{spec.name} {node_id}")
            before = {} if mutation.replace else known.get(node_id, {})
            known[node_id] = {**before, **checked} if before else checked

    def _take_edges(self, mutation: UpsertEdges) -> None:
        spec = self.schema.edge(mutation.edge_type)
        sources = id_list(mutation.source_ids, "source id")
        rows = len(sources)
        targets = id_list(mutation.target_ids, "target id", rows)
        qualifiers = [""] * rows
        if mutation.qualifiers is not None:
            qualifiers = id_list(mutation.qualifiers, "qualifier", rows)
            check_ids(set(qualifiers), "qualifier", empty_allowed=True)
        weight = weight_list(mutation.weight, rows)
        for node_type, ids in ((spec.source, sources), (spec.target, targets)):
            self._take_ends(spec, node_type, dict.fromkeys(ids), mutation.create_missing)
        kept = self._edges.setdefault(spec.edge_type, _Edges())
        kept.sources += sources
        kept.targets += targets
        kept.qualifiers += qualifiers
        kept.weights += weight if isinstance(weight, list) else [weight] * rows
        kept.times += timestamp_list(mutation.timestamp_ms, rows) or [None] * rows
        if mutation.properties is not None:
            where = "-".join(spec.edge_type)
            column = column_list(mutation.properties, "properties", rows)
            kept.properties += [checked_properties(spec.properties, properties, where) for properties in column]
        elif spec.properties:
            kept.properties += [{} for _ in range(rows)]

    def _take_ends(self, spec: EdgeSpec, node_type: str, ids: dict[str, None], create: bool) -> None:
        check_ids(ids, "node id")
        known = self._nodes.setdefault(node_type, {})
        absent = [node_id for node_id in ids if node_id not in known]
        if absent and not create:
            raise NotFound(
                f"{len(absent)} of the edges' end nodes are not there",
                expected=f"{node_type} nodes",
                got=", ".join(absent[:5]),
                where="-".join(spec.edge_type),
                remedy="Write the nodes first, or use create_missing.",
            )
        for node_id in absent:
            known[node_id] = {}

    def _sequences(self, rows: int) -> pa.Array:
        first = self._sequence + 1
        self._sequence += rows
        return pa.array(np.arange(first, first + rows))

    def _numbers(self, rows: int) -> pa.Array:
        first = self._numbered
        self._numbered += rows
        return pa.array(np.arange(first, first + rows))

    def _numbers_of(self, node_type: str, node_ids: list[str]) -> pa.Array:
        """The numbers of nodes that are written."""
        first, ids = self._node_ids[node_type]
        place = pc.index_in(pa.array(node_ids, pa.string()), value_set=ids)
        return pc.add(place.cast(pa.int64()), first)

    def _write_nodes(self, spec: NodeSpec, nodes: dict[str, dict[str, Value]]) -> None:
        ids = pa.array(list(nodes), pa.string())
        self._node_ids[spec.name] = self._numbered, ids
        columns = {":ID": self._numbers(len(nodes)), self._names.plain_key(spec.name): ids}
        columns["_seq:long"] = self._sequences(len(nodes))
        for name, kind in spec.properties.items():
            stored = self._names.plain_node_property(spec.name, name)
            columns |= _property_column(stored, kind, [properties.get(name) for properties in nodes.values()])
        self._write("nodes", self._names.plain_label(spec.name), spec.name, columns)

    def _write_edges(self, spec: EdgeSpec, edges: _Edges) -> None:
        last = _last_of_each(edges, bool(spec.properties))
        columns = {
            ":START_ID": self._numbers_of(spec.source, edges.sources),
            ":END_ID": self._numbers_of(spec.target, edges.targets),
            "qualifier": pa.array([qualifier or None for qualifier in edges.qualifiers], pa.string()),
            "weight:double": pa.array([None if weight == 1.0 else weight for weight in edges.weights], pa.float64()),
            "timestamp_ms:long": pa.array(edges.times, pa.int64()),
        }
        for name, kind in spec.properties.items():
            stored = f"_{name}" if name in ("qualifier", "weight", "timestamp_ms") else name
            columns |= _property_column(stored, kind, [properties.get(name) for properties in edges.properties])
        if last is not None:
            columns = {name: column.take(last) for name, column in columns.items()}
        rows = len(edges.sources) if last is None else len(last)
        self.edge_count += rows
        columns = {name: column for name, column in columns.items() if name.startswith(":") or column.null_count < rows}
        columns["_seq:long"] = self._sequences(rows)
        self._write("relationships", self._names.plain_type(spec.edge_type), "-".join(spec.edge_type), columns)

    def _write(self, kind: str, called: str, file: str, columns: dict[str, pa.Array]) -> None:
        path = self._folder / f"{file}.csv"
        csv.write_csv(pa.table(columns), path)
        if any(pa.types.is_string(column.type) and _has_line_end(column) for column in columns.values()):
            self._multiline.append(path)
        self.arguments.append(f"--{kind}={called}={path}")

    def _write_bookkeeping(self, batch_id: str, actor: str) -> None:
        schema = self.schema
        meta: dict[str, Any] = {
            "name": "graph",
            "sequence:long": self._sequence,
            "commits:long": 0,
            "format:long": FORMAT,
            "locked:boolean": False,
            "schema": schema.to_json(),
            "adopted": "{}",
            "version": schema.version,
        }
        batch: dict[str, Any] = {
            "token": uuid.uuid4().hex,
            "first:long": 1,
            "last:long": self._sequence,
            "batch_id": batch_id,
            "actor": actor,
            "changed:long": self._sequence,
            "at_ms:long": int(time.time() * 1000),
        }
        for label, row in ((META, meta), (BATCH, batch)):
            columns = {":ID": self._numbers(1)} | {name: pa.array([value]) for name, value in row.items()}
            self._write("nodes", self._names.prefixed(label), label, columns)


def _has_line_end(column: pa.Array) -> bool:
    return bool(pc.any(pc.match_substring_regex(column, r"[\r\n]")).as_py())


def _property_column(name: str, kind: PropertyKind, values: Sequence[Value]) -> dict[str, pa.Array]:
    """The column with its header; none when no row has a value."""
    if all(value is None for value in values):
        return {}
    header, arrow_type = _TYPES[kind]
    if kind is PropertyKind.STRINGS:
        values = [None if value is None else _joined(name, value) for value in values]  # type: ignore[arg-type]
    return {name + header: pa.array(values, arrow_type)}


def _joined(name: str, texts: list[str]) -> str:
    if not texts or "" in texts or any(_LIST_SEPARATOR in text for text in texts):
        raise InputError(
            f"a list in property {name} has no place in an import file",
            expected="texts that are not empty, at least one",
            got=texts,
            remedy="Load it without --bulk.",
        )
    return _LIST_SEPARATOR.join(texts)


def _last_of_each(edges: _Edges, with_properties: bool) -> pa.Array | None:
    """The rows to keep when some edge came twice: the last one, with the properties of all; None when none did."""
    if not edges.sources:
        return None
    columns = (pa.array(column, pa.string()) for column in (edges.sources, edges.targets, edges.qualifiers))
    ranks = key_ranks(columns)
    order = np.lexsort(ranks[::-1])
    same = np.logical_and.reduce([rank[order[1:]] == rank[order[:-1]] for rank in ranks])
    if not same.any():
        return None
    if with_properties:
        for before, after in zip(order[:-1][same].tolist(), order[1:][same].tolist(), strict=True):
            edges.properties[after] = {**edges.properties[before], **edges.properties[after]}
    kept = np.ones(order.size, bool)
    kept[:-1] = ~same
    return pa.array(np.sort(order[kept]))
