"""The dry run: what an ingest would make of the first rows of every table, and what is wrong with them."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field

import numpy as np

from graph.errors import KindredError
from ingest.mapping.file import Mapping
from ingest.readers.rows import Reject, shortened
from ingest.staging.emissions import Emission, Rules
from ingest.validation.cells import Tables
from ingest.validation.tables import Prepared, lookup_tables, prepared_frames

SAMPLES = 3
MAX_PROBLEMS = 20


@dataclass
class TablePlan:
    """What the first rows of a table's files are, and become."""

    name: str
    files: list[str]
    size_bytes: int
    columns: list[str] = field(default_factory=list)
    rows: list[dict[str, str]] = field(default_factory=list)
    """The first rows, as text."""
    read: int = 0
    stored: int = 0
    filtered: int = 0
    quarantined: int = 0


@dataclass
class DryRun:
    """What an ingest would do, judged by the first rows; references between files are not checked."""

    mapping: str
    schema_version: str
    tables: list[TablePlan] = field(default_factory=list)
    nodes: dict[str, int] = field(default_factory=dict)
    """Node type → rows that would become nodes of it (one node may come of many rows)."""
    edges: dict[str, int] = field(default_factory=dict)
    """Edge type (as ``User-LIKED->Item``) → rows that would become edges of it."""
    samples: list[str] = field(default_factory=list)
    """A few nodes and edges of each type."""
    problems: list[dict[str, object]] = field(default_factory=list)

    def to_json(self) -> str:
        """The dry run as JSON."""
        return json.dumps(asdict(self), ensure_ascii=False, indent=2)


def plan(mapping: Mapping, *, rows: int = 1_000) -> DryRun:
    """What the first ``rows`` rows of each table would become. Nothing is written.

    Problems are collected instead of raised: an absent file, a column that is not there, bad rows.
    """
    result = DryRun(mapping.name, mapping.schema.version)
    try:
        tables: Tables = lookup_tables(mapping)
    except KindredError as error:
        result.problems.append({"reason": str(error)})
        return result
    for name in mapping.document.tables:
        try:
            _plan_table(mapping, name, tables, rows, result)
        except KindredError as error:
            result.problems.append({"table": name, "reason": str(error)})
    return result


def _plan_table(mapping: Mapping, name: str, tables: Tables, limit: int, result: DryRun) -> None:
    table = mapping.document.tables[name]
    paths = mapping.files_of(name)
    entry = TablePlan(name, [str(path) for path in paths], sum(path.stat().st_size for path in paths))
    result.tables.append(entry)
    rules = Rules(mapping.document, name, tables)
    for path in paths:
        for prepared in prepared_frames(name, table, path, tables):
            frame = prepared.frame
            if not entry.columns and frame.columns:
                entry.columns = list(frame.columns)
                entry.rows = _first_rows(prepared)
            emissions = rules.apply(prepared)
            made = np.zeros(len(frame), dtype=np.bool_)
            for emission in emissions:
                made[emission.parents] = True
                _show(mapping, emission, result)
            if table.is_lookup_only:
                made = ~prepared.filtered
            stored, refused = int(np.count_nonzero(made)), int(np.count_nonzero(frame.refused))
            entry.read += len(frame) + prepared.emptied + len(frame.rejects) - refused
            entry.stored += stored
            entry.quarantined += len(frame.rejects)
            entry.filtered += len(frame) - refused - stored + prepared.emptied
            room = MAX_PROBLEMS - len(result.problems)
            result.problems += [_problem(str(path), reject) for reject in frame.rejects[: max(room, 0)]]
            if entry.read >= limit:
                return


def _first_rows(prepared: Prepared) -> list[dict[str, str]]:
    columns = prepared.frame.columns
    count = min(SAMPLES, len(prepared.frame))
    return [
        {name: shortened(column.values[row].as_py(), 60) for name, column in columns.items()} for row in range(count)
    ]


def _problem(file: str, reject: Reject) -> dict[str, object]:
    return {
        "file": file,
        "line": reject.line,
        "column": reject.column,
        "value": reject.value,
        "reason": reject.reason,
        "what_to_do": reject.remedy,
    }


def _show(mapping: Mapping, emission: Emission, result: DryRun) -> None:
    count = len(emission.parents)
    if emission.is_node:
        kind, known = emission.label, result.nodes
    else:
        spec = mapping.document.edge_spec(emission.label)
        kind, known = f"{spec.source}-{spec.relation}->{spec.target}", result.edges
    if kind not in known:
        for row in range(min(SAMPLES, count)):
            values = {name: shortened(column[row].as_py(), 60) for name, column in emission.columns.items()}
            result.samples.append(f"{kind} {json.dumps(values, ensure_ascii=False)}")
    known[kind] = known.get(kind, 0) + count
