"""How sure a difference is: paired bootstrap over users."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from graph.errors import InputError

_CHUNK = 4_000_000


@dataclass(frozen=True, slots=True)
class Difference:
    """Mean of a minus mean of b over the same users, with its bootstrap interval and two-sided p-value."""

    mean: float
    low: float
    high: float
    p: float
    num_users: int
    confidence: float = 0.95

    @property
    def is_better(self) -> bool:
        """Whether the whole interval lies above zero."""
        return self.low > 0

    @property
    def is_worse(self) -> bool:
        """Whether the whole interval lies below zero."""
        return self.high < 0


def paired_bootstrap(
    a: npt.ArrayLike, b: npt.ArrayLike, *, samples: int = 2000, confidence: float = 0.95, seed: int = 42
) -> Difference:
    """The difference of two rankers measured on the same users. Shapes: ``a`` and ``b`` (N,), user by user.

    Reference: Efron & Tibshirani, "An introduction to the bootstrap", 1993 (percentile interval).

    Raises:
        InputError: when the two were not measured on the same number of users, or on none.
    """
    left, right = np.asarray(a, np.float64), np.asarray(b, np.float64)
    if left.shape != right.shape or left.size == 0:
        raise InputError(
            "two rankers cannot be compared", expected="the same users, at least one", got=(left.size, right.size)
        )
    means = np.concatenate(list(_resampled_means(left - right, samples, seed)))
    low, high = _interval(means, confidence)
    tail = min(int((means <= 0).sum()), int((means >= 0).sum()))
    p = min(1.0, 2.0 * (tail + 1) / (samples + 1))
    return Difference(float((left - right).mean()), low, high, p, left.size, confidence)


def bootstrap_interval(
    values: npt.ArrayLike, *, samples: int = 1000, confidence: float = 0.95, seed: int = 42
) -> tuple[float, float]:
    """The interval of a mean over users: (low, high). Shape: ``values`` (N,)."""
    flat = np.asarray(values, np.float64)
    if flat.size == 0:
        return (0.0, 0.0)
    return _interval(np.concatenate(list(_resampled_means(flat, samples, seed))), confidence)


def _resampled_means(values: npt.NDArray[np.float64], samples: int, seed: int) -> Iterator[npt.NDArray[np.float64]]:
    rng = np.random.default_rng(seed)
    rows = max(1, _CHUNK // values.size)
    for start in range(0, samples, rows):
        drawn = rng.integers(0, values.size, (min(rows, samples - start), values.size), np.int32)
        yield values[drawn].mean(axis=1)


def _interval(means: npt.NDArray[np.float64], confidence: float) -> tuple[float, float]:
    low, high = np.quantile(means, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)
