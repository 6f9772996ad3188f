"""Audiences and attribute lists against popularity, on what happened after a temporal cut."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from api.engine.lists.audience import audience_scores, interest, presence, ranked_users
from api.engine.questions.interests import RECOMMENDED, attribute_scores, weighted_shares
from gnn.data import NO_TIME, Interactions
from gnn.data.histories import FloatArray, IntArray
from gnn.evaluation.metrics import hits, ndcg, recall
from gnn.fusion import FusedRanker

MAX_ITEMS = 300
"""Items asked about, drawn at random from those with a new user in the test part."""
Ranking: TypeAlias = Callable[[int], IntArray]
Rows: TypeAlias = list[dict[str, str | float | int | None]]


def measure_audiences(
    ranker: FusedRanker, seen: Interactions, later: Interactions, *, seed: int = 42, k: int = 20
) -> Rows:
    """For each item, the users who took it later, ranked among all who had a history and not the item."""
    histories = seen.matrix()
    per_user = seen.histories()
    wanted = sp.csr_array(later.matrix().T)
    had = sp.csr_array(histories.T)
    known = per_user.lengths > 0
    items = np.flatnonzero(np.diff(wanted.indptr))
    generator = np.random.default_rng(seed)
    items = np.sort(generator.choice(items, min(MAX_ITEMS, items.size), replace=False))
    active = per_user.lengths.astype(np.float32)
    last_s = np.full(seen.num_users, NO_TIME, np.int64)
    np.maximum.at(last_s, seen.user_index, seen.timestamp_s)

    def best(score: FloatArray, item: int) -> IntArray:
        out = ~known
        out[had.indices[had.indptr[item] : had.indptr[item + 1]]] = True
        return ranked_users(score, out, k)

    here = presence(last_s)
    everywhere = np.ones_like(here)

    rankings: Mapping[str, Ranking] = {
        "most active users (popularity)": lambda item: best(active, item),
        "operators alone": lambda item: best(audience_scores(interest(ranker, histories, item), everywhere), item),
        "audience, as served": lambda item: best(audience_scores(interest(ranker, histories, item), here), item),
    }
    relevant = wanted[items]
    relevant = sp.csr_array(relevant @ sp.diags_array(known.astype(np.float32)))
    relevant.eliminate_zeros()
    return [
        {"ranking": name, **_figures(_padded([rank(int(item)) for item in items], k), relevant, k)}
        for name, rank in rankings.items()
    ]


def measure_attributes(
    ranker: FusedRanker, seen: Interactions, later: Interactions, incidence: sp.csr_array, *, k: int = 10
) -> Rows:
    """For each user, the attributes of what he took later. Shape: ``incidence`` (I, A) binary."""
    per_user = seen.histories()
    taken = later.matrix()
    users = np.flatnonzero((np.diff(taken.indptr) > 0) & (per_user.lengths > 0))
    relevant = sp.csr_array(taken[users] @ incidence)
    relevant.data[:] = 1.0
    popularity = np.bincount(seen.item_index, minlength=seen.num_items).astype(np.float32)
    everyone = weighted_shares(incidence, np.arange(seen.num_items), popularity)
    recommended = ranker.rank(per_user.take(users), RECOMMENDED)
    lists: dict[str, list[IntArray]] = {
        "most frequent (popularity)": [],
        "of the history": [],
        "attributes, as served": [],
    }
    for at, user in enumerate(users.tolist()):
        mine = per_user.item_index[per_user.indptr[user] : per_user.indptr[user + 1]]
        share = weighted_shares(incidence, mine, 1.0 / np.sqrt(1.0 + np.arange(mine.size)[::-1]))
        suiting = recommended[at][recommended[at] >= 0]
        suits = weighted_shares(incidence, suiting, 1.0 / np.log2(2.0 + np.arange(suiting.size)))
        lists["most frequent (popularity)"].append(_top(everyone, k))
        lists["of the history"].append(_top(share + 1e-3 * everyone, k))
        lists["attributes, as served"].append(_top(attribute_scores(share, suits, everyone), k))
    return [{"ranking": name, **_figures(_padded(rows, k), relevant, k)} for name, rows in lists.items()]


def _top(score: npt.NDArray[np.floating], k: int) -> IntArray:
    best: IntArray = np.argsort(-score, kind="stable")[:k].astype(np.int32)
    return best


def _padded(rows: list[IntArray], k: int) -> IntArray:
    table = np.full((len(rows), k), -1, np.int32)
    for at, row in enumerate(rows):
        table[at, : row.size] = row[:k]
    return table


def _figures(ranked: IntArray, relevant: sp.csr_array, k: int) -> dict[str, float | int]:
    counted = np.diff(relevant.indptr).astype(np.int64)
    asked = counted > 0
    hit, number = hits(ranked, relevant)[asked], counted[asked]
    return {
        f"recall@{k}": round(float(recall(hit, number, k).mean()), 4),
        f"ndcg@{k}": round(float(ndcg(hit, number, k).mean()), 4),
        "asked": int(asked.sum()),
    }
