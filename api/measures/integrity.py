"""Can the ranking be pushed? Fake users who all take one item, and what that does to everyone else's lists."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from api.measures.users import Rows
from gnn.data import Interactions, ItemKnowledge, TrainingData
from gnn.evaluation import evaluate, ranked_lists
from gnn.experiment.fitting import fit_models
from gnn.fusion import FusedRanker, FusionWeights
from gnn.splits import Split
from graph.sorting import distinct

SHARES = (0.0, 0.01, 0.03)
PUSHED = (40, 400)
"""Ranks by popularity of the items that are pushed: one that some lists hold anyway, and one that hardly any does."""
FILLER = 20
"""Popular items each fake user takes beside the pushed one, to look like a customer (the "bandwagon" attack)."""
K = 20


def measure_pushing(
    split: Split,
    knowledge: ItemKnowledge,
    models: Mapping[str, Mapping[str, Any]],
    weights: FusionWeights,
    *,
    seed: int = 42,
) -> Rows:
    """Fake users of one and three per cent push one item; honest users are measured.

    ``share of lists``: of all honest users with a history, those whose best :data:`K` hold the pushed item; a handful
    of lists more or less would hide an attack among the few users of the test part. Accuracy is of that part.

    Reference: O'Mahony et al., "Collaborative recommendation: a robustness analysis", 2004; the bandwagon attack.
    """
    clean, later = split.refit, split.test
    counts = np.bincount(clean.item_index, minlength=clean.num_items)
    order = np.argsort(-counts, kind="stable")
    present = order[counts[order] > 0]
    users = distinct(clean.user_index).astype(np.int32)
    rows: Rows = []
    clean_share = 0.0
    for place, share in ((place, share) for place in PUSHED for share in SHARES):
        pushed = int(present[min(place, present.size - 1)])
        train = _attacked(clean, present, pushed, round(share * clean.num_users), seed)
        fitted = fit_models(models, TrainingData(train, knowledge, None, seed))
        ranker = FusedRanker(fitted.operators, weights)
        honest = clean if train is clean else _only_honest(train, clean.num_users)
        lists = ranked_lists(ranker, honest, users, K)
        share_of_lists = float((lists == pushed).any(axis=1).mean())
        clean_share = clean_share if share else share_of_lists
        figures = evaluate(ranker, honest, later, metrics=(f"ndcg@{K}",), slices=())
        rows.append(
            {
                "pushed item, by popularity": place,
                "fake users": f"{share:.0%}",
                "share of lists": round(share_of_lists, 4),
                "times the clean share": round(share_of_lists / clean_share, 2) if clean_share else None,
                f"honest ndcg@{K}": round(figures.metrics[f"ndcg@{K}"], 4),
                "honest users": int(users.size),
            }
        )
    return rows


def _attacked(clean: Interactions, popular: np.ndarray[Any, Any], pushed: int, fakes: int, seed: int) -> Interactions:
    """The clean interactions with ``fakes`` users after them; the same number of users so that histories line up."""
    if not fakes:
        return clean
    generator = np.random.default_rng(seed)
    users, items = [clean.user_index], [clean.item_index]
    times = [clean.timestamp_s]
    newest = int(clean.timestamp_s.max())
    for fake in range(fakes):
        filler = generator.choice(popular[:200], min(FILLER, popular.size), replace=False)
        taken = distinct(np.append(filler, pushed)).astype(np.int32)
        users.append(np.full(taken.size, clean.num_users + fake, np.int32))
        items.append(taken)
        times.append(np.full(taken.size, newest, np.int64))
    return Interactions.of(
        np.concatenate(users),
        np.concatenate(items),
        num_users=clean.num_users + fakes,
        num_items=clean.num_items,
        timestamp_s=np.concatenate(times),
    )


def _only_honest(train: Interactions, num_users: int) -> Interactions:
    """The honest users' interactions, over the honest users alone."""
    kept = train.where(train.user_index < num_users)
    return Interactions.of(
        kept.user_index, kept.item_index, num_users=num_users, num_items=kept.num_items, timestamp_s=kept.timestamp_s
    )
