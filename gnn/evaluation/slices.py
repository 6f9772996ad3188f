"""Parts of the users and items that are measured apart: cold items, the tail, cold users."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gnn.data import Interactions

COLD_ITEM_INTERACTIONS = 2
"""Items with at most this many interactions in what the ranker saw are cold."""
COLD_USER_INTERACTIONS = 5
"""Users with at most this many interactions in what the ranker saw are cold."""
HEAD_SHARE = 0.2
"""The share of the catalogue, most popular first, that is the head; the rest is the tail."""


@dataclass(frozen=True)
class Slice:
    """A named part of the users (mask (U,)), of the items (mask (I,)), or of both; ``None`` means all.

    A slice of items restricts what counts as relevant. The ranking stays the full one.
    """

    name: str
    users: npt.NDArray[np.bool_] | None = None
    items: npt.NDArray[np.bool_] | None = None


def default_slices(seen: Interactions, segments: Sequence[Slice] = ()) -> tuple[Slice, ...]:
    """The slices every evaluation reports, cut by what the ranker saw, and the segments of users that a shop has."""
    item_count = np.bincount(seen.item_index, minlength=seen.num_items)
    user_count = np.bincount(seen.user_index, minlength=seen.num_users)
    head = np.zeros(seen.num_items, np.bool_)
    head[np.argsort(-item_count, kind="stable")[: round(HEAD_SHARE * seen.num_items)]] = True
    return (
        Slice("cold items", items=item_count <= COLD_ITEM_INTERACTIONS),
        Slice("unseen items", items=item_count == 0),
        Slice("seen items", items=item_count > 0),
        Slice("head items", items=head),
        Slice("tail items", items=~head),
        Slice("cold users", users=user_count <= COLD_USER_INTERACTIONS),
        *_by_activity(user_count),
        *segments,
    )


def _by_activity(user_count: npt.NDArray[np.int64]) -> tuple[Slice, ...]:
    """Users in thirds by how many interactions they have, those without any left out."""
    active = user_count[user_count > 0]
    low, high = np.quantile(active, [1 / 3, 2 / 3]) if active.size else (0.0, 0.0)
    return (
        Slice("least active users", users=(user_count > 0) & (user_count <= low)),
        Slice("most active users", users=user_count > max(high, low)),
    )
