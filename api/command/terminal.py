"""What the command shows: steps on standard error, results on standard output."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

if TYPE_CHECKING:
    from api.engine import Answer
    from gnn.experiment import Experiment
    from gnn.training.progress import RichTrainingProgress
    from graph.problems import Problem
    from graph.records import GraphStats
    from graph.release import ReleaseInfo
    from graph.schema import EdgeType
    from ingest.planning import DryRun
    from ingest.progress import RichProgress
    from ingest.report import IngestReport

progress_console = Console(stderr=True)
output = Console(soft_wrap=True)
WIDE = 1000
"""Columns where there is no window; a table takes what it needs."""


class Telling:
    """Says each step, with the seconds since the start."""

    def __init__(self) -> None:
        self._started = time.perf_counter()

    def step(self, text: str) -> None:
        seconds = time.perf_counter() - self._started
        progress_console.print(f"[dim]{seconds:7.1f} s[/]  {escape(text)}", soft_wrap=True)


def say(line: str) -> None:
    """One line on standard error, not broken: it may be a command to copy."""
    progress_console.print(f"[dim]{escape(line)}[/]", soft_wrap=True)


def warn(line: str) -> None:
    """One line on standard error that should not be missed."""
    progress_console.print(f"[yellow]{escape(line)}[/]", soft_wrap=True)


def progress_bar() -> RichProgress:
    """A bar per stage of an ingest; only where somebody watches."""
    from ingest.progress import RichProgress

    return RichProgress(progress_console)


def training_bar() -> RichTrainingProgress:
    """A bar for one training, with its epochs, loss and last validation."""
    from gnn.training.progress import RichTrainingProgress

    return RichTrainingProgress(progress_console)


@contextmanager
def encoding_bar() -> Iterator[Callable[[int, int], None]]:
    """A bar for text encoding, with rate and remaining time: what is yielded is told texts done and to do."""
    with Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(),
        console=progress_console,
    ) as bar:  # fmt: skip
        task = bar.add_task("encode texts", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def print_json(document: Any) -> None:
    """One JSON document on standard output."""
    sys.stdout.write(json.dumps(document, ensure_ascii=False, indent=1) + "\n")


def print_rows(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A table; as wide as it has to be where nobody's window limits it, so that no figure is cut in a log."""
    table = Table()
    for name in header:
        table.add_column(name, overflow="fold")
    for row in rows:
        table.add_row(*(escape(cell) for cell in row))
    (output if output.is_terminal else Console(width=WIDE)).print(table)


def print_problems(problems: Sequence[Problem]) -> None:
    """A paragraph a problem; its fix stands alone on a line, to be copied into Browser."""
    for problem in problems:
        output.print(f"[bold]{escape(problem.where)}[/]  {problem.kind}\n  {escape(problem.reason)}")
        output.print(f"  {escape(problem.fix)}\n", highlight=False)
    number = "1 problem" if len(problems) == 1 else f"{len(problems):,} problems"
    output.print(f"{number}; the fixes are Cypher, for Neo4j Browser")


def print_report(report: IngestReport) -> None:
    """What an ingest did: every row read is stored, filtered or in quarantine."""
    counts = ("read", "stored", "filtered", "quarantined")
    print_rows(
        ("file", *counts),
        [(Path(file.file).name, *(f"{getattr(file, name):,}" for name in counts)) for file in report.files],
    )
    output.print(
        f"{report.stored:,} stored + {report.filtered:,} filtered + {report.quarantined:,} quarantined "
        f"= {report.read:,} read; {sum(report.nodes.values()):,} nodes, {sum(report.edges.values()):,} edges "
        f"({report.changed:,} rows changed) in {report.seconds:.1f} s"
    )
    if report.quarantine is not None:
        warn(f"bad rows with their reasons: {report.quarantine}")


def print_plan(plan: DryRun) -> None:
    """What an ingest would do."""
    for table in plan.tables:
        output.print(
            f"[bold]{escape(table.name)}[/]: {len(table.files)} file(s), {table.size_bytes:,} bytes; of the first "
            f"{table.read:,} rows {table.stored:,} would be stored, {table.filtered:,} filtered, "
            f"{table.quarantined:,} quarantined"
        )
        for row in table.rows:
            output.print("  " + escape(", ".join(f"{name}={value}" for name, value in row.items())))
    print_rows(("would become", "rows"), [(name, f"{count:,}") for name, count in (plan.nodes | plan.edges).items()])
    for sample in plan.samples:
        output.print("  " + escape(sample))
    for problem in plan.problems:
        warn("problem: " + ", ".join(f"{name} {value}" for name, value in problem.items()))


def print_experiment(experiment: Experiment) -> None:
    """The comparison, the verdict, and which sources the fusion weighs."""
    figures = ("recall@20", "ndcg@20", "hr@10", "ndcg@10", "validation_ndcg@20")
    print_rows(
        ("model", *figures, "fit s", "served"),
        [
            (
                row["model"],
                *(f"{row[name]:.4f}" for name in figures),
                f"{row['fit_s']:.1f}",
                "●" if row["served"] else "",
            )
            for row in experiment.table
        ],
    )
    for name, reason in experiment.fitted.skipped.items():
        warn(f"{name} was left out: {reason}")
    output.print(f"gate: {experiment.verdict.sentence}")
    if experiment.raised is not None:
        output.print(f"new items: {experiment.raised.sentence}")
    shares = experiment.fusion.weights.importance().items()
    output.print("fusion: " + ", ".join(f"{name} {share:.0%}" for name, share in shares))


def print_controls(document: Mapping[str, Any]) -> None:
    """The fused ranking on validation with a part removed, and what the graph adds in one sentence."""
    figures = ("recall@20", "ndcg@20", "adds")
    print_rows(
        ("control", *figures, "95 %"),
        [
            (row["control"], *(f"{row[name]:.4f}" for name in figures), "{:+.4f} to {:+.4f}".format(*row["interval"]))
            if "adds" in row
            else (row["control"], "nothing left", *([""] * 3))
            for row in document["rows"]
        ],
    )
    output.print(f"on validation {document['sentence']}")


def print_releases(infos: Sequence[ReleaseInfo]) -> None:
    """The releases, newest first."""
    marks = {(True, False): "current", (False, True): "previous"}
    print_rows(
        ("release", "made", ""),
        [
            (info.id, info.created_at.isoformat(timespec="seconds"), marks.get((info.current, info.previous), ""))
            for info in infos
        ],
    )


def print_stats(stats: GraphStats, digest: str) -> None:
    """Nodes and edges by type."""
    rows = [(name, f"{count:,}") for name, count in stats.nodes.items()]
    rows += [(pattern(edge_type), f"{count:,}") for edge_type, count in stats.edges.items()]
    print_rows(("type", "count"), rows)
    output.print(f"{stats.size_bytes / 1e6:.1f} MB, watermark {stats.watermark}, hash {digest[:16]}")


def print_answer(answer: Answer, heading: str) -> None:
    """A ranked list with the first reason of each item."""
    output.print(f"\n[bold]{escape(heading)}[/]")
    for item in answer.items:
        output.print(f"  {item.rank}. {escape(item.title)}  [dim]{escape(item.item_id)}[/]")
        for reason in item.reasons[:1]:
            output.print(f"     [dim]{escape(reason.text)}[/]")


def pattern(edge_type: EdgeType) -> str:
    """An edge type as people read it: ``(User)-[LIKED]->(Item)``."""
    source, relation, target = edge_type
    return f"({source})-[{relation}]->({target})"
