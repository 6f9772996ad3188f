"""What the rules make of a batch of rows: node rows and edge rows, ready to be staged."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from graph.schema import PropertyKind
from ingest.mapping.cells import Cell
from ingest.mapping.document import MappingDocument
from ingest.mapping.rules import EdgeRule, HierarchyRule, NodeRule
from ingest.mapping.tables import Table
from ingest.readers.rows import Bools, Ints
from ingest.validation.cells import Tables, evaluate, label_of
from ingest.validation.conditions import rows_with_all
from ingest.validation.frame import Column, Fault, Frame, as_text
from ingest.validation.lists import list_lengths, list_parents
from ingest.validation.tables import Prepared
from ingest.validation.values import ids, typed


@dataclass(frozen=True)
class Emission:
    """Rows for one node type (``label`` is its name) or one edge type (``label`` is its mapping label)."""

    is_node: bool
    label: str
    rule: str
    """Which rule made them, as ``table.edges.0``."""
    parents: Ints
    """The frame's row that each one stems from."""
    columns: dict[str, pa.Array]

    def kept(self, keep: Bools) -> Emission:
        """Only the rows of ``keep``."""
        if keep.all():
            return self
        mask = pa.array(keep)
        columns = {name: values.filter(mask) for name, values in self.columns.items()}
        return Emission(self.is_node, self.label, self.rule, self.parents[keep], columns)


class Rules:
    """The rules of one table, ready to be applied to its batches."""

    def __init__(self, document: MappingDocument, name: str, tables: Tables) -> None:
        self._graph = document.graph
        self._name = name
        self._table: Table = document.tables[name]
        self._tables = tables

    def apply(self, prepared: Prepared) -> list[Emission]:
        """What the batch makes; rows with faults are refused in the frame and make nothing."""
        if not len(prepared.frame):
            return []
        frame, open_rows = prepared.frame, ~prepared.filtered
        emissions: list[Emission] = []
        for place, rule in enumerate(self._table.nodes):
            emissions += self._nodes(frame, open_rows, rule, f"{self._name}.nodes.{place}")
        for place, hierarchy in enumerate(self._table.hierarchies):
            emissions += self._levels(frame, open_rows, hierarchy, f"{self._name}.hierarchies.{place}")
        for place, edge_rule in enumerate(self._table.edges):
            emissions += self._edges(frame, open_rows, edge_rule, f"{self._name}.edges.{place}")
        if frame.refused.any():
            emissions = [emission.kept(~frame.refused[emission.parents]) for emission in emissions]
        return [emission for emission in emissions if len(emission.parents)]

    def _when(self, rule: NodeRule | EdgeRule | HierarchyRule, frame: Frame, open_rows: Bools, where: str) -> Bools:
        return open_rows & rows_with_all(rule.when, frame, self._tables, f"{where}.when")

    def _ids(self, cell: Cell, frame: Frame, where: str) -> Column:
        return ids(evaluate(cell, frame, self._tables, where), cell)

    def _nodes(self, frame: Frame, open_rows: Bools, rule: NodeRule, where: str) -> list[Emission]:
        needed = self._when(rule, frame, open_rows, where)
        key = self._ids(rule.id, frame, f"{where}.id")
        needed = _required(frame, key, rule.id, needed, rule.empty)
        kinds = {name: entry.kind for name, entry in self._graph.nodes[rule.type].properties.items()}
        values = self._properties(frame, rule.properties, kinds, where)
        spread = _Spread(frame, needed, {"node_id": key})
        for name, (column, cell) in values.items():
            spread.add(f"p_{name}", column, cell, whole=kinds[name] is PropertyKind.STRINGS)
        return [spread.emission(is_node=True, label=rule.type, rule=where)]

    def _properties(
        self, frame: Frame, cells: Mapping[str, Cell], kinds: Mapping[str, PropertyKind], where: str
    ) -> dict[str, tuple[Column, Cell]]:
        result = {}
        for name, cell in cells.items():
            column = evaluate(cell, frame, self._tables, f"{where}.properties.{name}")
            result[name] = (typed(column, kinds[name], cell), cell)
        return result

    def _edges(self, frame: Frame, open_rows: Bools, rule: EdgeRule, where: str) -> Iterator[Emission]:
        matching = self._when(rule, frame, open_rows, where)
        ends = {"source_id": rule.source, "target_id": rule.target}
        columns = {name: self._ids(cell, frame, f"{where}.{name[:6]}") for name, cell in ends.items()}
        for label, rows in self._labels(frame, rule, matching, where):
            needed = rows
            for name, cell in ends.items():
                needed = _required(frame, columns[name], cell, needed, rule.empty)
            spread = _Spread(frame, needed, columns)
            if rule.qualifier is not None:
                spread.add("qualifier", self._ids(rule.qualifier, frame, f"{where}.qualifier"), rule.qualifier)
            if rule.weight is not None:
                column = evaluate(rule.weight, frame, self._tables, f"{where}.weight")
                spread.add("weight", typed(column, PropertyKind.NUMBER, rule.weight), rule.weight)
            if rule.timestamp is not None:
                column = evaluate(rule.timestamp, frame, self._tables, f"{where}.timestamp")
                spread.add("timestamp_ms", typed(column, PropertyKind.TIMESTAMP, rule.timestamp), rule.timestamp)
            kinds = {name: entry.kind for name, entry in self._graph.edges[label].properties.items()}
            for name, (column, cell) in self._properties(frame, rule.properties, kinds, where).items():
                spread.add(f"p_{name}", column, cell, whole=kinds[name] is PropertyKind.STRINGS)
            yield spread.emission(is_node=False, label=label, rule=where)

    def _labels(self, frame: Frame, rule: EdgeRule, matching: Bools, where: str) -> Iterator[tuple[str, Bools]]:
        if rule.type is not None:
            yield rule.type, matching
            return
        assert rule.by is not None
        column = evaluate(rule.by, frame, self._tables, f"{where}.by")
        frame.refuse(column.faults, matching)
        text = pc.utf8_trim_whitespace(as_text(column.values))
        case = pc.fill_null(pc.index_in(text, value_set=pa.array(list(rule.cases), pa.string())), -1).to_numpy()
        unknown = case < 0
        if rule.otherwise == "quarantine" and (unknown & matching).any():
            remedy = "Add it to `cases`, or set `otherwise: filter`."
            fault = Fault(label_of(rule.by), unknown, text, "the value is in no case of the edge rule", remedy)
            frame.refuse((fault,), matching)
        labels = list(rule.cases.values())
        for label in rule.labels:
            places = [place for place, other in enumerate(labels) if other == label]
            rows: Bools = matching & np.isin(case, places)
            if rows.any():
                yield label, rows

    def _levels(self, frame: Frame, open_rows: Bools, rule: HierarchyRule, where: str) -> Iterator[Emission]:
        needed = self._when(rule, frame, open_rows, where)
        key = self._ids(rule.path, frame, f"{where}.path")
        frame.refuse(key.faults, needed)
        lists = (
            key.values
            if key.is_list
            else pa.ListArray.from_arrays(pa.array(np.arange(len(frame) + 1, dtype=np.int32)), as_text(key.values))
        )
        lengths, parents, flat = list_lengths(lists), list_parents(lists), lists.flatten()
        keep = needed[parents] & flat.is_valid().to_numpy(zero_copy_only=False)
        columns = {"node_id": flat}
        if rule.title is not None:
            joined = rule.path.path.joined if rule.path.path is not None else " > "
            # The greedy part takes everything up to the last separator.
            escaped = "".join(f"\\x{{{ord(character):x}}}" for character in joined)
            columns[f"p_{rule.title}"] = pc.replace_substring_regex(flat, pattern=f"^(?s:.*){escaped}", replacement="")
        yield Emission(True, rule.type, where, parents, columns).kept(keep)
        starts = np.cumsum(lengths) - lengths
        child = np.arange(len(flat), dtype=np.int64)
        child = child[(child > starts[parents]) & keep]
        ends = {"source_id": flat.take(pa.array(child)), "target_id": flat.take(pa.array(child - 1))}
        yield Emission(False, rule.edge, where, parents[child], ends)


