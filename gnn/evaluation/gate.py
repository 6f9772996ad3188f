"""The gate: a ranking goes live only if it beats the best baseline on validation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from gnn.evaluation import Evaluation
from graph.errors import InputError

GATE_METRIC = "ndcg@20"


@dataclass(frozen=True, slots=True)
class Verdict:
    """Who won on validation, and by how much.

    ``difference`` is served minus baseline in the mean of ``metric`` over users, ``interval`` its 95 % paired
    bootstrap interval. ``winner`` is what a release has to serve.
    """

    promoted: bool
    winner: str
    baseline: str
    difference: float
    interval: tuple[float, float]
    metric: str
    users: int
    draws: int = 1
    """Random validation parts of which each user's figures are the mean."""

    def to_document(self) -> dict[str, Any]:
        return asdict(self) | {"interval": list(self.interval)}

    @property
    def sentence(self) -> str:
        """The verdict in one line for people."""
        low, high = self.interval
        figures = f"{self.metric} {self.difference:+.4f}, 95 % interval {low:+.4f} to {high:+.4f}, {self.users} users"
        if self.draws > 1:
            figures += f", mean of {self.draws} draws"
        if self.promoted:
            return f"{self.winner} beats {self.baseline} on validation ({figures}): promoted"
        if not self.difference and self.interval == (0.0, 0.0):
            return f"{self.baseline} is the best baseline on validation ({self.users} users); nothing challenged it"
        return f"{self.baseline} is not beaten on validation ({figures}): {self.winner} is served"


def decide(
    challenger: str,
    measured: Evaluation | None,
    baselines: Mapping[str, Evaluation],
    *,
    metric: str = GATE_METRIC,
    draws: int = 1,
) -> Verdict:
    """The verdict on ``challenger`` against the best of ``baselines``, all measured on the same validation users.

    Promoted only when the lower end of the interval is above 0. Without a challenger (``measured`` is ``None``)
    the best baseline wins.

    Raises:
        InputError: when they were not measured on the same users, or there is no baseline.
    """
    if not baselines:
        raise InputError("the gate needs a baseline to compare with", remedy="Fit at least one, e.g. popularity.")
    baseline = max(baselines, key=lambda name: baselines[name].metrics[metric])
    if measured is None:
        return Verdict(False, baseline, baseline, 0.0, (0.0, 0.0), metric, baselines[baseline].num_users, draws)
    difference = measured.compare(baselines[baseline], metric)
    return Verdict(
        promoted=difference.is_better,
        winner=challenger if difference.is_better else baseline,
        baseline=baseline,
        difference=difference.mean,
        interval=(difference.low, difference.high),
        metric=metric,
        users=difference.num_users,
        draws=draws,
    )
