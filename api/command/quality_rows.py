"""The rows of the quality tables: one model on one data set under one protocol, as JSON that stands for itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from gnn.experiment import FUSED, Experiment

Row = dict[str, Any]

FIGURES = ("recall@20", "ndcg@20", "hr@10", "recall@10", "ndcg@10", "phr@10", "fit_s", "peak_mb")
"""What every row has, after what it is a row of."""
_OF_EARLIER_TABLES = {
    "movielens-100k-temporal": "movielens-100k",
    "amazon-beauty-deployed": "amazon-beauty",
}


def rows_of(
    experiment: Experiment,
    *,
    data: str,
    protocol: str,
    command: str,
    controls: Mapping[str, Any] | None = None,
) -> list[Row]:
    """One row a model, best first on validation.

    The row that is served also says what the gate said; that of the fusion also what it weighs, what is left of it
    under controls, what models were left out, and how it compares with the best baseline on test.
    """
    found = []
    for row in experiment.rows:
        document = {
            "data": data,
            "protocol": protocol,
            "model": row.model,
            "seed": experiment.seed,
            "served": row.served,
            **dict.fromkeys(FIGURES),
            **row.to_document(),
            "command": command,
        }
        if row.served:
            document["gate"] = experiment.verdict.to_document() | {"sentence": experiment.verdict.sentence}
        if row.model == FUSED:
            document["importance"] = experiment.fusion.weights.importance()
            if experiment.raised is not None:
                document["newcomers"] = experiment.raised.to_document()
            document["skipped"] = dict(experiment.fitted.skipped)
            document["cuts"] = dict(experiment.split.protocol)
            document["seconds"] = {stage: round(value, 1) for stage, value in experiment.seconds.items()}
            document |= against_baseline(experiment)
            if controls is not None:
                document["controls"] = dict(controls)
        found.append(document)
    return found


def against_baseline(experiment: Experiment) -> dict[str, Any]:
    """How the fusion compares on test with the baseline that was best on validation, with its interval."""
    measured = {row.model: row.test for row in experiment.rows}
    ours, theirs = measured.get(FUSED), measured.get(experiment.verdict.baseline)
    if ours is None or theirs is None:
        return {}
    compared = {}
    for metric in ("recall@20", "ndcg@20", "ndcg@10"):
        found = ours.compare(theirs, metric)
        compared[metric] = [round(value, 5) for value in (found.mean, found.low, found.high)]
    return {"against_baseline": {"baseline": experiment.verdict.baseline, **compared}}


def read_rows(documents: Sequence[Mapping[str, Any]]) -> list[Row]:
    """The rows of a file of them; the tables of earlier versions are read as rows."""
    return [row for document in documents for row in _rows_in(document)]


def _rows_in(document: Mapping[str, Any]) -> Iterator[Row]:
    if "table" not in document:
        yield dict(document)
        return
    name = document["name"]
    for row in document["table"]:
        found = {
            "data": _OF_EARLIER_TABLES.get(name, name),
            "protocol": document["protocol"],
            "model": row["model"],
            "seed": document["seed"],
            "served": row["served"],
            **dict.fromkeys(FIGURES),
            **row,
            "command": document["command"],
        }
        found["phr@10"] = row.get("phr@10", row.get("hr@10"))
        if row["served"]:
            found["gate"] = document["gate"]
        if row["model"] == FUSED:
            kept = ("importance", "skipped", "cuts", "seconds")
            found |= {part: document[part] for part in kept if part in document}
        yield found
