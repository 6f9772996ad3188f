"""What is bought together: items of the same basket, and how often."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from api.engine.activity import Activity
from api.engine.connections import grown
from gnn.data import NO_TIME
from gnn.histories import FloatArray, IntArray

SESSION_GAP_S = 6 * 3_600
"""Without invoices, a customer's events with no longer pause between them count as one basket."""
MIN_SESSION_SHARE = 0.25
"""If fewer of the events than this share a session with another item, a customer is one basket."""
DAMPING = 0.1
"""How much the popularity of the other item counts against it. On the months before the test of two shops this and
plain counts foretell later baskets alike, and lift, shrunk or not, does worse: people do buy what is popular."""


@dataclass(frozen=True)
class Baskets:
    """Which items lie in which basket. Shapes: ``items`` (N, I) binary, ``containing`` its transpose (I, N)."""

    items: sp.csr_array
    containing: sp.csr_array
    invoiced: bool = False
    """Whether most of the interactions carry the number of a basket, so that people may be told of baskets."""

    @classmethod
    def of(cls, activity: Activity, num_items: int) -> Baskets:
        """The baskets in some interactions: by qualifier (invoice) where it groups items, else by session."""
        number = basket_numbers(activity)
        num_baskets = int(number.max(initial=-1)) + 1
        ones = np.ones(number.size, np.float32)
        items = sp.csr_array(sp.coo_array((ones, (number, activity.item_index)), shape=(num_baskets, num_items)))
        items.data[:] = 1.0
        invoiced = bool(with_company(activity).sum() * 2 > len(activity))
        return cls(items, sp.csr_array(items.T), invoiced)

    def grown(self, num_items: int) -> Baskets:
        """The same baskets over more items."""
        if num_items == self.items.shape[1]:
            return self
        num_baskets = self.items.shape[0]
        return Baskets(
            grown(self.items, num_baskets, num_items), grown(self.containing, num_items, num_baskets), self.invoiced
        )

    def with_later(self, later: Baskets) -> Baskets:
        """These baskets and then the later ones."""
        num_items = later.items.shape[1]
        items = sp.vstack([self.grown(num_items).items, later.items], format="csr")
        containing = sp.hstack([self.grown(num_items).containing, later.containing], format="csr")
        return Baskets(sp.csr_array(items), sp.csr_array(containing), self.invoiced)

    def together(self, item_index: int) -> npt.NDArray[np.int64]:
        """In how many baskets each item lies beside this one; 0 for the item itself. Shape (I,)."""
        containing, items = self.containing, self.items
        baskets = containing.indices[containing.indptr[item_index] : containing.indptr[item_index + 1]]
        starts = items.indptr[baskets]
        lengths = items.indptr[baskets + 1] - starts
        at = np.repeat(starts - (np.cumsum(lengths) - lengths), lengths) + np.arange(int(lengths.sum()))
        counts = np.bincount(items.indices[at], minlength=items.shape[1])
        counts[item_index] = 0
        return counts

    def scores(self, item_index: int) -> FloatArray:
        """How much each item goes with this one: the share of its baskets that hold the other, damped. Shape (I,).

        ``c / (n_i · n_j ** DAMPING)``, with c baskets in common; at most 1.
        """
        common = self.together(item_index).astype(np.float64)
        alone = np.maximum(np.diff(self.containing.indptr), 1).astype(np.float64)
        return np.asarray(common / (alone[item_index] * alone**DAMPING), np.float32)


def with_company(activity: Activity) -> npt.NDArray[np.bool_]:
    """Which interactions carry a basket number under which the customer has another item too. Shape (N,)."""
    return _groups_with_company(activity.user_index, activity.basket, activity.item_index)


def basket_numbers(activity: Activity) -> npt.NDArray[np.int64]:
    """The number of the basket each interaction belongs to, 0 upwards. Shape (N,)."""
    by_invoice = with_company(activity)
    loose = ~by_invoice
    number = np.empty(len(activity), np.int64)
    _, number[by_invoice] = np.unique(
        _pairs(activity.user_index[by_invoice], activity.basket[by_invoice]), return_inverse=True
    )
    offset = int(number[by_invoice].max(initial=-1)) + 1
    users, times = activity.user_index[loose], activity.timestamp_s[loose]
    session = _sessions(users, times)
    if loose.any():
        shared = _groups_with_company(users, session.astype(np.int32), activity.item_index[loose])
        if not by_invoice.any() and shared.mean() < MIN_SESSION_SHARE:
            session = np.unique(users, return_inverse=True)[1].astype(np.int64)
    number[loose] = session + offset
    return number


def _sessions(users: IntArray, times: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    order = np.lexsort((times, users))
    user, time = users[order], times[order]
    starts = np.ones(user.size, bool)
    # Unknown times are the smallest integer: comparing before subtracting keeps the gap from overflowing.
    known = (time[1:] != NO_TIME) & (time[:-1] != NO_TIME)
    gap = np.where(known, time[1:] - np.where(known, time[:-1], 0), 0)
    starts[1:] = (user[1:] != user[:-1]) | (gap > SESSION_GAP_S) | ((time[1:] == NO_TIME) != (time[:-1] == NO_TIME))
    session = np.empty(user.size, np.int64)
    session[order] = np.cumsum(starts) - 1
    return session


def _groups_with_company(users: IntArray, group: IntArray, items: IntArray) -> npt.NDArray[np.bool_]:
    """Which rows belong to a group (of a user; -1 is none) that holds at least two different items."""
    if users.size == 0:
        return np.zeros(0, bool)
    _, of_row = np.unique(_pairs(users, group), return_inverse=True)
    distinct = np.unique(_pairs(of_row.astype(np.int32), items))
    size = np.bincount(distinct >> 32, minlength=int(of_row.max()) + 1)
    return np.asarray((size[of_row] > 1) & (group >= 0), bool)


def _pairs(left: IntArray, right: IntArray) -> npt.NDArray[np.int64]:
    """One integer per pair, ordered like the pairs; ``right`` is -1 or more."""
    return (left.astype(np.int64) << 32) + right + 1
