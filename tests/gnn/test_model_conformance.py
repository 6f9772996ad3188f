"""What holds for every model of the registry. A new model joins by its line in MODELS."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from importlib import import_module

import numpy as np
import pytest

from gnn.data import ItemKnowledge, TrainingData
from gnn.data.histories import Histories
from gnn.models import MODELS
from gnn.operators import Operator, OperatorRanker, OrderedOperator, history_scores, operator_from_arrays
from graph.errors import InputError, MissingExtra

IMPERSONAL = {"popularity", "recent_popularity", "unseen"}
KNOWLEDGE_ONLY = {"attributes", "relations", "text"}
OWN_ITEMS = {"personal_frequency", "personal_recency"}
"""They rank what a user chose before, and tell nothing of what else they will choose."""
FRESH_ITEMS = {"fresh_text", "fresh_attributes"}
"""They rank what nobody has chosen, and tell nothing of all other items."""
SCORES_COLD_ITEMS = {*FRESH_ITEMS, "attributes", "relations", "text", "graphsage", "sequence", "gat", "rgcn", "kgin"}
OPTIONS: dict[str, dict[str, object]] = {
    **{name: {"epochs": 60} for name in ("gat", "rgcn", "kgin", "xsimgcl")},
    "sequence": {"epochs": 40, "learning_rate": 0.01},
}
"""Options that keep a model's fit on the tiny world short, by name."""


def build(name: str) -> object:
    try:
        return MODELS[name].build(**OPTIONS.get(name, {}))
    except MissingExtra as error:
        pytest.skip(f"NOT TESTED: {error}")


@pytest.fixture(scope="module")
def fitted(checkerboard) -> Callable[[str], Operator]:
    return cache(lambda name: build(name).fit(checkerboard.data))


def ranked(operator: Operator, items: list[list[int]], num_items: int, k: int, users: list[int] | None = None):
    return OperatorRanker(operator).rank(Histories.of(items, num_items, users), k)


def scores(operator: Operator, items: list[list[int]], num_items: int, users: list[int] | None = None):
    return history_scores(operator, Histories.of(items, num_items, users))


every_model = pytest.mark.parametrize("name", list(MODELS))
every_personal_model = pytest.mark.parametrize(
    "name", [name for name in MODELS if name not in IMPERSONAL | OWN_ITEMS | FRESH_ITEMS]
)


@every_personal_model
def test_training_users_get_the_items_of_their_colour_they_have_not_met(name, checkerboard, fitted) -> None:
    histories = checkerboard.data.train.histories()
    lists = OperatorRanker(fitted(name)).rank(histories, 3)
    in_colour = (lists % 2 == np.arange(len(histories))[:, None] % 2).mean()
    assert in_colour >= 0.97


@every_personal_model
def test_users_without_a_row_get_items_of_their_history_s_colour(name, checkerboard, fitted) -> None:
    lists = ranked(fitted(name), [[0, 2, 6], [1, 5, 9]], checkerboard.num_items, 3)
    assert (lists[0] % 2 == 0).all()
    assert (lists[1] % 2 == 1).all()


@every_personal_model
def test_an_event_counts_in_the_next_answer(name, checkerboard, fitted) -> None:
    before, after = scores(fitted(name), [[0, 2], [0, 2, 1, 5, 7]], checkerboard.num_items, [-1, -1])
    odd = np.arange(9, 24, 2)
    even = np.arange(8, 24, 2)
    assert after[odd].mean() - after[even].mean() > before[odd].mean() - before[even].mean()


@every_model
def test_an_empty_history_gets_finite_scores_and_a_list(name, checkerboard, fitted) -> None:
    for user in (-1, 4, checkerboard.data.train.num_users + 5):
        given = scores(fitted(name), [[]], checkerboard.num_items, [user])
        assert given.shape == (1, checkerboard.num_items)
        assert given.dtype == np.float32
        assert np.isfinite(given).all()
    assert (ranked(fitted(name), [[]], checkerboard.num_items, 5) >= 0).all()


