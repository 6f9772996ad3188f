"""Staged rows put together: ends checked, conflicts resolved, duplicates merged, everything sorted.

DuckDB does the sorting and joining within a memory limit and spills to disk beyond it. No answer hangs on
the order of the rows, so the same input in any order or cut gives the same graph.
"""

# ruff: noqa: S608
# A query cannot take a table or column name as a parameter. The names here are those of the checked schema
# (letters, digits, underscores) and of our own files; no cell's value is ever part of a query.

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import lcm
from pathlib import Path
from typing import Literal, Self

import duckdb

from graph.schema import PropertyKind
from ingest.mapping.document import MappingDocument
from ingest.mapping.rules import EdgeRule
from ingest.staging.duplicates import merge_duplicates
from ingest.staging.spill import Spill
from ingest.validation.cells import label_of

MEMORY = "384MB"
_FETCH_ROWS = 10_000


@dataclass(frozen=True)
class Dangling:
    """A row with an edge to a node that no rule describes."""

    file: int
    line: int
    column: str
    value: str
    node_type: str


class Assembly:
    """Turns a spill into sorted files, one per node type and edge type."""

    def __init__(self, document: MappingDocument, spill: Spill, directory: Path) -> None:
        self._document = document
        self._spill = spill
        self._directory = directory
        directory.mkdir(parents=True, exist_ok=True)
        self._db = duckdb.connect(
            str(directory / "assembly.duckdb"),
            config={
                "memory_limit": MEMORY,
                "threads": 2,
                "preserve_insertion_order": False,
                "temp_directory": str(directory / "spilled"),
                "autoinstall_known_extensions": False,
                "autoload_known_extensions": False,
            },
        )
        self._policies = self._policy_of_each_rule()
        self.merged = 0
        """Edge rows that were merged into others with the same ends and qualifier."""
        self._collect_known()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._db.close()

    def filtered_rows(self) -> dict[int, int]:
        """File → rows all of whose edges lead to nodes that are not there, by rules that say `missing: filter`."""
        counts: dict[int, int] = {}
        for label, rules in self._checked("filter"):
            query = f"""
                SELECT file, count(*) FROM (
                    SELECT origin, any_value(file) AS file, bool_and(missing) AS lost
                    FROM ({self._edges_with_missing(label)})
                    WHERE alone AND rule IN ({rules}) GROUP BY origin
                ) WHERE lost GROUP BY file"""
            for file, count in self._db.execute(query).fetchall():
                counts[file] = counts.get(file, 0) + count
        return counts

    def dangling(self) -> Iterator[Dangling]:
        """Rows with an edge whose end is not there, each once, by rules that say `missing: quarantine`."""
        parts = []
        for label, rules in self._checked("quarantine"):
            entry = self._document.graph.edges[label]
            parts.append(f"""
                SELECT origin, file, line, rule, no_source,
                    CASE WHEN no_source THEN source_id ELSE target_id END AS value,
                    CASE WHEN no_source THEN {_text(entry.source)} ELSE {_text(entry.target)} END AS node_type
                FROM ({self._edges_with_missing(label)}) WHERE missing AND rule IN ({rules})""")
        if not parts:
            return
        query = f"""
            SELECT file, line, rule, no_source, value, node_type FROM ({" UNION ALL ".join(parts)})
            QUALIFY row_number() OVER (PARTITION BY origin ORDER BY rule, no_source DESC, value) = 1
            ORDER BY file, line, origin"""
        cursor = self._db.execute(query)
        while rows := cursor.fetchmany(_FETCH_ROWS):
            for file, line, rule, no_source, value, node_type in rows:
                edge_rule = self._rule(rule)
                column = label_of(edge_rule.source if no_source else edge_rule.target)
                yield Dangling(file, line, column, value, node_type)

    def nodes(self, node_type: str) -> Path:
        """The node type's rows sorted by id, each id once, disagreements resolved."""
        staged, known = self._spill.nodes(node_type), _known(node_type)
        properties = self._document.graph.nodes[node_type].properties
        path = self._directory / f"ready-{known}.parquet"
        if staged is None or not properties:
            self._copy(f"SELECT node_id FROM {known} ORDER BY node_id", path)
            return path
        columns, joins = ["k.node_id"], []
        source = f"read_parquet({_text(str(staged))})"
        for place, (name, entry) in enumerate(properties.items()):
            column = f'"p_{name}"'
            best = {
                "smallest": f"min({column})",
                "largest": f"max({column})",
                "longest": f"arg_min({column}, (-{_length(entry.kind, column)}, {column}))",
                "most_frequent": "",
            }[entry.resolve]
            grouped = f"SELECT node_id, {best} AS v FROM {source} WHERE {column} IS NOT NULL GROUP BY node_id"
            if entry.resolve == "most_frequent":
                grouped = f"""
                    SELECT node_id, arg_min(v, (-n, v)) AS v FROM (
                        SELECT node_id, {column} AS v, count(*) AS n FROM {source}
                        WHERE {column} IS NOT NULL GROUP BY node_id, {column}
                    ) GROUP BY node_id"""
            columns.append(f"r{place}.v AS {column}")
            joins.append(f"LEFT JOIN ({grouped}) r{place} ON r{place}.node_id = k.node_id")
        self._copy(f"SELECT {', '.join(columns)} FROM {known} k {' '.join(joins)} ORDER BY k.node_id", path)
        return path

    def edges(self, label: str) -> Path | None:
        """The edge type's rows sorted by (source, target, qualifier), each once; None when there are none."""
        if self._spill.edges(label) is None:
            return None
        entry = self._document.graph.edges[label]
        properties = [f'"p_{name}"' for name in entry.properties]
        columns = ["source_id", "target_id", "qualifier", "weight", "timestamp_ms", *properties]
        preference = {
            "latest": ["timestamp_ms DESC NULLS LAST", "weight DESC"],
            "earliest": ["timestamp_ms ASC NULLS LAST", "weight DESC"],
            "largest": ["weight DESC", "timestamp_ms DESC NULLS LAST"],
            "sum": ["timestamp_ms DESC NULLS LAST", "weight DESC"],
        }[entry.repeat]
        order = [*columns[:3], *preference, *(f"{column} ASC NULLS LAST" for column in properties)]
        rows = self._edges_with_missing(label)
        number = list(self._document.graph.edges).index(label)
        path = self._directory / f"sorted-{number}.parquet"
        self._copy(f"SELECT {', '.join(columns)} FROM ({rows}) WHERE NOT missing ORDER BY {', '.join(order)}", path)
        ready = self._directory / f"ready-edges-{number}.parquet"
        self.merged += merge_duplicates(path, ready, add_weights=entry.repeat == "sum")
        path.unlink()
        return ready

    def next_items(self, interactions: Sequence[Path]) -> Path | None:
        """`NEXT` edges from ready interaction files; None when none of them has times."""
        rule = self._document.derive.next
        if rule is None or not interactions:
            return None
        # Whole numbers add up to the same sum in any order; floats would not.
        unit = lcm(*range(1, rule.max_gap + 1))
        files = ", ".join(_text(str(path)) for path in interactions)
        steps = " UNION ALL ".join(
            f"""SELECT target_id AS a, lead(target_id, {gap}) OVER w AS b, {unit // gap} AS part
                FROM events WINDOW w AS (PARTITION BY source_id ORDER BY timestamp_ms, target_id, qualifier, origin)"""
            for gap in range(1, rule.max_gap + 1)
        )
        path = self._directory / "ready-next.parquet"
        self._copy(
            f"""WITH events AS (
                    SELECT source_id, target_id, qualifier, timestamp_ms, filename AS origin
                    FROM read_parquet([{files}], filename = true, union_by_name = true) WHERE timestamp_ms IS NOT NULL)
                SELECT a AS source_id, b AS target_id, '' AS qualifier, sum(part) / {unit}.0::DOUBLE AS weight,
                    NULL::BIGINT AS timestamp_ms
                FROM ({steps}) WHERE b IS NOT NULL AND a <> b GROUP BY a, b ORDER BY a, b""",
            path,
        )
        return path

    def _copy(self, query: str, path: Path) -> None:
        self._db.execute(f"COPY ({query}) TO {_text(str(path))} (FORMAT parquet, PRESERVE_ORDER true)")

    def _rule(self, number: int) -> EdgeRule:
        table, _, place = self._spill.rules[number].rpartition(".edges.")
        return self._document.tables[table].edges[int(place)]

    def _policy_of_each_rule(self) -> list[Literal["create", "filter", "quarantine"]]:
        policies: list[Literal["create", "filter", "quarantine"]] = []
        for name in self._spill.rules:
            table, kind, place = name.rsplit(".", 2)
            if kind == "hierarchies":
                policies.append("create")
                continue
            rule = self._document.tables[table].edges[int(place)]
            described = self._document.described_types
            edges = [self._document.graph.edges[label] for label in rule.labels]
            checked = any(end in described for edge in edges for end in (edge.source, edge.target))
            policies.append(rule.missing or ("quarantine" if checked else "create"))
        return policies

    def _creates(self, node_type: str) -> str:
        """The rules (numbers, for SQL) whose edges make ends of ``node_type``.

        `missing` is about types that are made elsewhere. A type that nothing else makes is made by every edge.
        """
        described = node_type in self._document.described_types
        willing, touching = [], []
        for number, name in enumerate(self._spill.rules):
            said = "create" if ".hierarchies." in name else self._rule(number).missing
            if node_type in self._ends_of(number):
                touching.append(number)
                if said == "create" or (said is None and not described):
                    willing.append(number)
        makers = willing or ([] if described else touching)
        return ", ".join(map(str, makers)) or "-1"

    def _ends_of(self, number: int) -> set[str]:
        table, kind, place = self._spill.rules[number].rsplit(".", 2)
        if kind == "hierarchies":
            return {self._document.tables[table].hierarchies[int(place)].type}
        edges = [self._document.graph.edges[label] for label in self._rule(number).labels]
        return {end for edge in edges for end in (edge.source, edge.target)}

    def _checked(self, policy: str) -> Iterator[tuple[str, str]]:
        rules = ", ".join(str(number) for number, other in enumerate(self._policies) if other == policy)
        for label in self._document.graph.edges:
            if rules and self._spill.edges(label) is not None:
                yield label, rules

    def _edges_with_missing(self, label: str) -> str:
        """A query for the staged rows with `no_source`, `no_target` and `missing`."""
        path = self._spill.edges(label)
        entry = self._document.graph.edges[label]
        source = f"read_parquet({_text(str(path))})"
        if all(policy == "create" for policy in self._policies):
            return f"SELECT *, false AS missing FROM {source}"
        free_source, free_target = self._creates(entry.source), self._creates(entry.target)
        return f"""
            SELECT e.*, s.node_id IS NULL AND rule NOT IN ({free_source}) AS no_source,
                t.node_id IS NULL AND rule NOT IN ({free_target}) AS no_target,
                (no_source OR no_target) AS missing
            FROM {source} e
            LEFT JOIN {_known(entry.source)} s ON s.node_id = e.source_id
            LEFT JOIN {_known(entry.target)} t ON t.node_id = e.target_id"""

    def _collect_known(self) -> None:
        for node_type in self._document.graph.nodes:
            parts = []
            staged = self._spill.nodes(node_type)
            if staged is not None:
                parts.append(f"SELECT node_id FROM read_parquet({_text(str(staged))})")
            for label, entry in self._document.graph.edges.items():
                path = self._spill.edges(label)
                for column, end in (("source_id", entry.source), ("target_id", entry.target)):
                    if path is not None and end == node_type:
                        rules = self._creates(node_type)
                        parts.append(
                            f"SELECT {column} AS node_id FROM read_parquet({_text(str(path))}) WHERE rule IN ({rules})"
                        )
            query = " UNION ALL ".join(parts) or "SELECT NULL::VARCHAR AS node_id WHERE false"
            self._db.execute(f"CREATE TABLE {_known(node_type)} AS SELECT DISTINCT node_id FROM ({query})")


def _known(node_type: str) -> str:
    return f'"known_{node_type}"'


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _length(kind: PropertyKind, column: str) -> str:
    return f"len({column})" if kind in {PropertyKind.STRING, PropertyKind.STRINGS} else f"length({column}::VARCHAR)"
