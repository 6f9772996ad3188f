"""The dict model a store is compared with, and the operations it is tried with."""

from __future__ import annotations

import json
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st

from graph.errors import NotFound
from graph.records import DeleteEdges, DeleteNodes, Edge, Mutation, Node, UpsertEdges, UpsertNodes
from graph.schema import EdgeType, GraphSchema
from graph.store import GraphReader

WORLD = GraphSchema.parse(
    {
        "nodes": [
            {"name": "User", "role": "user"},
            {
                "name": "Item",
                "role": "item",
                "title": "title",
                "properties": {
                    "title": "string",
                    "price": "number",
                    "stock": "integer",
                    "sold": "boolean",
                    "since": "timestamp",
                    "tags": "strings",
                },
            },
            {"name": "Brand", "role": "attribute", "title": "name", "properties": {"name": "string"}},
        ],
        "edges": [
            {
                "source": "User",
                "relation": "PURCHASED",
                "target": "Item",
                "role": "interaction",
                "kind": "purchase",
                "properties": {"note": "string", "count": "integer"},
            },
            {"source": "Item", "relation": "HAS_BRAND", "target": "Brand", "role": "attribute"},
            {"source": "Item", "relation": "NEXT", "target": "Item", "role": "item_relation"},
        ],
    }
)
PURCHASED: EdgeType = ("User", "PURCHASED", "Item")
HAS_BRAND: EdgeType = ("Item", "HAS_BRAND", "Brand")
NEXT: EdgeType = ("Item", "NEXT", "Item")

NodeName = tuple[str, str]
EdgeName = tuple[EdgeType, str, str, str]


@dataclass
class Row:
    """One row of the model; a deleted one stays, as a tombstone."""

    content: Any
    version: int = 1
    live: bool = True
    changed_in: int = 0


@dataclass
class Model:
    """What a store should hold, kept the simplest way."""

    nodes: dict[NodeName, Row] = field(default_factory=dict)
    edges: dict[EdgeName, Row] = field(default_factory=dict)
    applied: int = 0

    def apply(self, mutations: Sequence[Mutation]) -> int:
        """Row changes made; :class:`NotFound` leaves everything as it was."""
        before = deepcopy((self.nodes, self.edges))
        self.applied += 1
        try:
            return sum(self._write(mutation) for mutation in mutations)
        except NotFound:
            self.nodes, self.edges = before
            raise

    def _write(self, mutation: Mutation) -> int:
        changed = 0
        if isinstance(mutation, UpsertNodes):
            for index, node_id in enumerate(mutation.node_ids):
                patch = dict(mutation.properties[index]) if mutation.properties is not None else {}
                changed += self._upsert_node((mutation.node_type, node_id), patch, mutation.replace)
        elif isinstance(mutation, UpsertEdges):
            changed += self._upsert_edges(mutation)
        elif isinstance(mutation, DeleteNodes):
            for node_id in mutation.node_ids:
                name = (mutation.node_type, node_id)
                if self._live(self.nodes, name):
                    for edge in self.live_edges():
                        if name in ((edge[0][0], edge[1]), (edge[0][2], edge[2])):
                            changed += self._bury(self.edges[edge])
                    changed += self._bury(self.nodes[name])
        else:
            changed += self._delete_edges(mutation)
        return changed

    def _upsert_edges(self, mutation: UpsertEdges) -> int:
        changed = 0
        source_type, _, target_type = mutation.edge_type
        ends = [(source_type, node_id) for node_id in mutation.source_ids]
        ends += [(target_type, node_id) for node_id in mutation.target_ids]
        for end in ends:
            if not self._live(self.nodes, end):
                if not mutation.create_missing:
                    raise NotFound("an end is not there")
                changed += self._upsert_node(end, {}, replace=False)
        for index, (source_id, target_id) in enumerate(zip(mutation.source_ids, mutation.target_ids, strict=True)):
            qualifier = mutation.qualifiers[index] if mutation.qualifiers is not None else ""
            weight = mutation.weight if isinstance(mutation.weight, float) else mutation.weight[index]  # type: ignore[index]
            time = mutation.timestamp_ms[index] if mutation.timestamp_ms is not None else None
            patch = dict(mutation.properties[index]) if mutation.properties is not None else {}
            name = (mutation.edge_type, source_id, target_id, qualifier)
            old = self.edges[name].content[2] if self._live(self.edges, name) else {}
            changed += self._put(self.edges, name, (weight, time, _merged(old, patch)))
        return changed

    def _delete_edges(self, mutation: DeleteEdges) -> int:
        doomed: dict[EdgeName, None] = {}
        for index, pair in enumerate(zip(mutation.source_ids, mutation.target_ids, strict=True)):
            for name in self.live_edges():
                same = name[0] == mutation.edge_type and name[1:3] == pair
                if same and (mutation.qualifiers is None or name[3] == mutation.qualifiers[index]):
                    doomed[name] = None
        return sum(self._bury(self.edges[name]) for name in doomed)

    def _upsert_node(self, name: NodeName, patch: dict[str, Any], replace: bool) -> int:
        old = self.nodes[name].content if self._live(self.nodes, name) and not replace else {}
        return self._put(self.nodes, name, _merged(old, patch))

    def _put(self, rows: dict[Any, Row], name: Any, content: Any) -> int:
        row = rows.get(name)
        if row is not None and row.live and row.content == content:
            return 0
        rows[name] = Row(content, 1 if row is None else row.version + 1, True, self.applied)
        return 1

    def _bury(self, row: Row) -> int:
        row.live, row.content, row.changed_in = False, None, self.applied
        return 1

    @staticmethod
    def _live(rows: dict[Any, Row], name: Any) -> bool:
        return name in rows and rows[name].live

    def live_nodes(self) -> list[NodeName]:
        return [name for name, row in self.nodes.items() if row.live]

    def live_edges(self) -> list[EdgeName]:
        return [name for name, row in self.edges.items() if row.live]

    def node(self, name: NodeName) -> Node | None:
        row = self.nodes.get(name)
        return Node(*name, row.content, row.version) if row is not None and row.live else None

    def edge(self, name: EdgeName) -> Edge:
        row = self.edges[name]
        return Edge(*name, *row.content, row.version)


