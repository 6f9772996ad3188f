"""The demo: real MovieLens with its knowledge graph, from download to answers with reasons."""

from __future__ import annotations

import json
import os
import time
from typing import Any

from api.command.recipe import Order, experiment_on, material_from, publish
from api.command.terminal import Telling, output, print_answer, print_experiment, print_report
from api.command.workshop import ingest_into, mapping_named, opened, working_folder
from api.engine import Answer, Engine, Request
from api.settings import Settings
from graph.errors import SchemaError
from graph.release import current_id, current_release
from graph.store import GraphStore

USER, ITEM, LENGTH = "1", "50", 5
"""A user and an item of MovieLens that the demo asks about."""

QUICK_MODELS = ("popularity", "rp3beta", "ease")
"""What the first release is chosen from: baselines that fit in a second."""


def run_demo(settings: Settings) -> None:
    """Ingests, trains, evaluates, releases and asks; prints it all and writes ``demo.json`` in the work folder.

    A second run over the same graph only asks again; over another store, which does not hold it yet, all is done there.
    """
    result_file = settings.work_dir / "demo.json"
    with opened(settings) as graph:
        kept = json.loads(result_file.read_text())["release"] if result_file.exists() else None
        if kept and kept == current_id(settings.releases) and _holds_the_films(graph):
            output.print("The graph is ingested and a release is live; asking again.")
            _ask(settings)
            return
        result = _first_time(settings, graph)
    result_file.write_text(json.dumps(result, ensure_ascii=False, indent=1) + "\n")
    output.print(f"\nwrote {result_file}")


def _first_time(settings: Settings, graph: GraphStore) -> dict[str, Any]:
    tell = Telling()
    started = time.perf_counter()
    tell.step("ingesting MovieLens-100k with its Freebase graph")
    print_report(ingest_into(mapping_named("movielens", settings), graph, settings))
    ingested = time.perf_counter()
    with working_folder(settings) as folder:
        tell.step("a first release, from baselines alone")
        material = material_from(graph, folder / "first", settings, "none", tell)
        quick = Order("random-80-20", models={name: {} for name in QUICK_MODELS}, tuned=False, fuse=False, test=False)
        publish(material, experiment_on(material, quick, settings, tell)[1], "random-80-20", settings, tell)
        print_answer(_engine(settings).recommend(Request(USER, n=LENGTH)), f"first recommendations for user {USER}")
        first_answer = time.perf_counter()
        tell.step("all models, with text and knowledge; the first answer above stays served until they win")
        material = material_from(graph, folder / "full", settings, "minilm", tell)
        protocol, experiment = experiment_on(material, Order("random-80-20"), settings, tell)
        release = publish(material, experiment, protocol, settings, tell)
    trained = time.perf_counter()
    print_experiment(experiment)
    recommended, related = _ask(settings)
    stats = graph.stats()
    measuring = sum(experiment.seconds.get(stage, 0.0) for stage in ("validation", "test"))
    seconds = {
        "install": float(os.environ.get("KINDRED_INSTALL_S", "0")),
        "ingest": ingested - started,
        "train": trained - first_answer - measuring,
        "evaluate": measuring,
        "first_answer": first_answer - started,
    }
    verdict = experiment.verdict
    return {
        "seconds": {name: round(value, 1) for name, value in seconds.items()},
        "nodes": sum(stats.nodes.values()),
        "edges": sum(stats.edges.values()),
        "release": release.id,
        "snapshot": release.snapshot.digest,
        "gate": {
            "promoted": verdict.promoted,
            "winner": verdict.winner,
            "baseline": verdict.baseline,
            "difference": verdict.difference,
            "interval": list(verdict.interval),
        },
        "table": experiment.table,
        "recommendations": [item.to_json() | {"title": item.title} for item in recommended.items],
        "related": [item.to_json() | {"title": item.title} for item in related.items],
    }


def _holds_the_films(graph: GraphStore) -> bool:
    """Whether the film that the demo asks about is there; not before anything is ingested."""
    try:
        return graph.node("Item", ITEM) is not None
    except SchemaError:
        return False


def _ask(settings: Settings) -> tuple[Answer, Answer]:
    engine = _engine(settings)
    recommended = engine.recommend(Request(USER, n=LENGTH, reasons=True))
    related = engine.related(ITEM, n=LENGTH, reasons=True)
    title = engine.view.title(engine.view.schema.item_type, engine.view.index_of("Item", ITEM) or 0)
    print_answer(recommended, f"recommended to user {USER}")
    print_answer(related, f"related to {title}")
    return recommended, related


def _engine(settings: Settings) -> Engine:
    return Engine.from_release(current_release(settings.releases))
