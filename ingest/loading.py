"""Loading: a mapping's files read, checked, staged on disk, and only then written to the graph store."""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from graph.errors import Conflict, TooManyBadRows
from graph.loading import load
from graph.records import Mutation, Properties, UpsertEdges, UpsertNodes
from graph.schema import EdgeType
from graph.store import FirstLoad, GraphStore
from ingest.mapping.file import Mapping
from ingest.progress import NoProgress, Progress
from ingest.quarantine import Quarantine
from ingest.readers.rows import Reject
from ingest.report import FileCounts, IngestReport
from ingest.staging.assembly import Assembly
from ingest.staging.emissions import Rules
from ingest.staging.spill import Spill
from ingest.validation.cells import Tables
from ingest.validation.tables import Prepared, lookup_tables, prepared_frames

NODE_BATCH_ROWS = 20_000
EDGE_BATCH_ROWS = 50_000


def ingest(
    mapping: Mapping,
    store: GraphStore | FirstLoad,
    *,
    work_dir: Path,
    max_bad: float = 0.05,
    batch_id: str | None = None,
    actor: str = "ingest",
    progress: Progress | None = None,
    turn_s: float = 0.0,
) -> IngestReport:
    """What was read and written. Nothing is written before every row of every file was checked.

    Runs again with the same result: after a crash, with the rows shuffled, with the files cut anew.

    Raises:
        TooManyBadRows: when more than the share ``max_bad`` of the rows is in quarantine.
        InputError: when a file cannot be read.
        NotFound: when a file is not there.
        MappingError: when the mapping does not fit the files.
        Conflict: when another ingest uses ``work_dir``, for longer than ``turn_s`` seconds.
    """
    started = time.monotonic()
    shown = progress if progress is not None else NoProgress()
    work_dir.mkdir(parents=True, exist_ok=True)
    with _alone_in(work_dir, turn_s, shown), ExitStack() as stack:
        staging = work_dir / "staging"
        shutil.rmtree(staging, ignore_errors=True)
        stack.callback(shutil.rmtree, staging, ignore_errors=True)
        quarantine = stack.enter_context(Quarantine(work_dir / "quarantine" / f"{mapping.name}.jsonl"))
        reading = _Reading(mapping, quarantine, staging, shown)
        reading.run()
        shown.start("checking references", None, "rows")
        assembly = stack.enter_context(Assembly(mapping.document, reading.spill, staging / "assembly"))
        reading.account_for(assembly)
        _stop_if_too_many(reading, max_bad)
        counts = _Counts()
        schema = mapping.schema
        shown.start("sorting", None, "rows")
        files = _ready_files(mapping, assembly)
        shown.start("writing to the graph", sum(pq.read_metadata(path).num_rows for _, path in files), "rows")
        store.ensure_schema(schema)
        batch = batch_id or _batch_id(mapping, reading.paths)
        applied = load(store, _mutations(files, counts, shown), batch_id=batch, actor=actor)
        return IngestReport(
            mapping=mapping.name,
            batch_id=batch,
            files=tuple(reading.files),
            nodes=counts.nodes,
            edges=counts.edges,
            merged=assembly.merged,
            changed=applied.changed,
            watermark=applied.watermark,
            quarantine=str(quarantine.path) if quarantine.count else None,
            seconds=time.monotonic() - started,
        )


class _Counts:
    def __init__(self) -> None:
        self.nodes: dict[str, int] = {}
        self.edges: dict[str, int] = {}


class _Reading:
    """Reads every file, stages what its rows make, and keeps the account."""

    def __init__(self, mapping: Mapping, quarantine: Quarantine, staging: Path, progress: Progress) -> None:
        self._mapping = mapping
        self._quarantine = quarantine
        self._progress = progress
        self._rows = 0
        self.spill = Spill(mapping.document, staging / "rows")
        self.files: list[FileCounts] = []
        self.paths: list[Path] = []

    def run(self) -> None:
        """Reads all tables of the mapping."""
        work = [(name, path) for name in self._mapping.document.tables for path in self._mapping.files_of(name)]
        tables = lookup_tables(self._mapping)
        for name, path in work:
            self.paths.append(path)
            counts = FileCounts(name, str(path))
            self.files.append(counts)
            self._progress.start(f"{name}: {path.name}", path.stat().st_size, "bytes")
            self._read(name, path, tables, counts)
        self.spill.close()

    def _read(self, name: str, path: Path, tables: Tables, counts: FileCounts) -> None:
        document = self._mapping.document
        table = document.tables[name]
        rules = Rules(document, name, tables)
        for prepared in prepared_frames(name, table, path, tables, self._progress.advance):
            made = self._stage(rules, prepared)
            frame = prepared.frame
            if table.is_lookup_only:
                made = ~prepared.filtered
            stored = int(np.count_nonzero(made & ~frame.refused))
            refused_here = int(np.count_nonzero(frame.refused))
            counts.read += len(frame) + prepared.emptied + len(frame.rejects) - refused_here
            counts.quarantined += len(frame.rejects)
            counts.stored += stored
            counts.filtered += len(frame) - refused_here - stored + prepared.emptied
            for reject in frame.rejects:
                self._quarantine.add(path, reject)

    def _stage(self, rules: Rules, prepared: Prepared) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        frame = prepared.frame
        emissions = rules.apply(prepared)
        rules_per_row = np.zeros(len(frame), dtype=np.int64)
        for name in {emission.rule for emission in emissions}:
            by_rule = np.zeros(len(frame), dtype=np.bool_)
            for emission in emissions:
                if emission.rule == name:
                    by_rule[emission.parents] = True
            rules_per_row += by_rule
        origins = np.arange(self._rows, self._rows + len(frame), dtype=np.int64)
        self._rows += len(frame)
        for emission in emissions:
            self.spill.add(
                emission, file=len(self.files) - 1, lines=frame.lines, origins=origins, alone=rules_per_row == 1
            )
        return rules_per_row > 0

    def account_for(self, assembly: Assembly) -> None:
        """Moves rows whose edges lead nowhere from stored to filtered or quarantined."""
        for file, count in assembly.filtered_rows().items():
            self.files[file].stored -= count
            self.files[file].filtered += count
        for row in assembly.dangling():
            self.files[row.file].stored -= 1
            self.files[row.file].quarantined += 1
            reason = f"there is no {row.node_type} with this id"
            remedy = f"Add the {row.node_type} to its file, or set `missing: create` or `filter`."
            self._quarantine.add(self.paths[row.file], Reject(row.line, row.column, row.value, reason, remedy))