def _required(frame: Frame, column: Column, cell: Cell, needed: Bools, empty: str) -> Bools:
    """The rows that have an id; those that have none are refused or skipped."""
    frame.refuse(column.faults, needed)
    absent: Bools
    if column.is_list:
        absent = list_lengths(column.values) == 0
    else:
        absent = column.values.is_null().to_numpy(zero_copy_only=False)
    if empty == "quarantine" and (absent & needed).any():
        nothing = pa.nulls(len(frame), pa.string())
        remedy = "Fill it, filter the row with drop_if, or set `empty: skip`."
        frame.refuse((Fault(label_of(cell), absent, nothing, "the id is empty", remedy),), needed)
    return needed & ~absent


class _Spread:
    """Columns spread over the values of a rule's list-valued ids."""

    def __init__(self, frame: Frame, needed: Bools, keys: dict[str, Column]) -> None:
        self._frame = frame
        self._needed = needed
        self._lengths = np.where(needed, 1, 0).astype(np.int64)
        lists = [column for column in keys.values() if column.is_list]
        if lists:
            self._lengths = np.where(needed, list_lengths(lists[0].values), 0)
        self._lists = bool(lists)
        self._pending: dict[str, tuple[Column, bool]] = {}
        for name, column in keys.items():
            self.add(name, Column(column.values), Cell(value=name))

    def add(self, name: str, column: Column, cell: Cell, *, whole: bool = False) -> None:
        """A column; of a list each value goes to one edge or node, a ``whole`` list goes to all of them."""
        self._frame.refuse(column.faults, self._needed)
        if column.is_list and not whole:
            different = (list_lengths(column.values) != self._lengths) & self._needed
            if different.any():
                reason = "the list has another length than the list of ids" if self._lists else "a list, not one value"
                shown = pa.nulls(len(self._frame), pa.string())
                remedy = "Use lists of equal length, `join`, or a property of kind `strings`."
                self._frame.refuse((Fault(label_of(cell), different, shown, reason, remedy),), self._needed)
                self._lengths = np.where(different, 0, self._lengths)
        self._pending[name] = (column, whole)

    def emission(self, *, is_node: bool, label: str, rule: str) -> Emission:
        """The rows of everything added."""
        parents = np.repeat(np.arange(len(self._frame), dtype=np.int64), self._lengths)
        taken = pa.array(parents)
        plain = len(parents) == len(self._frame) and bool((self._lengths == 1).all())
        columns = {}
        for name, (column, whole) in self._pending.items():
            if column.is_list and not whole:
                present = np.repeat(self._lengths > 0, list_lengths(column.values))
                columns[name] = column.values.flatten().filter(pa.array(present))
            else:
                columns[name] = column.values if plain else column.values.take(taken)
        return Emission(is_node, label, rule, parents, columns)
