"""The gate: a ranking goes live only if it beats the best baseline on validation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from gnn.evaluation import paired_bootstrap

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

    def to_document(self) -> dict[str, Any]:
        return asdict(self) | {"interval": list(self.interval)}

    @property
    def sentence(self) -> str:
        """The verdict in one line for people."""
        low, high = self.interval
        figures = f"{self.metric} {self.difference:+.4f}, 95 % interval {low:+.4f} to {high:+.4f}, {self.users} users"
        if self.promoted:
            return f"{self.winner} beats {self.baseline} on validation ({figures}): promoted"
        return f"{self.baseline} is not beaten on validation ({figures}): {self.winner} is served"


def decide(
    challenger: str,
    per_user: npt.NDArray[np.float64],
    baselines: Mapping[str, npt.NDArray[np.float64]],
    *,
    metric: str = GATE_METRIC,
    seed: int = 42,
) -> Verdict:
    """The verdict on ``challenger`` against the best of ``baselines``.

    Promoted only when the lower end of the interval is above 0. Shapes: every per-user array (V,), the same
    V validation users in the same order.
    """
    baseline = max(baselines, key=lambda name: float(baselines[name].mean()))
    compared = paired_bootstrap(per_user, baselines[baseline], seed=seed)
    promoted = compared.interval[0] > 0
    return Verdict(
        promoted=promoted,
        winner=challenger if promoted else baseline,
        baseline=baseline,
        difference=compared.difference,
        interval=compared.interval,
        metric=metric,
        users=int(per_user.size),
    )
