"""``kindred measure``: are reasons true, are audiences right, can the ranking be pushed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from api.command.options import JsonOption, settings_with
from api.command.terminal import print_json, print_rows

if TYPE_CHECKING:
    from api.measures.users import Rows
    from api.settings import Settings
    from gnn.data import ItemKnowledge
    from gnn.fusion import FusionWeights
    from gnn.splits import Split
    from graph.snapshot import Snapshot

QUICK: dict[str, dict[str, Any]] = {
    name: {} for name in ("popularity", "itemknn", "rp3beta", "ease", "attributes", "relations")
}
"""Models the measures fit again; all in seconds."""

measure_group = typer.Typer(no_args_is_help=True, help="Figures of reasons, audiences and integrity.")
WriteOption = Annotated[
    Path | None, typer.Option("--write", help="Also put the tables into this JSON file and the page beside it.")
]
NameOption = Annotated[str, typer.Option("--name", help="Of the data, in the tables.")]


@measure_group.command("reasons")
def reasons(
    users: Annotated[int, typer.Option(help="Users asked, at random.")] = 50,
    n: Annotated[int, typer.Option("-n", help="Length of their lists.")] = 10,
    name: NameOption = "the current release",
    write: WriteOption = None,
    as_json: JsonOption = False,
) -> None:
    """Measure how many shown paths lower the item's score when they are removed.

    Example: kindred measure reasons --users 50
    """

    from api.engine import Engine
    from api.measures.reasons import measure_reasons
    from graph.overlay import Overlay
    from graph.release import current_release

    release = current_release(settings_with().releases)
    engine = Engine.from_release(release, Overlay(release.snapshot))
    _tell(f"Reasons, {name}", measure_reasons(engine, users, n), write, as_json)


@measure_group.command("users")
def users(name: NameOption = "the current release", write: WriteOption = None, as_json: JsonOption = False) -> None:
    """Measure audiences and attribute lists against popularity, temporally.

    Example: kindred measure users
    """

    from api.measures.users import measure_attributes, measure_audiences
    from gnn.experiment.fitting import fit_models
    from gnn.fusion import FusedRanker

    settings = settings_with()
    snapshot, knowledge, split = _material(settings)
    ranker = FusedRanker(fit_models(QUICK, split.refit_data(knowledge)).operators, _weights(split, knowledge))
    _tell(f"Users for an item, {name}", measure_audiences(ranker, split.refit, split.test), write, as_json)
    for edge_type, incidence in knowledge.attributes.items():
        if incidence.nnz and incidence.shape[1] > 10:
            rows = measure_attributes(ranker, split.refit, split.test, incidence)
            _tell(f"Attributes for a user ({edge_type[1]}), {name}", rows, write, as_json)
    snapshot.close()


@measure_group.command("pushing")
def pushing(name: NameOption = "the current release", write: WriteOption = None, as_json: JsonOption = False) -> None:
    """Measure what one and three per cent of fake users do to everyone else's lists.

    Example: kindred measure pushing
    """

    from api.measures.integrity import measure_pushing

    settings = settings_with()
    snapshot, knowledge, split = _material(settings)
    rows = measure_pushing(split, knowledge, QUICK, _weights(split, knowledge))
    _tell(f"Fake users who push an item, {name}", rows, write, as_json)
    snapshot.close()


def _material(settings: Settings) -> tuple[Snapshot, ItemKnowledge, Split]:
    """The current release's snapshot, cut by time."""

    from gnn.data.knowledge import holdout_from, interactions_from, knowledge_from
    from gnn.splits.protocols import Cuts, protocol_named
    from graph.release import current_release

    snapshot = current_release(settings.releases).snapshot
    split = protocol_named("temporal").split(interactions_from(snapshot), holdout_from(snapshot), Cuts())
    return snapshot, knowledge_from(snapshot), split


def _weights(split: Split, knowledge: ItemKnowledge) -> FusionWeights:
    from gnn.experiment.fitting import fit_models
    from gnn.fusion import learn_fusion

    fitted = fit_models(QUICK, split.training_data(knowledge))
    return learn_fusion(fitted.operators, split.train, split.validation).weights


def _tell(title: str, rows: Rows, write: Path | None, as_json: bool) -> None:
    if write is not None:
        kept = json.loads(write.read_text()) if write.exists() else {}
        kept[title] = rows
        write.write_text(json.dumps(kept, indent=1, ensure_ascii=False) + "\n")
        write.with_suffix(".md").write_text(page(kept))
    if as_json:
        print_json({title: rows})
        return
    print_rows(tuple(rows[0]), [tuple(str(value) for value in row.values()) for row in rows])


def page(tables: dict[str, Rows]) -> str:
    """The tables as a page."""
    lines = ["# Measures: reasons, users, integrity", "", "Written by `kindred measure … --write`; no figure is typed."]
    for title, rows in tables.items():
        head = list(rows[0])
        lines += ["", f"## {title}", "", "| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
        lines += ["| " + " | ".join(str(row[column]) for column in head) + " |" for row in rows]
    return "\n".join(lines) + "\n"
