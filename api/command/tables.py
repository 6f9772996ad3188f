"""The quality tables: measured by command, kept as JSON, rendered as a page. No figure is typed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from api.command.recipe import Order, experiment_on, forget_trainings, material_from
from api.command.related_tables import RELATED, run_related_tables
from api.command.terminal import Telling, output, warn
from api.command.workshop import epoch_seconds, ingest_into, mapping_named, opened, working_folder
from api.settings import Settings
from gnn.protocols import PROTOCOLS, Cuts
from graph.errors import InputError, NotFound

DOCS = Path("docs")
FIGURES = ("recall@20", "ndcg@20", "hr@10", "ndcg@10", "mrr@20", "validation_ndcg@20")
EXPOSURE = ("coverage", "novelty", "popularity_lift", "fit_s", "peak_mb")
SLICES = ("cold items", "tail items", "cold users")


@dataclass(frozen=True)
class QualityTable:
    """One table: a source, a protocol, and what there is to beat."""

    source: str
    protocol: str
    title: str
    folder: str | None = None
    """Sub-folder of the data directory, for sources that fit several data sets."""
    test_from: str | None = None
    to_beat: str = ""
    options: dict[str, dict[str, Any]] = field(default_factory=dict)

    def command(self, seed: int) -> str:
        """The command that measures this table alone."""
        parts = [f"kindred evaluate --source {self.source} --data-dir $KINDRED_DATA_DIR"]
        parts[0] += f"/{self.folder}" if self.folder else ""
        parts += [f"--protocol {self.protocol}", f"--test-from {self.test_from}" if self.test_from else ""]
        return " ".join([part for part in parts if part] + [f"--seed {seed}"])


TABLES: dict[str, QualityTable] = {
    "movielens-100k": QualityTable(
        "movielens",
        "random-80-20",
        "MovieLens-100k, rating ≥ 4, random 80/20 per user",
        to_beat="EASE .363/.335, LightGCN .360/.316, graph filter .351/.311 (recall@20/ndcg@20)",
    ),
    "movielens-100k-temporal": QualityTable("movielens", "temporal", "MovieLens-100k, rating ≥ 4, temporal"),
    "online-retail": QualityTable(
        "online-retail",
        "temporal",
        "UCI Online Retail, temporal cut 2011-11-01, new items only",
        test_from="2011-11-01",
        to_beat="EASE .0998/.1056, popularity .0376/.0429 (recall@20/ndcg@20)",
    ),
    "amazon-beauty": QualityTable(
        "s3rec",
        "leave-one-out",
        "Amazon Beauty, S3-Rec split, graph from training interactions and catalogue attributes only",
        folder="amazon_beauty_kg",
        to_beat="S3-Rec .0647/.0327, itemKNN .0649/.0397 (hr@10/ndcg@10)",
    ),
    "amazon-beauty-deployed": QualityTable(
        "s3rec",
        "leave-one-out-deployed",
        "Amazon Beauty, S3-Rec split, the graph also knows the validation item",
        folder="amazon_beauty_kg",
    ),
}


def run_tables(settings: Settings, *, only: str | None, seeds: int, fresh: bool) -> None:
    """Measures what is not measured yet, one table and seed at a time, and writes the page after each.

    Raises:
        InputError: for a table that does not exist.
    """
    chosen = list(TABLES) if only is None else [name.strip() for name in only.split(",")]
    if only is None or RELATED in chosen:
        run_related_tables(settings, DOCS, fresh=fresh)
        chosen = [name for name in chosen if name != RELATED]
    for name in chosen:
        if name not in TABLES:
            raise InputError("unknown table", expected=", ".join([*TABLES, RELATED]), got=name)
    kept = DOCS / "quality.json"
    measured: list[dict[str, Any]] = json.loads(kept.read_text()) if kept.exists() else []
    for name in chosen:
        for seed in range(42, 42 + seeds):
            if not fresh and any((row["name"], row["seed"]) == (name, seed) for row in measured):
                output.print(f"{name}, seed {seed}: measured already")
                continue
            try:
                document = _measure(name, TABLES[name], seed, settings)
            except NotFound as missing:
                warn(f"{name} is left out: {missing}")
                continue
            measured = [row for row in measured if (row["name"], row["seed"]) != (name, seed)] + [document]
            measured.sort(key=lambda row: (list(TABLES).index(row["name"]), row["seed"]))
            DOCS.mkdir(exist_ok=True)
            kept.write_text(json.dumps(measured, indent=1) + "\n")
            (DOCS / "quality.md").write_text("\n".join(_page(measured)) + "\n")


def _measure(name: str, table: QualityTable, seed: int, settings: Settings) -> dict[str, Any]:
    tell = Telling()
    tell.step(f"{name}, seed {seed}: {table.title}")
    data_dir = settings.data_dir / table.folder if settings.data_dir and table.folder else settings.data_dir
    cuts = Cuts(seed, test_from=None if table.test_from is None else epoch_seconds(table.test_from))
    with working_folder(settings) as folder:
        here = settings.model_copy(update={"store": f"sqlite:{folder / 'graph.db'}", "data_dir": data_dir})
        with opened(here) as graph:
            ingest_into(mapping_named(table.source, here), graph, here)
            material = material_from(graph, folder, here, "minilm", tell)
        _, experiment = experiment_on(material, Order(table.protocol, cuts), here, tell)
    forget_trainings(settings)
    return {"name": name, "protocol": table.protocol, "command": table.command(seed)} | experiment.to_document()


def _page(measured: list[dict[str, Any]]) -> Iterator[str]:
    """The page, line by line."""
    yield "# Quality"
    yield ""
    yield (
        "Generated by `make tables`; full ranking over all items, seen items masked, selection on validation only, "
        "test touched once. *kindred* is the fused ranking that the engine serves when the gate lets it through; its "
        "validation figure is cross-fitted on five folds of the users. `served` marks what the gate chose. "
        "`peak_mb` is the whole process so far. GPU figures are not measured."
    )
    for document in measured:
        table = TABLES[document["name"]]
        yield f"\n## {table.title}\n"
        yield f"Protocol `{document['protocol']}`: {PROTOCOLS[document['protocol']].summary}. Seed {document['seed']}. "
        yield f"`{document['command']}`\n"
        if table.to_beat:
            yield f"To beat: {table.to_beat}.\n"
        yield _line("model", "served", *FIGURES, "ndcg@20 95 %", *(f"recall@20 {part}" for part in SLICES), *EXPOSURE)
        yield _line(*["---"] * (3 + len(FIGURES) + len(SLICES) + len(EXPOSURE)))
        for row in document["table"]:
            low, high = row["interval"]
            yield _line(
                row["model"],
                "●" if row["served"] else "",
                *(f"{row[name]:.4f}" for name in FIGURES),
                f"{low:.4f}–{high:.4f}",
                *(f"{row['slices'][part]:.4f}" if part in row["slices"] else "–" for part in SLICES),
                *(f"{row[name]:.2f}" for name in EXPOSURE),
            )
        yield f"\nGate: {document['gate']['sentence']}.\n"
        shares = ", ".join(f"{name} {share:.0%}" for name, share in document["importance"].items())
        yield f"Fusion weights: {shares}."
        for name, reason in document["skipped"].items():
            yield f"\n{name} was left out: {reason}"


def _line(*cells: str) -> str:
    return "| " + " | ".join(cells) + " |"
