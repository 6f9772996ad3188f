"""An experiment: fit every model, learn the fusion, compare on validation, decide, measure on test once."""

from __future__ import annotations

import resource
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol, TypeAlias

from gnn.data import ItemKnowledge, TrainingData
from gnn.evaluation import Evaluation, evaluate
from gnn.fusion import FusedRanker, FusionWeights, LearnedFusion, learn_fusion
from gnn.gate import GATE_METRIC, Verdict, decide
from gnn.models import MODELS
from gnn.operators import Operator, OperatorRanker
from gnn.ranker import Ranker
from gnn.search import SPACES, search
from gnn.splits import Split
from gnn.training.on_ray import OnRay
from gnn.training.run import SupportsTrainingRun, TrainingRun
from gnn.tuning import GRIDS, tune
from graph.errors import InputError

FUSED = "kindred"
"""The name of the fused ranking in every table."""

Serving: TypeAlias = Callable[[Mapping[str, Operator], FusionWeights], Ranker]
"""Builds the ranking that is served; the engine's own, so that what is measured is what is served."""


Runs: TypeAlias = Callable[[str, str, Mapping[str, Any]], TrainingRun]
"""Where the training of a model keeps its checkpoint and who hears of it, by stage, model and options."""

SELECT, REFIT, RELEASE = "select", "refit", "release"
"""Stages of fitting: on training data alone, with the validation part, on everything."""


class Progress(Protocol):
    """Hears what an experiment is doing."""

    def step(self, text: str) -> None: ...


@dataclass(frozen=True)
class Recipe:
    """Which models are fitted, with which options, and which of them the fusion weighs.

    ``sources=None`` fuses all of them, ``()`` none: then the best baseline wins by itself. ``ordered`` says
    whether the order of events means anything.
    """

    models: Mapping[str, Mapping[str, Any]]
    sources: tuple[str, ...] | None = None
    ordered: bool = True
    seed: int = 42
    device: str = "cpu"
    tuned: bool = True
    """Whether each model's options are chosen on validation first, see :mod:`gnn.tuning`."""
    trials: int | None = None
    """Trials of a search for every model that has a space, instead of the few points of a grid."""
    searches: Path | None = None
    """Folder in which searches keep their trials, to go on from."""


@dataclass(frozen=True)
class Fitted:
    """Fitted models: their numpy sides, what the fit cost, and the options that repeat it without validation."""

    operators: dict[str, Operator]
    seconds: dict[str, float]
    peak_mb: dict[str, float]
    options: dict[str, dict[str, Any]]
    fold_in: dict[str, Any] = field(default_factory=dict)
    records: dict[str, Any] = field(default_factory=dict)
    """Run records of models trained by gradient, as JSON."""
    skipped: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Row:
    """One model's line in the comparison."""

    model: str
    served: bool
    fit_s: float
    peak_mb: float
    validation: Evaluation
    test: Evaluation | None
    options: Mapping[str, Any]

    def to_document(self) -> dict[str, Any]:
        """Test figures where test was touched, else validation figures, as JSON.

        ``slices`` and ``interval`` (95 % bootstrap) are of recall@20 and ndcg@20.
        """
        measured = self.test or self.validation
        low, high = measured.interval(GATE_METRIC)
        return {
            "model": self.model,
            "served": self.served,
            "measured_on": "validation" if self.test is None else "test",
            **{name: round(value, 5) for name, value in measured.metrics.items()},
            "validation_ndcg@20": round(self.validation.metrics[GATE_METRIC], 5),
            "interval": [round(low, 5), round(high, 5)],
            **{name: round(value, 4) for name, value in asdict(measured.exposure).items()},
            "slices": {part.name: round(part.metrics["recall@20"], 5) for part in measured.slices if part.num_users},
            "users": measured.num_users,
            "fit_s": round(self.fit_s, 2),
            "peak_mb": round(self.peak_mb, 1),
            "options": dict(self.options),
        }


@dataclass(frozen=True)
class Experiment:
    """What an experiment found. ``rows`` best first on validation."""

    split: Split
    rows: tuple[Row, ...]
    verdict: Verdict
    fusion: LearnedFusion
    weights: FusionWeights
    fitted: Fitted
    seed: int
    device: str
    seconds: Mapping[str, float]
    """Seconds spent on ``fit``, ``fusion``, ``validation`` and ``test``."""

    @property
    def table(self) -> list[dict[str, Any]]:
        """The rows as JSON, see :meth:`Row.to_document`."""
        return [row.to_document() for row in self.rows]

    def to_document(self) -> dict[str, Any]:
        """Everything but the models, as JSON."""
        return {
            "seed": self.seed,
            "cuts": dict(self.split.protocol),
            "gate": self.verdict.to_document() | {"sentence": self.verdict.sentence},
            "table": self.table,
            "skipped": dict(self.fitted.skipped),
            "importance": self.fusion.weights.importance(),
            "seconds": {stage: round(value, 1) for stage, value in self.seconds.items()},
        }


