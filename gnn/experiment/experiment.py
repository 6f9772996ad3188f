"""An experiment: fit every model, learn the fusion, compare on validation, decide, measure on test once."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

from gnn.data import Interactions, ItemKnowledge, TrainingData
from gnn.evaluation import Evaluation, asked_users, evaluate, evaluate_lists, ranked_lists
from gnn.evaluation.gate import GATE_METRIC, Verdict, decide
from gnn.evaluation.metrics import DEFAULT_METRICS, parse_metrics
from gnn.evaluation.slices import Slice, default_slices
from gnn.experiment.fitting import REFIT, SELECT, Fitted, Progress, Runs, fit_models, tuned_options
from gnn.experiment.keeping import Keeper
from gnn.experiment.memory import begin_peak, peak_mb
from gnn.experiment.newcomers import UNSEEN, Raise, chosen_raise
from gnn.fusion import FusedRanker, FusionWeights, LearnedFusion, learn_fusion
from gnn.models import MODELS
from gnn.operators import Operator, OperatorRanker
from gnn.ranker import Ranker
from gnn.splits import Split
from gnn.splits.draws import Draw, drawn_again

FUSED = "kindred"
"""The name of the fused ranking in every table."""

Serving: TypeAlias = Callable[[Mapping[str, Operator], FusionWeights], Ranker]
"""Builds the ranking that is served; the engine's own, so that what is measured is what is served."""


@dataclass(frozen=True)
class Recipe:
    """Which models are fitted, with which options, and which of them the fusion weighs.

    ``sources=None`` fuses all of them, ``()`` none: then the best baseline wins by itself. ``ordered`` says
    whether the order of events means anything, ``repeats`` whether people choose the same again.
    """

    models: Mapping[str, Mapping[str, Any]]
    sources: tuple[str, ...] | None = None
    ordered: bool = True
    repeats: bool = False
    seed: int = 42
    device: str = "cpu"
    tuned: bool = True
    """Whether each model's options are chosen on validation first, see :mod:`gnn.experiment.tuning`."""
    trials: int | None = None
    """Trials of a search for every model that has a space, instead of the few points of a grid."""
    searches: Path | None = None
    """Folder in which searches keep their trials, to go on from."""
    newcomers: float = 0.0
    """How well unseen items are to be found, relative to seen ones; 0 leaves them to the fusion."""
    segments: tuple[Slice, ...] = ()
    """Parts of the users that are measured apart, beside those of every evaluation."""


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
            "slices_ndcg@10": {
                part.name: round(part.metrics["ndcg@10"], 5) for part in measured.slices if part.num_users
            },
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
    raised: Raise | None = None
    """How far unseen items were raised, where they were to be found better."""

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
            "newcomers": None if self.raised is None else self.raised.to_document(),
            "seconds": {stage: round(value, 1) for stage, value in self.seconds.items()},
        }


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
    keeper: Keeper | None = None,
) -> Experiment:
    """Fits, fuses and judges on validation, then measures everything once on test.

    With ``refit`` the models are fitted again to training and validation interactions before the test, as a
    deployed system would; without it they keep what they learned from the training part, and only the
    histories grow. With a ``keeper`` an interrupted experiment goes on where it was.
    """

    clock = _Clock(progress)
    clock.enter("fit")
    data = TrainingData(
        split.train, knowledge, split.validation, recipe.seed, recipe.device, recipe.ordered, recipe.repeats
    )
    models = (
        tuned_options(recipe.models, data, progress, trials=recipe.trials, searches=recipe.searches, keeper=keeper)
        if recipe.tuned
        else recipe.models
    )
    fitted = fit_models(models, data, progress, runs=runs, keeper=keeper)
    measuring = _Measuring(recipe, keeper, progress)
    sources = {
        name: operator
        for name, operator in fitted.operators.items()
        if recipe.sources is None or name in recipe.sources
    }
    draws = [Draw(fitted.operators, split.train, split.validation)]
    for number, again in enumerate(drawn_again(split, ordered=recipe.ordered), 2):
        learned = replace(data, train=again.train, validation=None)  # the epochs are chosen already
        refitted = fit_models(fitted.options, learned, progress, stage=_draw(number), runs=runs, keeper=keeper)
        draws.append(Draw(refitted.operators, again.train, again.validation))
    select = SELECT if len(draws) == 1 else f"{SELECT}, {len(draws)} draws"

    clock.enter("fusion", "learning the fusion on validation")
    begin_peak()
    fusion = learned_fusion(sources, fitted, data, keeper, further=draws[1:], stage=select)
    cost = {"seconds": clock.so_far(), "peak_mb": peak_mb()}
    if keeper is not None:
        cost = keeper.document(f"cost-{keeper.fusion_name(select, fitted.options)}", lambda: cost)

    raised = None
    if recipe.newcomers and UNSEEN in sources:
        clock.enter("fusion", "finding room for new items")
        raised = _raised(fusion, sources, fitted, data, recipe.newcomers, keeper)
        if raised is not None:
            fusion, select = fusion.raised(UNSEEN, raised.bonus), f"{select}, raised {raised.bonus:.4f}"

    clock.enter("validation", "comparing on validation")

    def validated(name: str, options: Mapping[str, Any], stage: str, ranker: Callable[[Draw], Ranker]) -> Evaluation:
        stages = (stage, *(f"{stage}, {_draw(number)}" for number in range(2, len(draws) + 1)))
        return Evaluation.averaged(
            [
                measuring(name, stage, options, ranker(draw), draw.train, draw.validation)
                for stage, draw in zip(stages, draws, strict=True)
            ]
        )

    on_validation = {name: validated(name, fitted.options[name], SELECT, _alone(name)) for name in fitted.operators}
    baselines = {name: evaluation for name, evaluation in on_validation.items() if MODELS[name].family != "gnn"}
    if sources:
        used = {name: fitted.options[name] for name in sources}
        on_validation[FUSED] = validated(FUSED, used, select, lambda draw: fusion.cross_fitted(draw.operators))
    verdict = decide(FUSED, on_validation.get(FUSED), baselines, draws=len(draws))
    weights = fusion.weights if verdict.promoted else FusionWeights.only(fitted.operators, verdict.winner)

    on_test: dict[str, Evaluation] = {}
    if test:
        seen = split.refit
        final, stage = fitted, SELECT
        if refit:
            clock.enter("fit", "fitting again with the validation part")
            everything = replace(data, train=seen, validation=None)
            stage = REFIT
            final = fit_models(fitted.options, everything, progress, stage=REFIT, runs=runs, keeper=keeper)
        clock.enter("test", "measuring on test, once")
        rankers: dict[str, Ranker] = {name: OperatorRanker(operator) for name, operator in final.operators.items()}
        if sources:
            rankers[FUSED] = serving(final.operators, fusion.weights)
        for name, tested in rankers.items():
            options = used if name == FUSED else fitted.options[name]
            measured = f"test, {stage}" if name != FUSED or select == SELECT else f"test, {stage}, {select}"
            on_test[name] = measuring(name, measured, options, tested, seen, split.test)

    clock.leave()
    fit_s = fitted.seconds | {FUSED: sum(fitted.seconds[name] for name in sources) + cost["seconds"]}
    memory = fitted.peak_mb | {FUSED: max(*fitted.peak_mb.values(), cost["peak_mb"])}
    rows = [
        Row(
            name,
            name == verdict.winner,
            fit_s[name],
            memory[name],
            evaluation,
            on_test.get(name),
            fitted.options.get(name, {}),
        )
        for name, evaluation in on_validation.items()
    ]
    rows.sort(key=lambda row: -row.validation.metrics[GATE_METRIC])
    return Experiment(
        split, tuple(rows), verdict, fusion, weights, fitted, recipe.seed, recipe.device, dict(clock.seconds), raised
    )


