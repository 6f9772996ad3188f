"""The tuning every model gets: a few points around its defaults, chosen on validation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from gnn.data import ItemKnowledge, TrainingData
from gnn.evaluation import evaluate
from gnn.models import MODELS
from gnn.operators import OperatorRanker
from graph.errors import InputError

METRIC = "ndcg@20"
"""What options are chosen by."""

GRIDS: dict[str, tuple[Mapping[str, Any], ...]] = {
    "recent_popularity": ({}, {"half_life_days": 3.0}, {"half_life_days": 7.0}, {"half_life_days": 30.0}),
    "itemknn": ({}, {"neighbors": 50}, {"neighbors": 300}, {"shrink": 0.0}, {"shrink": 50.0}),
    "rp3beta": ({}, {"alpha": 0.6}, {"alpha": 0.8}, {"alpha": 0.6, "beta": 0.4}, {"alpha": 0.6, "beta": 0.5}),
    "ease": ({}, {"ridge": 100.0}, {"ridge": 200.0}, {"ridge": 500.0}, {"ridge": 1000.0}),
    "gfcf": ({}, {"rank": 32}, {"rank": 64}, {"rank": 128}, {"rank": 64, "alpha": 1.0}),
    "bandfilter": (
        {},
        {"rank": 256},
        {"rank": 128, "sharpening": 1.0},
        {"rank": 64, "sharpening": 1.0},
        {"rank": 32, "sharpening": 1.0},
    ),
    "als": ({}, {"ridge": 20.0}, {"alpha": 30.0}, {"alpha": 30.0, "ridge": 20.0}, {"embedding_dim": 32}),
    "personal_recency": (
        {},
        {"popularity": 0.01},
        {"popularity": 2.0},
        {"decay": 0.8},
        {"decay": 0.9, "popularity": 2.0},
    ),
    "next_item": ({}, {"source_power": 0.0}, {"source_power": 1.0}, {"target_power": 0.3}, {"steps": 1}),
}
"""Options tried per model, the defaults first. A model without a line has nothing worth choosing, or stops early."""


MOST_ITEMS = {"ease": 8_000}
"""Models whose fit grows with the cube of the catalogue are tuned on so many of its most chosen items."""


@dataclass(frozen=True)
class Trial:
    """Options of a model and what they reached on validation."""

    options: Mapping[str, Any]
    score: float


class Judge:
    """Fits a model with some options and says what it reaches on validation, on the same users every time.

    At most ``max_users`` users, drawn with the data's seed, and at most :data:`MOST_ITEMS` items.

    Raises:
        InputError: when the data has no validation part.
    """

    def __init__(self, name: str, data: TrainingData, max_users: int) -> None:
        if data.validation is None or not len(data.validation):
            raise InputError(f"{name} cannot be tuned", expected="a validation part", got="none")
        self._name = name
        judged = data.validation.of_some_users(max_users, data.seed)
        if data.train.num_items > MOST_ITEMS.get(name, data.train.num_items):
            kept = data.train.most_chosen(MOST_ITEMS[name])
            data = replace(data, train=data.train.of_items(kept), knowledge=ItemKnowledge())
            judged = judged.of_items(kept)
        self._data, self._judged = data, judged

    def __call__(self, options: Mapping[str, Any]) -> float:
        operator = MODELS[self._name].build(**options).fit(self._data)
        ranker = OperatorRanker(operator)
        found = evaluate(
            ranker, self._data.train, self._judged, metrics=[METRIC], slices=(), repeats=self._data.repeats
        )
        return found.metrics[METRIC]


def tune(
    name: str, data: TrainingData, *, grid: Sequence[Mapping[str, Any]] | None = None, max_users: int = 5000
) -> list[Trial]:
    """Every trial of a model's grid on validation, best first; of equals the earlier in the grid comes first.

    Judged on at most ``max_users`` users drawn with the data's seed, the same for every trial.

    Raises:
        InputError: when the data has no validation part, or the model refuses every trial.
    """
    judge = Judge(name, data, max_users)
    trials = [Trial(options, judge(options)) for options in (GRIDS.get(name, ({},)) if grid is None else grid)]
    return sorted(trials, key=lambda trial: -trial.score)
