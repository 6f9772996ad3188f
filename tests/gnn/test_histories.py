"""Histories: times and kinds stay with their events, and the time between events comes in buckets."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from gnn.data import Interactions
from gnn.data.histories import NO_KIND, NO_TIME, Histories, History
from gnn.operators.gaps import gap_buckets, known_times, num_gap_buckets

KINDS = ("view", "purchase")
JULY_S = 1_720_000_000
YEAR_S = 365 * 86_400


def some_histories() -> Histories:
    first = History.of([3, 1, 3], [JULY_S, JULY_S + 5, NO_TIME], [0, 1, NO_KIND], KINDS)
    return Histories.over([first, History.of([]), History.of([2])], 4, [7, -1, 8])


def test_every_event_keeps_its_time_and_its_kind() -> None:
    block = some_histories()
    assert block.kinds == KINDS
    turned = block.take([2, 0])
    assert turned.user_index.tolist() == [8, 7]
    assert turned.item_index.tolist() == [2, 3, 1, 3]
    assert turned.timestamp_s.tolist() == [NO_TIME, JULY_S, JULY_S + 5, NO_TIME]
    assert turned.kind.tolist() == [NO_KIND, 0, 1, NO_KIND]
    few = block.among(3)
    assert few.indptr.tolist() == [0, 1, 1, 2]
    assert (few.timestamp_s.tolist(), few.kind.tolist()) == ([JULY_S + 5, NO_TIME], [1, NO_KIND])
    assert few.at_size(9).num_items == 9
    assert few.at_size(9).kind.tolist() == few.kind.tolist()


def test_one_history_follows_another_and_can_lose_events() -> None:
    earlier = History.of([5])
    whole = earlier.then(History.of([6, 7], [JULY_S, JULY_S], [1, 0], KINDS))
    assert whole.kinds == KINDS
    left = whole.where(whole.item_index != 6)
    assert (left.item_index.tolist(), left.timestamp_s.tolist(), left.kind.tolist()) == (
        [5, 7], [NO_TIME, JULY_S], [NO_KIND, 0],
    )  # fmt: skip


def test_kinds_are_told_apart_by_name() -> None:
    block = some_histories()
    assert block.kind_among(("purchase", "cart", "view")).tolist() == [2, 0, 3, 3]
    assert block.kind_among(("purchase",)).tolist() == [1, 0, 1, 1]


def test_interactions_hand_their_kinds_to_histories() -> None:
    train = Interactions.of([1, 0, 1], [2, 1, 0], num_users=3, num_items=3, timestamp_s=[JULY_S, JULY_S, JULY_S - 1])
    histories = train.histories()
    assert histories.kinds == ("interaction",)
    assert histories.kind_among(("interaction",)).tolist() == [0, 0, 0]
    assert histories.take([1]).timestamp_s.tolist() == [JULY_S - 1, JULY_S]


def naive_bucket(gap_s: int) -> int:
    """The bucket by counting: within a minute 0, then each twice as wide."""
    bucket, upper = 0, 60
    while gap_s >= upper:
        bucket += 1
        upper = 60 * (2 ** (bucket + 1) - 1)
    return bucket


times = st.one_of(st.just(NO_TIME), st.integers(0, 50), st.integers(YEAR_S, 2**33))


@given(st.lists(times, min_size=1, max_size=6), st.integers(1, 6), st.integers(1, 30))
def test_gaps_are_those_of_the_naive_count(row: list[int], asking: int, num_buckets: int) -> None:
    asking = min(asking, len(row))
    got = gap_buckets(np.array([row]), asking, num_buckets)[0]
    for ask in range(asking):
        for read, time in enumerate(row):
            until = row[len(row) - asking + ask]
            known = time >= YEAR_S and until >= YEAR_S
            expected = min(naive_bucket(max(until - time, 0)), num_buckets - 1) if known else num_buckets
            assert got[ask, read] == expected


@given(st.lists(st.lists(times, max_size=5), max_size=4))
def test_there_are_buckets_for_every_gap_within_a_history(rows: list[list[int]]) -> None:
    rows = [sorted(row) for row in rows]
    histories = Histories.over([History.of([0] * len(row), row) for row in rows], 1)
    known = [[time for time in row if time >= YEAR_S] for row in rows]
    gaps = [naive_bucket(row[-1] - row[0]) + 1 for row in known if len(row) > 1]
    assert num_gap_buckets(histories) == max(gaps, default=0)


def test_order_numbers_are_no_times() -> None:
    assert not known_times(np.array([NO_TIME, 0, 1, 50, 10_000])).any()
    assert known_times(np.array([YEAR_S, JULY_S])).all()