def _merged(old: dict[str, Any], patch: dict[str, Any]) -> dict[str, Any]:
    merged = {**old, **patch}
    return {name: value for name, value in sorted(merged.items()) if value is not None}


def name_of(record: Node | Edge) -> NodeName | EdgeName:
    """The key of a row, as the model has it."""
    if isinstance(record, Node):
        return record.key
    return (record.edge_type, record.source_id, record.target_id, record.qualifier)


def check_same(reader: GraphReader, model: Model) -> None:
    """Nothing, when everything a reader answers is what the model says."""
    for name in model.nodes:
        assert reader.node(*name) == model.node(name)
    for spec in WORLD.nodes:
        exported = [tuple(row.values()) for batch in reader.export_nodes(spec.name) for row in batch.to_pylist()]
        expected = [
            (node_id, canonical(model.nodes[node_type, node_id].content))
            for node_type, node_id in sorted(model.live_nodes(), key=lambda name: name[1].encode())
            if node_type == spec.name
        ]
        assert exported == expected
    for edge_spec in WORLD.edges:
        exported = [
            tuple(row.values()) for batch in reader.export_edges(edge_spec.edge_type) for row in batch.to_pylist()
        ]
        names = [name for name in model.live_edges() if name[0] == edge_spec.edge_type]
        expected_edges = []
        for name in sorted(names, key=lambda name: tuple(part.encode() for part in name[1:])):
            weight, time, properties = model.edges[name].content
            expected_edges.append((*name[1:], weight, time, canonical(properties)))
        assert exported == expected_edges
    for node in model.live_nodes():
        _check_neighbors(reader, model, node)
    stats = reader.stats()
    assert sum(stats.nodes.values()) == len(model.live_nodes())
    assert sum(stats.edges.values()) == len(model.live_edges())


def _check_neighbors(reader: GraphReader, model: Model, node: NodeName) -> None:
    expected = []
    for name in model.live_edges():
        source, target = (name[0][0], name[1]), (name[0][2], name[2])
        expected += [(target, model.edge(name), "out")] * (source == node)
        expected += [(source, model.edge(name), "in")] * (target == node)
    found, cursor = [], None
    while True:
        page = reader.neighbors(*node, limit=2, cursor=cursor)
        assert len(page.neighbors) <= 2
        found += [(neighbor.node, neighbor.edge, neighbor.direction) for neighbor in page.neighbors]
        cursor = page.next_cursor
        if cursor is None:
            break
    assert sorted(map(repr, found)) == sorted(map(repr, expected))


