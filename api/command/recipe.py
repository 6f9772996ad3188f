"""The recipe of ``kindred train``, read aloud: snapshot → text → models → fusion → evaluation → gate → release."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from api.command.terminal import Telling, encoding_bar, training_bar, warn
from api.engine import Engine, engine_payload
from api.engine.finding.part import search_payload
from api.engine.sources.current import snapshot_popularity
from api.settings import Settings
from gnn.data import Interactions, ItemKnowledge, TrainingData
from gnn.data.knowledge import holdout_from, interactions_from, knowledge_from
from gnn.evaluation.segments import user_segments
from gnn.experiment import Experiment, Recipe, run_experiment
from gnn.experiment.controls import run_controls, sentence
from gnn.experiment.fitting import RELEASE, Runs, fit_models
from gnn.experiment.keeping import Keeper
from gnn.fusion import FusedRanker, FusionWeights
from gnn.models import DEFAULT_MODELS, MODELS
from gnn.operators import Operator
from gnn.splits import Split
from gnn.splits.protocols import Cuts, Protocol, protocol_for, protocol_named
from gnn.training.run import TrainingRun
from gnn.training.tracking import track, tracking_is_on
from graph.errors import InputError, MissingExtra
from graph.release import Release, activate, purge_erased, write_release
from graph.snapshot import Snapshot, build_snapshot
from graph.store import GraphStore, HandEdits
from graph.view import GraphView
from ingest.text import PortableModel, encode_items, find_model, item_texts, portable_model

NO_TEXT = "none"
ALL_MODELS = "all"
CHECKPOINTS = "training"
"""Folder of the work folder where trainings keep what they need to go on; emptied when a command ends well."""
SEARCHES = "searches"
BESIDE_THE_FUSION = ("popularity", "attributes", "relations", "text")
"""Sources that related items and newcomers need, also when the gate lets a single baseline win."""


@dataclass(frozen=True)
class Material:
    """The graph as models see it."""

    snapshot: Snapshot
    interactions: Interactions
    holdout: Interactions
    knowledge: ItemKnowledge
    encoder: PortableModel | None = None
    """What encodes queries and new items while serving; without it they are found by words alone."""


@dataclass(frozen=True)
class Order:
    """What a user asked for: how to measure, what to fit, and with what."""

    protocol: str | None = None
    cuts: Cuts = field(default_factory=Cuts)
    models: Mapping[str, Mapping[str, Any]] | None = None
    """Models with their options; ``None`` means the default ones that are installed, as they are."""
    text: str = "minilm"
    device: str = "auto"
    tuned: bool = True
    """Whether options are chosen on validation first."""
    trials: int | None = None
    """Trials of a search per model; ``None`` tries the few points of a grid."""
    budget_s: float | None = None
    """Seconds that a model trained by gradient may take; the best epoch until then is kept."""
    fuse: bool = True
    """Without it the best baseline is served, on the evidence of validation."""
    test: bool = True
    ray_workers: int = 0
    """Ray workers that share text encoding and training; 0 does both in this process."""


def models_named(names: str | None) -> dict[str, dict[str, Any]] | None:
    """The models in a list by comma, without options; ``all`` is the whole zoo; ``None`` stays ``None``.

    Raises:
        InputError: for a model that does not exist.
        MissingExtra: for one whose packages are not installed.
    """
    if names is None:
        return None
    if names.strip() == ALL_MODELS:
        return models_installed(tuple(MODELS))
    chosen = [name.strip() for name in names.split(",") if name.strip()]
    for name in chosen:
        if name not in MODELS:
            raise InputError("unknown model", expected=", ".join(MODELS), got=name)
        MODELS[name].build()
    return {name: {} for name in chosen}


def models_installed(names: tuple[str, ...] = DEFAULT_MODELS) -> dict[str, dict[str, Any]]:
    """Those of the named models whose packages are installed, without options; the others are named aloud."""
    found: dict[str, dict[str, Any]] = {}
    for name in names:
        try:
            MODELS[name].build()
        except MissingExtra as missing:
            warn(f"going on without {name}: {missing}")
        else:
            found[name] = {}
    return found


def material_from(
    graph: GraphStore, folder: Path, settings: Settings, text: str, tell: Telling, *, ray_workers: int = 0
) -> Material:
    """The graph's snapshot, and what models learn from it; texts are encoded with the model ``text``.

    Raises:
        InputError: when the graph has no interactions.
    """
    tell.step("taking a snapshot of the graph")
    if isinstance(graph, HandEdits):
        graph.reconcile()  # from here on a hand edit is told from what this snapshot has
    snapshot = build_snapshot(graph, folder / "snapshot")
    interactions = interactions_from(snapshot)
    if not len(interactions):
        raise InputError("the graph has no interactions to learn from", remedy="Run `kindred ingest` first.")
    vectors, encoder = None, None
    if text != NO_TEXT:
        texts = item_texts(GraphView(snapshot))
        if any(texts):
            tell.step(f"encoding the texts of {len(texts):,} items with {text}")
            try:
                with encoding_bar() as progress:
                    cache = settings.work_dir / "text"
                    vectors = encode_items(
                        texts, model=text, cache_dir=cache, progress=progress, ray_workers=ray_workers
                    )
            except MissingExtra as missing:
                warn(f"going on without text: {missing}")
            else:
                encoder = serving_encoder(text, texts, settings, tell)
    knowledge = knowledge_from(snapshot, vectors)
    return Material(snapshot, interactions, holdout_from(snapshot), knowledge, encoder)


def serving_encoder(text: str, texts: Sequence[str], settings: Settings, tell: Telling) -> PortableModel | None:
    """The text model as data that serving runs without torch; ``None``, said aloud, where it cannot be exported."""
    try:
        model, is_new = portable_model(find_model(text), texts, cache_dir=settings.work_dir / "text")
    except MissingExtra as missing:
        warn(f"searching by words alone: {missing}")
        return None
    if is_new:
        tell.step(f"exported {text} for serving, {model.weights}, cosine {model.agreement:.3f} to the original")
    return model


def experiment_on(
    material: Material, order: Order, settings: Settings, tell: Telling, *, kept: Path | None = None
) -> tuple[str, Experiment]:
    """The protocol's name, and all models and their fusion measured under it by the engine that serves.

    With a folder ``kept``, what is worked out is kept there, and a run that was interrupted goes on where it was.
    """
    name = order.protocol or protocol_for(material.interactions, material.holdout)
    protocol = protocol_named(name)
    tell.step(f"{name}: {protocol.summary}")
    split = protocol.split(material.interactions, material.holdout, order.cuts)
    models = models_installed(protocol.models(DEFAULT_MODELS)) if order.models is None else order.models
    if order.budget_s is not None:
        models = {name: budgeted(name, options, order.budget_s) for name, options in models.items()}
    recipe = Recipe(
        models,
        None if order.fuse else (),
        ordered=protocol.ordered,
        repeats=protocol.repeats,
        newcomers=protocol.newcomers,
        seed=order.cuts.seed,
        device=order.device,
        tuned=order.tuned,
        trials=order.trials,
        searches=searches_of(material, f"{name} {split.protocol} {order.cuts}", settings),
        segments=user_segments(material.snapshot),
    )
    view = GraphView(material.snapshot)

    def serving(operators: Mapping[str, Operator], weights: FusionWeights) -> Engine:
        return Engine(view, FusedRanker(operators, weights), operators=operators)

    experiment = run_experiment(
        split,
        material.knowledge,
        recipe,
        serving=serving,
        refit=protocol.refit,
        test=order.test,
        progress=tell,
        runs=training_runs(material, f"{name} {split.protocol} {order.cuts}", settings, order.ray_workers),
        keeper=keeper_of(material, split, protocol, order, kept),
    )
    if order.models is None:
        left_out = {name: protocol.without[name] for name in DEFAULT_MODELS if name in protocol.without}
        experiment.fitted.skipped.update(left_out)
    return name, experiment


def keeper_of(material: Material, split: Split, protocol: Protocol, order: Order, kept: Path | None) -> Keeper | None:
    """Keeps what an experiment under these conditions works out; ``None`` keeps nothing.

    Protocols that cut alike share what is selected; what they measure on test has names of its own.
    """
    if kept is None:
        return None
    cut = f"{split.name} {split.protocol} {protocol.ordered} {protocol.repeats} {order.cuts}"
    return Keeper(kept, f"{material.snapshot.digest} {order.text} {cut} {order.tuned} {order.device}")


def budgeted(name: str, options: Mapping[str, Any], budget_s: float) -> dict[str, Any]:
    """The options with a bound on the seconds of training, for models that are trained."""
    trained = "max_seconds" in MODELS[name].config().model_fields
    return {"max_seconds": budget_s, **options} if trained else dict(options)


def controls_on(
    material: Material,
    protocol: str,
    experiment: Experiment,
    order: Order,
    settings: Settings,
    tell: Telling,
    *,
    kept: Path | None = None,
) -> dict[str, Any]:
    """The experiment again without its graph, texts, embeddings and walks, as JSON, with what the graph adds."""
    how = protocol_named(protocol)
    results = run_controls(
        experiment,
        material.knowledge,
        ordered=how.ordered,
        repeats=how.repeats,
        progress=tell,
        runs=training_runs(material, f"controls of {protocol} {order.cuts}", settings),
        keeper=keeper_of(material, experiment.split, protocol_named(protocol), order, kept),
    )
    told = sentence(results, material.knowledge)
    return {"sentence": told, "rows": [result.to_document() for result in results]}


def searches_of(material: Material, measured: str, settings: Settings) -> Path:
    """Where searches for options on this graph and split keep their trials; they are kept when the command ends."""
    digest = hashlib.sha256(f"{material.snapshot.digest} {measured}".encode()).hexdigest()[:12]
    return settings.work_dir / SEARCHES / digest


def training_runs(material: Material, measured: str, settings: Settings, ray_workers: int = 0) -> Runs:
    """Checkpoints under the work folder, named by all that shapes a training, so that a killed one goes on."""

    def run(stage: str, model: str, options: Mapping[str, Any]) -> TrainingRun:
        shaped_by = f"{material.snapshot.digest} {measured} {stage} {sorted(options.items())}"
        digest = hashlib.sha256(shaped_by.encode()).hexdigest()[:12]
        checkpoint = settings.work_dir / CHECKPOINTS / f"{model}-{stage}-{digest}.safetensors"
        finished = track if tracking_is_on() else None
        return TrainingRun(checkpoint=checkpoint, progress=training_bar(), finished=finished, ray_workers=ray_workers)

    return run


def forget_trainings(settings: Settings) -> None:
    """Removes the checkpoints of what has ended, so that the next run trains, and is timed, anew."""
    shutil.rmtree(settings.work_dir / CHECKPOINTS, ignore_errors=True)


def publish(
    material: Material,
    experiment: Experiment,
    protocol: str,
    settings: Settings,
    tell: Telling,
    *,
    ray_workers: int = 0,
) -> Release:
    """What the gate let through, fitted to everything that is known, as the new current release.

    The models are fitted with the epochs that validation chose; the interactions a data set holds out stay out.
    """
    weights = experiment.weights
    beside = [name for name in BESIDE_THE_FUSION if name in experiment.fitted.operators]
    names = list(dict.fromkeys((*weights.space.sources, *beside)))
    tell.step(f"fitting the release on all {len(material.interactions):,} interactions: {', '.join(names)}")
    options = {name: experiment.fitted.options[name] for name in names}
    how = protocol_named(protocol)
    data = TrainingData(
        material.interactions,
        material.knowledge,
        None,
        experiment.seed,
        experiment.device,
        how.ordered,
        how.repeats,
    )
    runs = training_runs(material, "everything", settings, ray_workers)
    fitted = fit_models(options, data, stage=RELEASE, runs=runs)
    arrays, documents = engine_payload(fitted.operators, weights, options=options)
    for model, fold_in in fitted.fold_in.items():
        arrays |= {f"fold_in/{model}/{name}": array for name, array in fold_in.items()}
    tell.step("indexing what can be searched")
    popularity = snapshot_popularity(fitted.operators, material.snapshot)
    found = search_payload(material.snapshot, popularity, material.knowledge.text, material.encoder)
    arrays |= found[0]
    documents |= found[1]
    documents |= {
        "configuration": {"protocol": protocol, "models": options, "seed": experiment.seed},
        "evaluation": {
            "protocol": protocol,
            "cuts": dict(experiment.split.protocol),
            "table": experiment.table,
            "skipped": experiment.fitted.skipped,
        },
        "training": fitted.records,
        "gate": experiment.verdict.to_document() | {"sentence": experiment.verdict.sentence},
    }
    release = write_release(
        settings.releases,
        snapshot=material.snapshot.directory,
        arrays=arrays,
        documents=documents,
        now=datetime.now(UTC),
    )
    activate(settings.releases, release.id)
    forget_trainings(settings)
    tell.step(f"release {release.id} is current")
    for removed in purge_erased(settings.releases):
        tell.step(f"removed release {removed}, which held an erased user")
    return release