def _stop_if_too_many(reading: _Reading, max_bad: float) -> None:
    read = sum(file.read for file in reading.files)
    bad = sum(file.quarantined for file in reading.files)
    if bad > max_bad * read:
        raise TooManyBadRows(
            "too many bad rows, nothing was committed",
            expected=f"at most {max_bad:.1%} of {read:,} rows",
            got=f"{bad:,} ({bad / read:.1%})",
            where=str(reading._quarantine.path),
            remedy="Read the reasons there, and correct the files or the mapping, or raise --max-bad.",
        )


def _ready_files(mapping: Mapping, assembly: Assembly) -> list[tuple[str | EdgeType, Path]]:
    """What is written, in order: node types, edge types, derived edges."""
    document = mapping.document
    files: list[tuple[str | EdgeType, Path]] = [(name, assembly.nodes(name)) for name in document.graph.nodes]
    interactions = []
    for label in document.graph.edges:
        path = assembly.edges(label)
        if path is not None:
            files.append((document.edge_spec(label).edge_type, path))
            if label in document.next_labels:
                interactions.append(path)
    derived = assembly.next_items(interactions)
    if derived is not None and document.derive.next is not None:
        item = mapping.schema.item_type
        files.append(((item, document.derive.next.relation, item), derived))
    return files


def _mutations(files: list[tuple[str | EdgeType, Path]], counts: _Counts, progress: Progress) -> Iterator[Mutation]:
    for kind, path in files:
        with pq.ParquetFile(path) as file:
            rows = NODE_BATCH_ROWS if isinstance(kind, str) else EDGE_BATCH_ROWS
            for batch in file.iter_batches(rows, use_threads=False):
                if isinstance(kind, str):
                    counts.nodes[kind] = counts.nodes.get(kind, 0) + len(batch)
                    yield UpsertNodes(kind, batch.column("node_id").to_pylist(), _properties(batch))
                else:
                    name = f"{kind[0]}-{kind[1]}->{kind[2]}"
                    counts.edges[name] = counts.edges.get(name, 0) + len(batch)
                    yield _edges(kind, batch)
                progress.advance(len(batch))


def _edges(edge_type: EdgeType, batch: pa.RecordBatch) -> UpsertEdges:
    columns: dict[str, list[Any]] = {
        name: batch.column(name).to_pylist() for name in batch.schema.names if not name.startswith("p_")
    }
    return UpsertEdges(
        edge_type,
        columns["source_id"],
        columns["target_id"],
        weight=columns["weight"],
        timestamp_ms=columns["timestamp_ms"],
        qualifiers=columns["qualifier"],
        properties=_properties(batch),
    )


def _properties(batch: pa.RecordBatch) -> list[Properties] | None:
    names = [name for name in batch.schema.names if name.startswith("p_")]
    if not names:
        return None
    columns = [batch.column(name).to_pylist() for name in names]
    plain = [name.removeprefix("p_") for name in names]
    return [
        {name: value for name, value in zip(plain, row, strict=True) if value is not None}
        for row in zip(*columns, strict=True)
    ]


def _batch_id(mapping: Mapping, paths: list[Path]) -> str:
    sizes = [(path.name, path.stat().st_size) for path in paths]
    return f"{mapping.name}-{hashlib.sha256(repr((mapping.digest, sizes)).encode()).hexdigest()[:12]}"


@contextmanager
def _alone_in(work_dir: Path, turn_s: float, shown: Progress) -> Iterator[None]:
    # The lock goes with the process, however it ends.
    deadline, waits = time.monotonic() + turn_s, False
    with (work_dir / "ingest.lock").open("w") as lock:
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError as error:
                if time.monotonic() >= deadline:
                    raise Conflict(
                        "another ingest is running in this directory",
                        got=str(work_dir),
                        remedy="Wait for it, or use another work directory.",
                    ) from error
                if not waits:
                    shown.start(f"waiting for another ingest in {work_dir}", None, "rows")
                    waits = True
                time.sleep(0.1)
        yield
