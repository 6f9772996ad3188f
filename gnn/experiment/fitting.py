"""Fitting models one after another: what each cost, which refused the data, and nothing twice."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeAlias

from gnn.data import TrainingData
from gnn.experiment.keeping import Keeper
from gnn.experiment.memory import begin_peak, peak_mb
from gnn.experiment.search import SPACES, search
from gnn.experiment.tuning import GRIDS, tune
from gnn.models import MODELS
from gnn.operators import Operator
from gnn.operators.tables import as_released
from gnn.training.on_ray import OnRay
from gnn.training.run import SupportsTrainingRun, TrainingRun
from graph.errors import InputError

Runs: TypeAlias = Callable[[str, str, Mapping[str, Any]], TrainingRun]
"""Where the training of a model keeps its checkpoint and who hears of it, by stage, model and options."""

SELECT, REFIT, RELEASE = "select", "refit", "release"
"""Stages of fitting: on training data alone, with the validation part, on everything."""


class Progress(Protocol):
    """Hears what an experiment is doing."""

    def step(self, text: str) -> None: ...


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

    def add(self, name: str, operator: Operator, document: Mapping[str, Any]) -> None:
        """One more model, with what its fit cost as JSON."""
        self.operators[name] = operator
        self.seconds[name] = float(document["seconds"])
        self.peak_mb[name] = float(document["peak_mb"])
        self.options[name] = dict(document["options"])
        if "record" in document:
            self.records[name] = document["record"]


def fit_models(
    models: Mapping[str, Mapping[str, Any]],
    data: TrainingData,
    progress: Progress | None = None,
    *,
    stage: str = SELECT,
    runs: Runs | None = None,
    keeper: Keeper | None = None,
) -> Fitted:
    """Every model fitted to ``data``, in order; one that refuses the data is named in ``skipped`` with its reason.

    With a ``keeper`` a model that was fitted before is taken from there, with what it cost then.
    """
    fitted = Fitted({}, {}, {}, {})
    for name, options in models.items():
        if name not in MODELS:
            raise InputError("unknown model", expected=", ".join(MODELS), got=name)
        kept_as = "" if keeper is None else keeper.fit_name(stage, name, options)
        kept = None if keeper is None else keeper.fit(kept_as)
        if kept is not None:
            fitted.add(name, as_released(kept.operator), kept.document)
            continue
        if progress is not None:
            progress.step(f"fitting {name}")
        begin_peak()
        started = time.perf_counter()
        model: Any = MODELS[name].build(**options)
        if runs is not None and isinstance(model, SupportsTrainingRun):
            model.run = runs(stage, name, options)
            if model.run.ray_workers:
                model = OnRay(name, options, model.run)
        try:
            operator = as_released(model.fit(data))
        except InputError as refused:
            fitted.skipped[name] = str(refused)
            continue
        document: dict[str, Any] = {
            "seconds": time.perf_counter() - started,
            "peak_mb": peak_mb(),
            "options": dict(options),
        }
        if isinstance(model, SupportsTrainingRun) and model.record is not None:
            document["options"] |= {"epochs": model.best_epochs}
            document["record"] = model.record.model_dump(mode="json")
            # A training that was interrupted took longer than its last part.
            document["seconds"] = max(document["seconds"], model.record.seconds)
        document["options"] |= getattr(model, "learned_options", {})
        if keeper is not None:
            keeper.keep_fit(kept_as, operator, document)
        fitted.add(name, operator, document)
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
    keeper: Keeper | None = None,
) -> dict[str, Mapping[str, Any]]:
    """The options that do best on validation, for every model that has a choice and was given none of its own.

    With ``trials`` every such model is searched with that budget, without it the points of its grid are tried.
    """
    chosen = dict(models)
    for name, options in models.items():
        if name in (GRIDS if trials is None else SPACES) and not options:

            def tuned(name: str = name, options: Mapping[str, Any] = options) -> Mapping[str, Any]:
                if progress is not None:
                    progress.step(f"tuning {name} on validation" + ("" if trials is None else f", {trials} trials"))
                file = None if searches is None else searches / f"{name}.json"
                try:
                    found = tune(name, data) if trials is None else search(name, data, trials, file=file)
                except InputError:
                    return options  # the model refuses the data; fitting it says so, with the reason
                return found[0].options

            if keeper is None:
                chosen[name] = tuned()
            else:
                grid = GRIDS.get(name) if trials is None else trials
                chosen[name] = keeper.document(f"tuned-{keeper.fit_name('tune', name, {'grid': grid})}", tuned)
    return chosen