def check_changes(reader: GraphReader, model: Model, watermark: str, applied: int) -> None:
    """Nothing, when the changes after ``watermark`` (taken after so many batches) are what the model says."""
    changes = list(reader.changes_since(watermark))
    names = [name_of(change.record) for change in changes]
    rows: dict[Any, Row] = {**model.nodes, **model.edges}
    assert len(set(names)) == len(names)
    assert set(names) == {name for name, row in rows.items() if row.changed_in > applied}
    batches = [rows[name].changed_in for name in names]
    assert batches == sorted(batches)
    for name, change in zip(names, changes, strict=True):
        row = rows[name]
        assert change.operation == ("upsert" if row.live else "delete")
        assert change.record.version == row.version
        assert change.batch_id == f"batch {row.changed_in}"
        if row.live:
            assert change.record == (model.node(name) if len(name) == 2 else model.edge(name))
    assert [change.watermark for change in changes][-1:] in ([], [reader.watermark()])


def canonical(properties: dict[str, Any]) -> str:
    return json.dumps(properties, sort_keys=True, ensure_ascii=False, separators=(",", ":"))


HOSTILE = (
    "a'; DROP TABLE nodes; --",
    'x" OR "1"="1',
    "}) DETACH DELETE n //",
    "NEAR(a b) AND NOT *",
    "`Item`",
    "../../etc/passwd",
    "%_\\",
    "é́",
    "🛒🏽‍♀️",
    "手机 壳",
    " padded ",
    "line\nbreak\ttab",
    "\u202eright to left",
    "0",
    "null",
    "-1e309",
    "<script>alert(1)</script>",
)

_USERS = st.sampled_from(["u1", "u2", "u3", HOSTILE[0]])
_ITEMS = st.sampled_from(["i1", "i2", "i3", HOSTILE[9]])
_BRANDS = st.sampled_from(["b1", HOSTILE[1]])
_IDS = {"User": _USERS, "Item": _ITEMS, "Brand": _BRANDS}
_VALUES: dict[str, dict[str, st.SearchStrategy[Any]]] = {
    "User": {},
    "Item": {
        "title": st.none() | st.sampled_from(["red phone", "红色手机", "", HOSTILE[3]]),
        "price": st.none() | st.floats(-1e6, 1e6).map(lambda number: number + 0.0),
        "stock": st.none() | st.integers(-(2**63), 2**63 - 1),
        "sold": st.none() | st.booleans(),
        "since": st.none() | st.integers(0, 2**42),
        "tags": st.none() | st.lists(st.sampled_from(["a", "b", HOSTILE[7]]), max_size=2),
    },
    "Brand": {"name": st.none() | st.sampled_from(["Nivea", "Dove"])},
    "PURCHASED": {"note": st.none() | st.sampled_from(["gift", "x"]), "count": st.none() | st.integers(0, 3)},
    "HAS_BRAND": {},
    "NEXT": {},
}
_WEIGHTS = st.sampled_from([1.0, 2.0, 0.1, -3.5])
_TIMES = st.none() | st.sampled_from([0, 1, 1_600_000_000_000, -5])
_QUALIFIERS = st.sampled_from(["", "", "basket", HOSTILE[2]])


def _properties(type_name: str) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional=_VALUES[type_name])


@st.composite
def mutations(draw: st.DrawFn) -> Mutation:
    """One mutation over few ids, so that rows are met again and again."""
    rows = draw(st.integers(0, 4))

    def column(strategy: st.SearchStrategy[Any]) -> list[Any]:
        return draw(st.lists(strategy, min_size=rows, max_size=rows))

    kind = draw(st.sampled_from(["nodes", "edges", "edges", "delete nodes", "delete edges"]))
    if kind in ("nodes", "delete nodes"):
        node_type = draw(st.sampled_from(sorted(_IDS)))
        if kind == "delete nodes":
            return DeleteNodes(node_type, column(_IDS[node_type]))
        properties = column(_properties(node_type)) if draw(st.booleans()) else None
        return UpsertNodes(node_type, column(_IDS[node_type]), properties, replace=draw(st.booleans()))
    edge_type = draw(st.sampled_from([PURCHASED, HAS_BRAND, NEXT]))
    sources, targets = column(_IDS[edge_type[0]]), column(_IDS[edge_type[2]])
    qualifiers = column(_QUALIFIERS) if draw(st.booleans()) else None
    if kind == "delete edges":
        return DeleteEdges(edge_type, sources, targets, qualifiers)
    return UpsertEdges(
        edge_type,
        sources,
        targets,
        weight=column(_WEIGHTS) if draw(st.booleans()) else draw(_WEIGHTS),
        timestamp_ms=column(_TIMES) if draw(st.booleans()) else None,
        qualifiers=qualifiers,
        properties=column(_properties(edge_type[1])) if draw(st.booleans()) else None,
        create_missing=draw(st.integers(0, 4)) > 0,
    )
