"""What is bought together: items of the same basket, and how often."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from api.engine.connections import grown
from api.engine.related.activity import Activity
from gnn.data import NO_TIME
from gnn.data.histories import FloatArray, IntArray
from graph.courtesy import stand_back
from graph.sorting import stable_order

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
        by_invoice = with_company(activity)
        number = basket_numbers(activity, by_invoice)
        stand_back()
        num_baskets = int(number.max(initial=-1)) + 1
        ones = np.ones(number.size, np.float32)
        items = sp.csr_array(sp.coo_array((ones, (number, activity.item_index)), shape=(num_baskets, num_items)))
        items.data[:] = 1.0
        invoiced = bool(by_invoice.sum() * 2 > len(activity))
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
    numbered = activity.basket >= 0
    if not numbered.any():
        return numbered
    group = np.unique(_pairs(activity.user_index[numbered], activity.basket[numbered]), return_inverse=True)[1]
    numbered[numbered] = _has_company(group, activity.item_index[numbered])
    return numbered


def basket_numbers(activity: Activity, by_invoice: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    """The number of the basket each interaction belongs to, 0 upwards: its invoice, else its session. Shapes (N,)."""
    number = np.empty(len(activity), np.int64)
    _, number[by_invoice] = np.unique(
        _pairs(activity.user_index[by_invoice], activity.basket[by_invoice]), return_inverse=True
    )
    loose = ~by_invoice
    if loose.any():
        users, times = activity.user_index[loose], activity.timestamp_s[loose]
        session = _sessions(users, times)
        if not by_invoice.any() and _has_company(session, activity.item_index[loose]).mean() < MIN_SESSION_SHARE:
            session = np.unique(users, return_inverse=True)[1]
        number[loose] = session + int(number[by_invoice].max(initial=-1)) + 1
    return number


def _sessions(users: IntArray, times: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    order = stable_order(times, users)
    user, time = users[order], times[order]
    starts = np.ones(user.size, bool)
    # Unknown times are the smallest integer: comparing before subtracting keeps the gap from overflowing.
    known = (time[1:] != NO_TIME) & (time[:-1] != NO_TIME)
    gap = np.where(known, time[1:] - np.where(known, time[:-1], 0), 0)
    starts[1:] = (user[1:] != user[:-1]) | (gap > SESSION_GAP_S) | ((time[1:] == NO_TIME) != (time[:-1] == NO_TIME))
    session = np.empty(user.size, np.int64)
    session[order] = np.cumsum(starts) - 1
    return session


def _has_company(group: npt.NDArray[np.int64], items: IntArray) -> npt.NDArray[np.bool_]:
    """Which rows belong to a group, numbered from 0, that holds at least two different items. Shapes (N,)."""
    lowest = np.full(int(group.max(initial=-1)) + 1, np.iinfo(np.int32).max, np.int32)
    highest = np.full(lowest.size, -1, np.int32)
    np.minimum.at(lowest, group, items)
    np.maximum.at(highest, group, items)
    return np.asarray((lowest < highest)[group], bool)


def _pairs(left: IntArray, right: IntArray) -> npt.NDArray[np.int64]:
    """One integer per pair, ordered like the pairs; ``right`` is -1 or more."""
    return (left.astype(np.int64) << 32) + right + 1
