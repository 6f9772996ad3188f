"""Every protocol parts interactions so that nothing is asked for that was shown, and says what it did."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from gnn.data import NO_TIME, Interactions
from gnn.splits.protocols import PROTOCOLS, Cuts, protocol_for, protocol_named
from graph.errors import InputError

DAY = 86_400
NONE = Interactions.of([], [], num_users=30, num_items=40)


def shop(*, timed: bool = True) -> Interactions:
    """30 users who choose two items a day for six days, sometimes the same again; a day is a basket."""
    rng = np.random.default_rng(5)
    users = np.repeat(np.arange(30), 12)
    days = np.tile(np.repeat(np.arange(6), 2), 30)
    items = rng.integers(0, 40, users.size)
    times = 1_000_000_000 + days * DAY + np.arange(users.size) % 2
    built = Interactions.of(users, items, num_users=30, num_items=40, timestamp_s=times if timed else None)
    return dataclasses.replace(built, basket=(users * 6 + days).astype(np.int32))


def held_out() -> Interactions:
    return Interactions.of(np.arange(30), np.full(30, 39), num_users=30, num_items=40)


def pairs(interactions: Interactions) -> set[tuple[int, int]]:
    return set(zip(interactions.user_index.tolist(), interactions.item_index.tolist(), strict=True))


OWN_FILES = ("fixed-files", "lightgcn")


@pytest.mark.parametrize("name", [name for name, protocol in PROTOCOLS.items() if not protocol.repeats])
def test_nothing_is_asked_for_that_the_ranker_has_seen(name: str) -> None:
    known = shop()
    if name in OWN_FILES:
        known = known.where(known.item_index != 39)
    split = PROTOCOLS[name].split(known, held_out() if name in OWN_FILES else NONE, Cuts())
    assert min(len(split.train), len(split.validation), len(split.test)) > 0
    assert not pairs(split.validation) & pairs(split.train)
    assert not pairs(split.test) & pairs(split.refit)


@pytest.mark.parametrize("name", [name for name in PROTOCOLS if name not in OWN_FILES])
def test_the_same_seed_cuts_the_same_way(name: str) -> None:
    first, second = (PROTOCOLS[name].split(shop(), NONE, Cuts(7)) for _ in range(2))
    np.testing.assert_array_equal(first.part, second.part)


def test_protocols_that_know_an_order_never_learn_from_the_future() -> None:
    split = PROTOCOLS["temporal"].split(shop(), NONE, Cuts())
    assert split.train.timestamp_s.max() < split.validation.timestamp_s.min()
    assert split.validation.timestamp_s.max() < split.test.timestamp_s.min()
    for name in ("leave-one-out", "next-basket"):
        split = PROTOCOLS[name].split(shop(), NONE, Cuts())
        last = np.full(30, NO_TIME)
        np.maximum.at(last, split.refit.user_index, split.refit.timestamp_s)
        assert (split.test.timestamp_s >= last[split.test.user_index]).all()


def test_the_next_basket_may_hold_what_was_bought_before_and_is_the_data_sets_own_where_it_has_one() -> None:
    known = shop()
    split = PROTOCOLS["next-basket"].split(known, NONE, Cuts())
    assert pairs(split.test) & pairs(split.refit)
    own = PROTOCOLS["next-basket"].split(known, held_out(), Cuts())
    assert pairs(own.test) == pairs(held_out())
    last = known.basket == known.basket.reshape(30, 12).max(axis=1).repeat(12)
    assert pairs(own.validation) == pairs(known.where(last))
    assert len(own.refit) == len(known)


def test_nothing_is_learned_from_cold_items_until_they_are_asked_for() -> None:
    split = PROTOCOLS["cold"].split(shop(), NONE, Cuts())
    unknown = np.setdiff1d(split.test.item_index, split.refit.item_index)
    assert 1 <= unknown.size <= 4, "a tenth of 40 items"
    assert not np.isin(split.validation.item_index, unknown).any()
    assert np.isin(split.test.item_index, split.refit.item_index).any(), "and known items are asked for beside them"
    until_validation = np.setdiff1d(split.validation.item_index, split.train.item_index)
    assert until_validation.size
    assert np.isin(until_validation, split.refit.item_index).all()


def test_explicit_cuts_are_kept() -> None:
    test_from, validation_from = 1_000_000_000 + 5 * DAY, 1_000_000_000 + 3 * DAY
    split = PROTOCOLS["temporal"].split(shop(), NONE, Cuts(test_from=test_from, validation_from=validation_from))
    assert split.train.timestamp_s.max() < validation_from <= split.validation.timestamp_s.min()
    assert split.test.timestamp_s.min() >= test_from
    assert split.protocol["test_from"] == test_from


def test_the_published_shape_holds_out_a_fifth_and_a_fifth() -> None:
    known = Interactions.of(np.repeat(np.arange(30), 20), np.tile(np.arange(20), 30), num_users=30, num_items=40)
    split = PROTOCOLS["random-80-20"].split(known, NONE, Cuts())
    assert (len(split.train), len(split.validation), len(split.test)) == (360, 120, 120)


def test_only_the_paper_protocol_keeps_validation_from_the_final_models() -> None:
    assert [name for name, protocol in PROTOCOLS.items() if not protocol.refit] == ["leave-one-out"]


def test_the_default_suits_the_data() -> None:
    assert protocol_for(shop(), held_out()) == "fixed-files"
    assert protocol_for(shop(), NONE) == "temporal"
    assert protocol_for(shop(timed=False), NONE) == "random-80-20"
    partly = shop()
    times = partly.timestamp_s.copy()
    times[3] = NO_TIME
    assert protocol_for(dataclasses.replace(partly, timestamp_s=times), NONE) == "random-80-20"


def test_a_protocol_that_the_data_cannot_serve_says_why() -> None:
    with pytest.raises(InputError, match="holdout: true"):
        PROTOCOLS["fixed-files"].split(shop(), NONE, Cuts())
    with pytest.raises(InputError, match="time"):
        PROTOCOLS["temporal"].split(shop(timed=False), NONE, Cuts())
    without_baskets = dataclasses.replace(shop(), basket=np.full(len(shop()), -1, np.int32))
    with pytest.raises(InputError, match="basket"):
        PROTOCOLS["next-basket"].split(without_baskets, NONE, Cuts())


def test_an_unknown_protocol_is_told_the_known_ones() -> None:
    with pytest.raises(InputError, match="leave-one-out-deployed"):
        protocol_named("wishful")
    assert protocol_named("temporal") is PROTOCOLS["temporal"]


def test_data_without_order_is_not_given_the_model_that_lives_by_it_unless_asked() -> None:
    default = ("ease", "sequence")
    assert "sequence" in protocol_named("temporal").models(default)
    for name in ("random-80-20", "lightgcn", "fixed-files"):
        assert protocol_named(name).models(default) == ("ease", "bandfilter")