@every_model
def test_every_item_gets_a_finite_score_the_cold_ones_too(name, checkerboard, fitted) -> None:
    given = scores(fitted(name), [[0, 2], [1], [checkerboard.cold_items[0]]], checkerboard.num_items, [0, 1, -1])
    assert np.isfinite(given).all()


@pytest.mark.parametrize("name", sorted(SCORES_COLD_ITEMS))
def test_what_reads_knowledge_tells_cold_items_apart(name, checkerboard, fitted) -> None:
    even, odd = checkerboard.cold_items
    given = scores(fitted(name), [[0, 2, 4], [1, 3, 5]], checkerboard.num_items)
    assert given[0, even] > given[0, odd]
    assert given[1, odd] > given[1, even]


@every_model
def test_the_same_seed_gives_the_same_bytes(name, checkerboard, fitted) -> None:
    first, second = fitted(name).arrays(), build(name).fit(checkerboard.data).arrays()
    assert first.keys() == second.keys()
    for key, array in first.items():
        assert array.tobytes() == second[key].tobytes(), key


@every_model
def test_named_arrays_rebuild_the_operator(name, checkerboard, fitted) -> None:
    operator = fitted(name)
    arrays = operator.arrays()
    assert all(isinstance(array, np.ndarray) and array.dtype != object for array in arrays.values())
    rebuilt = operator_from_arrays(operator.kind, arrays)
    histories = checkerboard.data.train.histories()
    np.testing.assert_array_equal(history_scores(rebuilt, histories), history_scores(operator, histories))


@every_model
def test_only_what_reads_the_order_of_events_depends_on_it_and_nothing_on_the_block(name, checkerboard, fitted) -> None:
    operator = fitted(name)
    together = scores(operator, [[0, 2, 4], [5, 3]], checkerboard.num_items, [0, 1])
    alone = scores(operator, [[0, 2, 4]], checkerboard.num_items, [0])
    np.testing.assert_allclose(together[0], alone[0], rtol=1e-4, atol=1e-5)
    turned = scores(operator, [[4, 2, 0]], checkerboard.num_items, [0])
    # All these events are of one moment, so they are one basket.
    reads_order = isinstance(operator, OrderedOperator) and name not in OWN_ITEMS
    assert np.allclose(turned[0], alone[0], rtol=1e-4, atol=1e-5) != reads_order


@every_model
def test_a_world_without_knowledge_is_no_error(name, checkerboard) -> None:
    bare = replace(checkerboard.data, knowledge=ItemKnowledge())
    given = scores(build(name).fit(bare), [[0, 2]], checkerboard.num_items)
    assert np.isfinite(given).all()
    if name in KNOWLEDGE_ONLY:
        assert not given.any()


@pytest.mark.parametrize("name", [name for name, entry in MODELS.items() if entry.family != "gnn"])
def test_a_world_without_interactions_is_no_error(name, checkerboard) -> None:
    nothing = checkerboard.data.train.where(np.zeros(len(checkerboard.data.train), bool))
    data = TrainingData(nothing, checkerboard.data.knowledge)
    assert np.isfinite(scores(build(name).fit(data), [[0, 2], []], checkerboard.num_items)).all()


@every_model
def test_an_unknown_option_is_refused(name) -> None:
    build(name)
    with pytest.raises(InputError, match="no_such_option"):
        MODELS[name].build(no_such_option=1)


@every_model
def test_says_where_it_comes_from(name) -> None:
    module, _, class_name = MODELS[name].path.partition(":")
    build(name)
    model_class = getattr(import_module(module), class_name)
    assert len(model_class.reference) > 8
    assert "Reference:" in model_class.__doc__
    assert MODELS[name].family in {"baseline", "walk", "text", "gnn"}
    assert MODELS[name].summary
