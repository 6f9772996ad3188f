"""A search for options with optuna: the same number of trials for every model, resumable from a small JSON file."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gnn.data import TrainingData
from gnn.experiment.tuning import METRIC, Judge, Trial
from graph.errors import InputError, MissingExtra

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution


@dataclass(frozen=True)
class Reals:
    """Every number in an interval; ``log`` draws orders of magnitude alike."""

    low: float
    high: float
    log: bool = False


@dataclass(frozen=True)
class Whole:
    """Every whole number in an interval."""

    low: int
    high: int
    log: bool = False


@dataclass(frozen=True)
class OneOf:
    """One of a few values."""

    values: tuple[str | float | int | bool, ...]


Space = Mapping[str, Reals | Whole | OneOf]

STARTUP = 5
"""Trials drawn at random before the search learns from them."""

_GRADIENT: Space = {"learning_rate": Reals(0.002, 0.05, log=True), "temperature": Reals(0.08, 0.4, log=True)}
_LAYERED: Space = {"embedding_dim": OneOf((32, 64, 128)), "layers": Whole(1, 3)}

SPACES: dict[str, Space] = {
    "itemknn": {"neighbors": Whole(20, 500, log=True), "shrink": Reals(0.1, 100.0, log=True)},
    "rp3beta": {"alpha": Reals(0.4, 1.2), "beta": Reals(0.0, 0.7), "neighbors": Whole(50, 500, log=True)},
    "ease": {"ridge": Reals(20.0, 3000.0, log=True)},
    "gfcf": {"rank": Whole(16, 512, log=True), "alpha": Reals(0.05, 1.5, log=True)},
    "bandfilter": {
        "rank": Whole(16, 512, log=True),
        "alpha": Reals(0.05, 1.5, log=True),
        "sharpening": Reals(0.0, 3.0),
        "response": OneOf(("sharpened", "learned")),
    },
    "als": {
        "embedding_dim": OneOf((16, 32, 64, 128)),
        "ridge": Reals(1.0, 100.0, log=True),
        "alpha": Reals(1.0, 60.0, log=True),
    },
    "next_item": {"source_power": Reals(0.0, 1.0), "target_power": Reals(0.0, 0.6), "steps": Whole(1, 5)},
    "lightgcn": {**_GRADIENT, **_LAYERED},
    "xsimgcl": {**_GRADIENT, **_LAYERED, "noise": Reals(0.01, 0.3, log=True), "contrast": Reals(0.005, 0.5, log=True)},
    "graphsage": {**_GRADIENT, "input_share": Reals(0.3, 0.8), "identity_dropout": Reals(0.0, 0.4)},
    "gat": {**_GRADIENT, "input_share": Reals(0.3, 0.8), "identity_dropout": Reals(0.0, 0.4)},
    "rgcn": {**_GRADIENT, "bases": Whole(1, 8), "layers": Whole(1, 2)},
    "kgin": {**_GRADIENT, "intents": Whole(1, 8), "layers": Whole(1, 3)},
}
"""What may be chosen per model, around its defaults."""


def search(
    name: str,
    data: TrainingData,
    trials: int,
    *,
    file: Path | None = None,
    max_users: int = 5000,
    told: Callable[[Trial], None] | None = None,
) -> list[Trial]:
    """The first ``trials`` trials of a model on validation, best first; the defaults are the first trial.

    With ``file`` every trial is written as it ends, and what is there already is not tried again: a search that was
    killed, or is given a larger budget, goes on. The same seed tries the same options.

    Raises:
        InputError: without a validation part, for a model without a space, for a file of another search.
        MissingExtra: when optuna is not installed.
    """
    if name not in SPACES:
        raise InputError("nothing to search", expected=", ".join(SPACES), got=name)
    judge = Judge(name, data, max_users)
    identity = {"model": name, "metric": METRIC, "seed": data.seed, "space": _described(SPACES[name])}
    done = _read(file, identity)[:trials]
    optuna = _optuna()
    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=data.seed))
    distributions = _distributions(SPACES[name])
    for trial in done:
        if trial.options:
            study.add_trial(
                optuna.trial.create_trial(params=dict(trial.options), distributions=distributions, value=trial.score)
            )
    while len(done) < trials:
        # The sampler is told how far the search is, so that one that goes on draws what it would have drawn.
        study.sampler = optuna.samplers.TPESampler(seed=data.seed + len(done), n_startup_trials=STARTUP)
        asked = study.ask(distributions) if done else None
        options = {} if asked is None else dict(asked.params)
        try:
            score = judge(options)
        except InputError:
            if asked is None:
                raise
            score = 0.0  # options the data refuses
        trial = Trial(options, score)
        if asked is not None:
            study.tell(asked, score)
        done.append(trial)
        if told is not None:
            told(trial)
        _write(file, identity, done)
    return sorted(done, key=lambda trial: -trial.score)


def _distributions(space: Space) -> dict[str, BaseDistribution]:
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    found: dict[str, BaseDistribution] = {}
    for name, choice in space.items():
        if isinstance(choice, OneOf):
            found[name] = CategoricalDistribution(choice.values)
        elif isinstance(choice, Whole):
            found[name] = IntDistribution(choice.low, choice.high, log=choice.log)
        else:
            found[name] = FloatDistribution(choice.low, choice.high, log=choice.log)
    return found


def _described(space: Space) -> dict[str, str]:
    return {name: repr(choice) for name, choice in space.items()}


def _optuna() -> Any:
    try:
        import optuna
    except ImportError as error:
        raise MissingExtra(
            "a search needs optuna, which is not installed", remedy="Install the training extra: 'kindred[train]'."
        ) from error
    logging.getLogger("optuna").setLevel(logging.WARNING)
    return optuna


def _read(file: Path | None, identity: Mapping[str, Any]) -> list[Trial]:
    if file is None or not file.exists():
        return []
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
        trials = [Trial(dict(trial["options"]), float(trial["score"])) for trial in document["trials"]]
        mine = all(document[name] == value for name, value in identity.items())
    except (ValueError, KeyError, TypeError) as error:
        raise InputError("the file of a search cannot be read", got=error, where=str(file)) from error
    if not mine:
        raise InputError(
            "the file belongs to another search", where=str(file), remedy="Delete it, or choose another file."
        )
    return trials


def _write(file: Path | None, identity: Mapping[str, Any], trials: list[Trial]) -> None:
    if file is None:
        return
    file.parent.mkdir(parents=True, exist_ok=True)
    rows = [{"options": dict(trial.options), "score": trial.score} for trial in trials]
    temporary = file.with_name(f".{file.name}.{os.getpid()}")
    temporary.write_text(json.dumps({**identity, "trials": rows}, indent=1) + "\n", encoding="utf-8")
    temporary.replace(file)
