"""Splits part interactions without letting the future, or the answer, into what is learned from."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gnn.data import Interactions
from gnn.splits import (
    DROPPED,
    TEST,
    TRAIN,
    UNASKED,
    VALIDATION,
    Split,
    fixed_files,
    leave_one_out,
    next_basket,
    random_per_user,
    temporal_global,
)
from graph.errors import InputError


def interactions(rows: list[tuple[int, int, int]], baskets: list[int] | None = None) -> Interactions:
    """(user, item, time) rows, already in order."""
    users, items, times = np.array(rows, np.int64).reshape(-1, 3).T
    made = Interactions.of(users, items, num_users=6, num_items=10, timestamp_s=times)
    if baskets is None:
        return made
    return Interactions(
        made.user_index,
        made.item_index,
        made.timestamp_s,
        made.weight,
        made.kind,
        np.array(baskets, np.int32),
        made.num_users,
        made.num_items,
    )


events = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 7), st.integers(0, 100)), min_size=1, max_size=80)
"""Items 8 and 9 are left for rows that a test adds itself."""


def pairs(part: Interactions) -> set[tuple[int, int]]:
    return set(zip(part.user_index.tolist(), part.item_index.tolist(), strict=True))


def assert_parts_are_disjoint_and_whole(split: Split) -> None:
    sizes = [len(split.train), len(split.validation), len(split.test)]
    rest = int(np.isin(split.part, [UNASKED, DROPPED]).sum())
    assert sum(sizes) + rest == len(split.interactions)
    assert len(split.refit) == len(split.train) + len(split.validation) + int((split.part == UNASKED).sum())
    assert not pairs(split.train) & pairs(split.validation)
    assert not pairs(split.refit) & pairs(split.test)


def test_temporal_cuts_everyone_at_the_same_moment() -> None:
    known = interactions([(0, 1, 10), (0, 2, 20), (0, 3, 30), (1, 4, 19), (1, 5, 25), (1, 6, 99)])
    split = temporal_global(known, validation_from=20, test_from=30)
    assert pairs(split.train) == {(0, 1), (1, 4)}
    assert pairs(split.validation) == {(0, 2), (1, 5)}
    assert pairs(split.test) == {(0, 3), (1, 6)}
    assert (split.train_until, split.refit_until) == (20, 30)


def test_temporal_asks_only_for_items_that_are_new_to_their_user() -> None:
    known = interactions([(0, 1, 1), (0, 1, 20), (0, 2, 21), (0, 1, 30), (0, 2, 31), (0, 3, 32)])
    split = temporal_global(known, validation_from=20, test_from=30)
    assert split.part.tolist() == [TRAIN, UNASKED, VALIDATION, DROPPED, DROPPED, TEST]
    everything = temporal_global(known, validation_from=20, test_from=30, new_items_only=False)
    assert everything.part.tolist() == [TRAIN, VALIDATION, VALIDATION, TEST, TEST, TEST]


@settings(max_examples=80, deadline=None)
@given(rows=events)
def test_temporal_never_learns_from_the_future(rows: list[tuple[int, int, int]]) -> None:
    rows = [*rows, (0, 0, -1), (5, 7, -1), (5, 9, 101), (5, 8, 102)]
    split = temporal_global(interactions(rows), validation_from=50, test_from=80)
    assert split.train.timestamp_s.max() < 50 <= split.validation.timestamp_s.min(initial=50)
    assert split.refit.timestamp_s.max() < 80 <= split.test.timestamp_s.min()
    assert split.train.until(split.train_until).user_index.size == len(split.train)
    assert_parts_are_disjoint_and_whole(split)


def test_temporal_shares_are_of_all_interactions() -> None:
    known = interactions([(user % 6, user % 10, user) for user in range(100)])
    split = temporal_global(known, test_share=0.2, validation_share=0.1, new_items_only=False)
    assert (len(split.train), len(split.validation), len(split.test)) == (70, 10, 20)


def test_temporal_refuses_missing_times_and_empty_parts() -> None:
    timeless = Interactions.of([0, 1], [1, 2], num_users=2, num_items=3)
    with pytest.raises(InputError, match=r"2 of 2 without one.*leave_one_out"):
        temporal_global(timeless)
    known = interactions([(0, 1, 10), (0, 2, 20)])
    with pytest.raises(InputError, match="between 10 and 20"):
        temporal_global(known, validation_from=21, test_from=22)


def test_leave_one_out_takes_the_last_two() -> None:
    known = interactions([(0, 1, 1), (0, 2, 2), (0, 3, 3), (0, 4, 3), (1, 1, 1), (1, 2, 2), (2, 7, 1)])
    split = leave_one_out(known)
    assert pairs(split.test) == {(0, 4)}
    assert pairs(split.validation) == {(0, 3)}
    assert pairs(split.train) == {(0, 1), (0, 2), (1, 1), (1, 2), (2, 7)}


@settings(max_examples=80, deadline=None)
@given(rows=events)
def test_leave_one_out_holds_out_at_most_one_unknown_item_each(rows: list[tuple[int, int, int]]) -> None:
    split = leave_one_out(interactions(rows))
    assert_parts_are_disjoint_and_whole(split)
    for part in (split.validation, split.test):
        assert np.unique(part.user_index).size == len(part)
    for user in split.test.user_index.tolist():
        mine = split.test.user_index == user
        assert split.test.timestamp_s[mine][0] >= split.refit.timestamp_s[split.refit.user_index == user].max()


@settings(max_examples=60, deadline=None)
@given(rows=events, share=st.sampled_from([0.0, 0.2, 0.5, 0.9]), seed=st.integers(0, 5))
def test_random_per_user_keeps_pairs_together_and_leaves_something(
    rows: list[tuple[int, int, int]], share: float, seed: int
) -> None:
    known = interactions(rows)
    split = random_per_user(known, test_share=share, validation_share=0.25, seed=seed)
    assert_parts_are_disjoint_and_whole(split)
    assert not np.isin(split.part, [UNASKED, DROPPED]).any()
    for user in np.unique(known.user_index).tolist():
        items = {item for who, item in pairs(known) if who == user}
        held = {item for who, item in pairs(split.test) if who == user}
        assert len(held) == min(round(share * len(items)), len(items) - 1)
        assert any(who == user for who, _ in pairs(split.train))


def test_random_test_does_not_depend_on_the_validation_share() -> None:
    rng = np.random.default_rng(0)
    known = Interactions.of(rng.integers(0, 6, 200), rng.integers(0, 10, 200), num_users=6, num_items=10)
    first = random_per_user(known, validation_share=0.0)
    second = random_per_user(known, validation_share=0.5)
    assert pairs(first.test) == pairs(second.test)
    assert pairs(first.test) != pairs(random_per_user(known, seed=1).test)


def test_fixed_files_carve_validation_from_the_training_file_only() -> None:
    train = interactions([(0, item, 0) for item in range(8)] + [(1, 3, 0)])
    holdout = interactions([(0, 8, 0), (1, 9, 0)])
    split = fixed_files(train, holdout, validation_share=0.25)
    assert pairs(split.test) == pairs(holdout)
    assert pairs(split.refit) == pairs(train)
    assert len(split.validation) == 2
    assert_parts_are_disjoint_and_whole(split)
    last = fixed_files(train, holdout, validation="last")
    assert pairs(last.validation) == {(0, 7)}
    np.testing.assert_array_equal(last.refit.item_index, train.item_index)


def two_kinds(users: int = 400, of_each: int = 4, items_of_a_kind: int = 12) -> Interactions:
    """Half of what each user chose is of one kind, half of the other; who chooses what within a kind is chance."""
    rng = np.random.default_rng(3)
    items = np.concatenate(
        [kind * items_of_a_kind + rng.permutation(items_of_a_kind)[:of_each] for _ in range(users) for kind in (0, 1)]
    )
    people = np.repeat(np.arange(users), 2 * of_each)
    # Those who know one kind only tell the kinds apart.
    fans = np.repeat(np.arange(users, users + 400), items_of_a_kind)
    theirs = np.tile(np.arange(2 * items_of_a_kind), 200)
    size = {"num_users": users + 400, "num_items": 2 * items_of_a_kind}
    return Interactions.of(np.concatenate([people, fans]), np.concatenate([items, theirs]), **size)


def test_blocks_hold_back_items_that_belong_together_from_half_of_the_users() -> None:
    known = two_kinds()
    nothing = Interactions.of([], [], num_users=known.num_users, num_items=known.num_items)

    def of_one_kind(validation: Interactions) -> float:
        kind = (validation.item_index >= 12)[validation.user_index < 400].reshape(400, -1)
        return float((kind.all(axis=1) | ~kind.any(axis=1)).mean())

    split = fixed_files(known, nothing, validation="blocks", validation_share=0.25)
    by_chance = fixed_files(known, nothing, validation="random", validation_share=0.25)
    assert_parts_are_disjoint_and_whole(split)
    assert np.array_equal(*(np.bincount(each.validation.user_index) for each in (split, by_chance)))
    assert 0.3 < of_one_kind(by_chance.validation) < 0.55  # three of the seven others are of the kind of the first
    assert 0.6 < of_one_kind(split.validation) < 0.85
    assert of_one_kind(split.redrawn(1).validation) > 0.6
    again = fixed_files(known, nothing, validation="blocks", validation_share=0.25)
    assert pairs(again.validation) == pairs(split.validation) != pairs(split.redrawn(1).validation)


@settings(max_examples=30, deadline=None)
@given(events)
def test_blocks_leave_every_user_something_to_learn_from(rows: list[tuple[int, int, int]]) -> None:
    known = interactions(rows)
    split = fixed_files(known, interactions([]), validation="blocks", validation_share=0.4)
    assert_parts_are_disjoint_and_whole(split)
    assert set(split.train.user_index.tolist()) == set(known.user_index.tolist())


def test_fixed_files_must_speak_of_the_same_world() -> None:
    other = Interactions.of([0], [0], num_users=1, num_items=1)
    with pytest.raises(InputError, match="same users and items"):
        fixed_files(interactions([(0, 1, 0)]), other)


def test_fixed_files_keep_kinds_and_baskets_apart() -> None:
    train = interactions([(0, 1, 0), (0, 2, 0)], baskets=[0, 1])
    holdout = interactions([(0, 3, 0)], baskets=[0])
    merged = fixed_files(train, holdout, validation_share=0).interactions
    assert merged.basket.tolist() == [0, 1, 2]


def test_next_basket_takes_the_last_two_baskets() -> None:
    known = interactions(
        [(0, 1, 1), (0, 2, 1), (0, 1, 5), (0, 4, 5), (0, 2, 9), (0, 5, 9), (1, 1, 1), (1, 2, 2)],
        baskets=[7, 7, 3, 3, 9, 9, 1, 2],
    )
    split = next_basket(known)
    assert split.part.tolist() == [TRAIN, TRAIN, VALIDATION, VALIDATION, TEST, TEST, TRAIN, TRAIN]
    new = next_basket(known, new_items_only=True)
    assert new.part.tolist() == [TRAIN, TRAIN, UNASKED, VALIDATION, DROPPED, TEST, TRAIN, TRAIN]


def test_next_basket_needs_baskets() -> None:
    with pytest.raises(InputError, match=r"1 of 1 without one.*qualifier"):
        next_basket(interactions([(0, 1, 1)]))


def test_a_split_says_what_models_may_look_at() -> None:
    known = interactions([(0, item, item) for item in range(10)])
    split = leave_one_out(known)
    selecting, final = split.training_data(seed=3), split.refit_data(seed=3)
    assert (len(selecting.train), selecting.validation is split.validation, selecting.seed) == (8, True, 3)
    assert (len(final.train), final.validation) == (9, None)


def test_a_given_test_cut_leaves_room_for_validation_before_it() -> None:
    interactions = Interactions.of(
        np.tile(np.arange(20), 10), np.repeat(np.arange(10), 20), num_users=20, num_items=10, timestamp_s=np.arange(200)
    )
    split = temporal_global(interactions, test_from=80)
    assert split.refit.timestamp_s.max() == 79
    assert 7 <= len(split.validation) <= 11
    assert split.train_until is not None
    assert split.train.timestamp_s.max() < split.train_until < 80


def test_a_temporal_split_asks_nothing_about_newcomers() -> None:
    interactions = Interactions.of(
        [0, 0, 0, 1, 1, 2, 0], [0, 1, 2, 3, 4, 5, 6], num_users=3, num_items=7, timestamp_s=[1, 2, 7, 5, 8, 9, 6]
    )
    split = temporal_global(interactions, validation_from=5, test_from=7)
    assert split.validation.user_index.tolist() == [0]
    assert sorted(split.test.user_index.tolist()) == [0, 1]
    assert 3 in split.refit.item_index
    everyone = temporal_global(interactions, validation_from=5, test_from=7, known_users_only=False)
    assert sorted(everyone.validation.user_index.tolist()) == [0, 1]
    assert sorted(everyone.test.user_index.tolist()) == [0, 1, 2]