def learned_fusion(
    sources: Mapping[str, Operator],
    fitted: Fitted,
    data: TrainingData,
    keeper: Keeper | None = None,
    *,
    further: Sequence[Draw] = (),
    stage: str = SELECT,
) -> LearnedFusion:
    """The fusion of some fitted models, learned on validation and its further draws, or kept from before."""
    assert data.validation is not None
    validation = data.validation

    def learned() -> LearnedFusion:
        return learn_fusion(
            sources,
            data.train,
            validation,
            further=further,
            seed=data.seed,
            ordered=data.ordered,
            repeats=data.repeats,
        )

    if keeper is None:
        return learned()
    return keeper.fusion(keeper.fusion_name(stage, {name: fitted.options[name] for name in sources}), learned)


def _raised(
    fusion: LearnedFusion,
    sources: Mapping[str, Operator],
    fitted: Fitted,
    data: TrainingData,
    goal: float,
    keeper: Keeper | None,
) -> Raise | None:
    """How far unseen items are raised, chosen on validation or kept from before."""
    validation = data.validation
    assert validation is not None

    def chosen() -> Any:
        found = chosen_raise(fusion, sources, data.train, validation, goal, data.seed)
        return None if found is None else found.to_document()

    if keeper is None:
        document = chosen()
    else:
        options = {name: fitted.options[name] for name in sources}
        document = keeper.document(keeper.raise_name(f"{SELECT}, newcomers {goal}", options), chosen)
    return None if document is None else Raise.from_document(document)


def _draw(number: int) -> str:
    return f"draw {number}"


def _alone(name: str) -> Callable[[Draw], Ranker]:
    return lambda draw: OperatorRanker(draw.operators[name])


class _Measuring:
    """Measures rankers; lists that were made before are taken from the keeper."""

    def __init__(self, recipe: Recipe, keeper: Keeper | None, progress: Progress | None) -> None:
        self._recipe, self._keeper, self._progress = recipe, keeper, progress
        self._k = max(metric.k for metric in parse_metrics(DEFAULT_METRICS))

    def __call__(
        self,
        name: str,
        stage: str,
        options: Mapping[str, Any],
        ranker: Ranker,
        seen: Interactions,
        relevant: Interactions,
    ) -> Evaluation:
        slices = default_slices(seen, self._recipe.segments)
        repeats = self._recipe.repeats
        if self._keeper is None:
            return evaluate(ranker, seen, relevant, slices=slices, repeats=repeats)
        kept_as = (
            self._keeper.fusion_name(f"{stage}, lists", options)
            if name == FUSED
            else self._keeper.fit_name(f"{stage}, lists", name, options)
        )
        ranked = self._keeper.lists(
            kept_as, lambda: ranked_lists(ranker, seen, asked_users(relevant), self._k, repeats=repeats)
        )
        return evaluate_lists(ranked, seen, relevant, slices=slices)


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

    def so_far(self) -> float:
        """Seconds of the present stage."""
        return 0.0 if self._stage is None else time.perf_counter() - self._stage[1]

    def leave(self) -> None:
        if self._stage is not None:
            stage, started = self._stage
            self.seconds[stage] = self.seconds.get(stage, 0.0) + time.perf_counter() - started
            self._stage = None