def fit_models(
    models: Mapping[str, Mapping[str, Any]],
    data: TrainingData,
    progress: Progress | None = None,
    *,
    stage: str = SELECT,
    runs: Runs | None = None,
) -> Fitted:
    """Every model fitted to ``data``, in order; one that refuses the data is named in ``skipped`` with its reason."""
    fitted = Fitted({}, {}, {}, {})
    for name, options in models.items():
        if name not in MODELS:
            raise InputError("unknown model", expected=", ".join(MODELS), got=name)
        if progress is not None:
            progress.step(f"fitting {name}")
        started = time.perf_counter()
        model = MODELS[name].build(**options)
        if runs is not None and isinstance(model, SupportsTrainingRun):
            model.run = runs(stage, name, options)
            if model.run.ray_workers:
                model = OnRay(name, options, model.run)
        try:
            operator = model.fit(data)
        except InputError as refused:
            fitted.skipped[name] = str(refused)
            continue
        fitted.operators[name] = operator
        fitted.seconds[name] = time.perf_counter() - started
        fitted.peak_mb[name] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        fitted.options[name] = dict(options)
        if isinstance(model, SupportsTrainingRun) and model.record is not None:
            fitted.options[name] |= {"epochs": model.best_epochs}
            fitted.records[name] = model.record.model_dump(mode="json")
        fitted.options[name] |= getattr(model, "learned_options", {})
        weights = getattr(model, "fold_in_weights", None)
        if weights is not None and (arrays := weights()):
            fitted.fold_in[name] = arrays
    return fitted


def tuned_options(
    models: Mapping[str, Mapping[str, Any]],
    data: TrainingData,
    progress: Progress | None = None,
    *,
    trials: int | None = None,
    searches: Path | None = None,
) -> dict[str, Mapping[str, Any]]:
    """The options that do best on validation, for every model that has a choice and was given none of its own.

    With ``trials`` every such model is searched with that budget, without it the points of its grid are tried.
    """
    chosen = dict(models)
    for name, options in models.items():
        if name in (GRIDS if trials is None else SPACES) and not options:
            if progress is not None:
                progress.step(f"tuning {name} on validation" + ("" if trials is None else f", {trials} trials"))
            file = None if searches is None else searches / f"{name}.json"
            try:
                found = tune(name, data) if trials is None else search(name, data, trials, file=file)
                chosen[name] = found[0].options
            except InputError:
                # The model refuses the data; fitting it says so, with the reason.
                chosen[name] = options
    return chosen


def run_experiment(
    split: Split,
    knowledge: ItemKnowledge,
    recipe: Recipe,
    *,
    serving: Serving = FusedRanker,
    refit: bool = True,
    test: bool = True,
    progress: Progress | None = None,
    runs: Runs | None = None,
) -> Experiment:
    """Fits, fuses and judges on validation, then measures everything once on test.

    With ``refit`` the models are fitted again to training and validation interactions before the test, as a
    deployed system would; without it they keep what they learned from the training part, and only the
    histories grow.
    """

    clock = _Clock(progress)
    clock.enter("fit")
    data = TrainingData(split.train, knowledge, split.validation, recipe.seed, recipe.device, recipe.ordered)
    models = (
        tuned_options(recipe.models, data, progress, trials=recipe.trials, searches=recipe.searches)
        if recipe.tuned
        else recipe.models
    )
    fitted = fit_models(models, data, progress, runs=runs)
    sources = {
        name: operator
        for name, operator in fitted.operators.items()
        if recipe.sources is None or name in recipe.sources
    }
    clock.enter("fusion", "learning the fusion on validation")
    fusion = learn_fusion(sources, split.train, split.validation, seed=recipe.seed, ordered=recipe.ordered)

    clock.enter("validation", "comparing on validation")
    on_validation = {
        name: evaluate(OperatorRanker(operator), split.train, split.validation)
        for name, operator in fitted.operators.items()
    }
    baselines = {name: evaluation for name, evaluation in on_validation.items() if MODELS[name].family != "gnn"}
    if sources:
        on_validation[FUSED] = evaluate(fusion.cross_fitted(sources), split.train, split.validation)
    verdict = decide(FUSED, on_validation.get(FUSED), baselines)
    weights = fusion.weights if verdict.promoted else FusionWeights.only(fitted.operators, verdict.winner)

    on_test: dict[str, Evaluation] = {}
    if test:
        seen = split.refit
        final = fitted
        if refit:
            clock.enter("fit", "fitting again with the validation part")
            everything = replace(data, train=seen, validation=None)
            final = fit_models(fitted.options, everything, progress, stage=REFIT, runs=runs)
        clock.enter("test", "measuring on test, once")
        rankers: dict[str, Ranker] = {name: OperatorRanker(operator) for name, operator in final.operators.items()}
        if sources:
            rankers[FUSED] = serving(final.operators, fusion.weights)
        on_test = {name: evaluate(ranker, seen, split.test) for name, ranker in rankers.items()}

    clock.leave()
    fit_s = fitted.seconds | {FUSED: sum(fitted.seconds[name] for name in sources) + clock.seconds["fusion"]}
    peak_mb = fitted.peak_mb | {FUSED: max(fitted.peak_mb.values())}
    rows = [
        Row(
            name,
            name == verdict.winner,
            fit_s[name],
            peak_mb[name],
            evaluation,
            on_test.get(name),
            fitted.options.get(name, {}),
        )
        for name, evaluation in on_validation.items()
    ]
    rows.sort(key=lambda row: -row.validation.metrics[GATE_METRIC])
    return Experiment(
        split, tuple(rows), verdict, fusion, weights, fitted, recipe.seed, recipe.device, dict(clock.seconds)
    )


class _Clock:
    """Adds up the seconds of each stage."""

    def __init__(self, progress: Progress | None) -> None:
        self.seconds: dict[str, float] = {}
        self._progress = progress
        self._stage: tuple[str, float] | None = None

    def enter(self, stage: str, text: str | None = None) -> None:
        self.leave()
        if text is not None and self._progress is not None:
            self._progress.step(text)
        self._stage = (stage, time.perf_counter())

    def leave(self) -> None:
        if self._stage is not None:
            stage, started = self._stage
            self.seconds[stage] = self.seconds.get(stage, 0.0) + time.perf_counter() - started
            self._stage = None
