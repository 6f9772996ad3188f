"""What models learn from: interactions as columns, and the graph's other knowledge about items."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from gnn.data.histories import NO_TIME as NO_TIME
from gnn.data.histories import FloatArray, Histories, IntArray
from graph.schema import EdgeType
from graph.sorting import distinct, stable_order


@dataclass(frozen=True, slots=True)
class Interactions:
    """N interactions sorted by user, then time (ties keep the snapshot's order).

    Shapes: every column (N,). ``timestamp_s`` in seconds, :data:`NO_TIME` when unknown; ``basket`` numbers
    the basket (invoice, session) within the whole data set, -1 without one; ``kind`` indexes ``kinds``.
    """

    user_index: IntArray
    item_index: IntArray
    timestamp_s: npt.NDArray[np.int64]
    weight: FloatArray
    kind: npt.NDArray[np.uint8]
    basket: IntArray
    num_users: int
    num_items: int
    kinds: tuple[str, ...] = ("interaction",)

    def __len__(self) -> int:
        return int(self.user_index.size)

    @classmethod
    def of(
        cls,
        user_index: npt.ArrayLike,
        item_index: npt.ArrayLike,
        *,
        num_users: int,
        num_items: int,
        timestamp_s: npt.ArrayLike | None = None,
    ) -> Interactions:
        """Interactions from plain index columns in any order; without times the order given is kept per user."""
        users = np.asarray(user_index, np.int32)
        items = np.asarray(item_index, np.int32)
        times = np.full(users.size, NO_TIME, np.int64) if timestamp_s is None else np.asarray(timestamp_s, np.int64)
        order = stable_order(times, users)
        return cls(
            users[order],
            items[order],
            times[order],
            np.ones(users.size, np.float32),
            np.zeros(users.size, np.uint8),
            np.full(users.size, -1, np.int32),
            num_users,
            num_items,
        )

    def where(self, mask: npt.NDArray[np.bool_] | npt.NDArray[np.int64]) -> Interactions:
        """The interactions chosen by a mask or by ascending positions."""
        return Interactions(
            self.user_index[mask],
            self.item_index[mask],
            self.timestamp_s[mask],
            self.weight[mask],
            self.kind[mask],
            self.basket[mask],
            self.num_users,
            self.num_items,
            self.kinds,
        )

    def of_some_users(self, max_users: int, seed: int) -> Interactions:
        """The interactions of at most ``max_users`` users that have any, drawn with ``seed``."""
        users = distinct(self.user_index)
        if users.size <= max_users:
            return self
        chosen = np.random.default_rng(seed).choice(users, max_users, replace=False)
        return self.where(np.isin(self.user_index, chosen))

    def most_chosen(self, count: int) -> npt.NDArray[np.int64]:
        """The items with the most interactions, ascending; of equals the earlier. Shape (count,)."""
        chosen = np.bincount(self.item_index, minlength=self.num_items)
        return np.sort(np.argsort(-chosen, kind="stable")[:count])

    def of_items(self, kept: npt.NDArray[np.int64]) -> Interactions:
        """The interactions with some items, which become the whole catalogue, in this order. Shape ``kept`` (K,)."""
        position = np.full(self.num_items, -1, np.int32)
        position[kept] = np.arange(kept.size, dtype=np.int32)
        found = self.where(position[self.item_index] >= 0)
        return replace(found, item_index=position[found.item_index], num_items=kept.size)

    def until(self, timestamp_s: int) -> Interactions:
        """The interactions before an exclusive time cut."""
        return self.where(self.timestamp_s < timestamp_s)

    def matrix(self) -> sp.csr_array:
        """Binary user × item matrix, float32, sorted indices. Shape (U, I)."""
        ones = np.ones(len(self), np.float32)
        matrix = sp.csr_array(
            sp.coo_array((ones, (self.user_index, self.item_index)), shape=(self.num_users, self.num_items))
        )
        matrix.sum_duplicates()
        matrix.data[:] = 1.0
        return matrix

    def histories(self) -> Histories:
        """The history of every user, row u for user u; empty where a user has none."""
        indptr = np.zeros(self.num_users + 1, np.int64)
        np.cumsum(np.bincount(self.user_index, minlength=self.num_users), out=indptr[1:])
        return Histories(
            np.arange(self.num_users, dtype=np.int32),
            indptr,
            self.item_index,
            self.timestamp_s,
            self.kind,
            self.num_items,
            self.kinds,
        )


@dataclass(frozen=True)
class ItemKnowledge:
    """What the graph knows of items beside interactions, for models and sources to learn from.

    ``attributes``: per attribute edge type the incidence matrix items × attribute nodes (I, A_t), CSR float32;
    knowledge edges that start or end at items are given the same way (a reverse edge type is named
    ``rev_RELATION`` with item first). ``relations``: per item relation an (I, I) CSR. ``text``: unit-length text
    embeddings (I, T) or None; a row of zeros is an item without text.
    """

    attributes: Mapping[EdgeType, sp.csr_array] = field(default_factory=dict)
    relations: Mapping[EdgeType, sp.csr_array] = field(default_factory=dict)
    text: FloatArray | None = None


@dataclass(frozen=True)
class TrainingData:
    """All a model may look at while it is fitted.

    ``validation`` holds the interactions that selection (early stop, tuning) may be judged on; they are never
    part of ``train``. ``None`` means: train for the configured number of epochs. ``ordered`` says whether the order
    of a user's events means anything; after a random split it does not. ``repeats`` says whether an item that a
    user has already chosen may be asked for again.
    """

    train: Interactions
    knowledge: ItemKnowledge = field(default_factory=ItemKnowledge)
    validation: Interactions | None = None
    seed: int = 42
    device: str = "cpu"
    ordered: bool = True
    repeats: bool = False
