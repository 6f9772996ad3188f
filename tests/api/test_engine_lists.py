"""Related items and trending items: known answers, and naive twins."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api.engine import RelatedKind, window_seconds
from api.engine.related.activity import Activity
from api.engine.related.baskets import DAMPING, MIN_SESSION_SHARE, SESSION_GAP_S, Baskets, basket_numbers, with_company
from api.engine.related.trending import trending_scores
from gnn.data import NO_TIME
from graph.errors import InputError, NotFound
from graph.records import DeleteEdges, UpsertEdges
from tests.api.corner_shop import DAY_S, PRODUCTS, PURCHASED, START_S, VIEWED, Shop


def test_similar_things_and_things_bought_together_are_different_lists(still_shop: Shop) -> None:
    similar = still_shop.engine.related("cup", "similar", 2)
    together = still_shop.engine.related("cup", "bought_together", 2)
    assert similar.item_ids[0] == "mug", "the other mug-like thing of the same brand"
    assert together.item_ids == ["pot", "saucer"]
    assert together.items[0].sources == ("baskets",)


def test_an_item_is_not_related_to_itself(still_shop: Shop) -> None:
    for kind in get_args(RelatedKind):
        answer = still_shop.engine.related("cup", kind, 50)
        assert "cup" not in answer.item_ids
        others = {name for name in PRODUCTS if name != "cup"}
        if kind == "cross_category":
            others -= {"saucer", "mug", "pot"}
        assert set(answer.item_ids) == others


def test_a_short_list_is_filled_up_and_says_so(still_shop: Shop) -> None:
    assert still_shop.engine.related("cup", "bought_together", 2).fallback_used is None
    assert still_shop.engine.related("cup", "bought_together", 4).fallback_used == "similar"
    assert still_shop.engine.related("cup", "bought_together", 12).fallback_used == "popularity"
    scores = [item.score for item in still_shop.engine.related("cup", "bought_together", 12).items]
    assert scores == sorted(scores, reverse=True)


def test_an_item_nobody_knows_anything_of_gets_popular_company(still_shop: Shop) -> None:
    answer = still_shop.engine.related("lonely", n=3)
    assert answer.fallback_used == "popularity"
    assert answer.item_ids[0] == "tea"


def test_an_unknown_item_is_not_found(still_shop: Shop) -> None:
    with pytest.raises(NotFound, match="no such item"):
        still_shop.engine.related("no such thing")


def test_kinds_that_are_not_served_are_refused_by_name(still_shop: Shop) -> None:
    with pytest.raises(InputError, match="similar or complementary or bought_together or cross_category"):
        still_shop.engine.related("cup", "opposite")  # type: ignore[arg-type]


def test_purchases_since_the_release_count_as_bought_together(shop: Shop) -> None:
    before = shop.engine.related("cup", "bought_together", 12).item_ids
    for number in range(5):
        shop.buy(f"new{number}", "cup", "duck", event="invoice")
    after = shop.engine.related("cup", "bought_together", 12).item_ids
    assert after.index("duck") < before.index("duck")
    assert after[:3].count("duck") == 1


def test_events_of_one_visit_are_a_basket_though_each_has_its_own_id(shop: Shop) -> None:
    for number in range(5):
        for at, product in enumerate(("cup", "duck")):
            shop.write(
                UpsertEdges(
                    PURCHASED, [f"visitor{number}"], [product],
                    timestamp_ms=[(START_S + 80 * DAY_S + at * 60) * 1000],
                    qualifiers=[f"event-{number}-{at}"], create_missing=True,
                )
            )  # fmt: skip
    assert "duck" in shop.engine.related("cup", "bought_together", 3).item_ids


def test_trending_follows_the_newest_events(shop: Shop) -> None:
    for number in range(4):
        shop.write(
            UpsertEdges(
                VIEWED, [f"fan{number}"], ["lonely"], timestamp_ms=[(START_S + 90 * DAY_S) * 1000], create_missing=True
            )
        )
    answer = shop.engine.trending("1d", 3)
    assert answer.item_ids[0] == "lonely"
    assert answer.items[0].sources == ("trending",)
    assert answer.fallback_used == "popularity", "only one item was chosen that day"


def test_one_eager_customer_does_not_make_a_trend(shop: Shop) -> None:
    when = (START_S + 90 * DAY_S) * 1000
    shop.write(
        UpsertEdges(
            VIEWED, ["eager"] * 50, ["duck"] * 50,
            timestamp_ms=[when + at for at in range(50)], qualifiers=[str(at) for at in range(50)], create_missing=True,
        ),
        UpsertEdges(VIEWED, ["one", "two"], ["soap"] * 2, timestamp_ms=[when] * 2, create_missing=True),
    )  # fmt: skip
    assert shop.engine.trending("1d", 2).item_ids == ["soap", "duck"]


def test_events_from_the_future_do_not_move_the_window(shop: Shop) -> None:
    before = shop.engine.trending("7d", 5).item_ids
    shop.write(UpsertEdges(VIEWED, ["t01"], ["lonely"], timestamp_ms=[7_000_000_000_000]))
    assert shop.engine.trending("7d", 5).item_ids == before


def test_an_event_taken_back_no_longer_trends(shop: Shop) -> None:
    newest = shop.engine.trending("1d", 1).item_ids
    customers = [f"{group}19" for group in "tb"]
    products = [["pot"], ["shampoo"]]
    assert newest[0] in ("pot", "shampoo")
    for customer, [product] in zip(customers, products, strict=True):
        shop.write(DeleteEdges(PURCHASED, [customer], [product]))
    assert set(shop.engine.trending("1d", 2).item_ids).isdisjoint({"pot", "shampoo"})


@pytest.mark.parametrize(("text", "seconds"), [("30m", 1800), ("24h", 86_400), ("7d", 604_800), ("2w", 1_209_600)])
def test_windows_are_read(text: str, seconds: int) -> None:
    assert window_seconds(text) == seconds


@pytest.mark.parametrize("text", ["", "7", "d", "-1d", "0d", "1y", "1.5h", "٣d", "999999d", "7d "])
def test_windows_that_mean_nothing_are_refused(text: str) -> None:
    with pytest.raises(InputError, match="7d"):
        window_seconds(text)


NUM_ITEMS = 6
EVENTS = st.lists(
    st.tuples(
        st.integers(0, 4),
        st.integers(0, NUM_ITEMS - 1),
        st.one_of(st.just(NO_TIME), st.integers(0, 5).map(lambda hours: hours * 3 * 3_600)),
        st.integers(-1, 3),
    ),
    max_size=40,
)


def activity_of(events: list[tuple[int, int, int, int]]) -> Activity:
    columns = np.array(events, np.int64).reshape(-1, 4)
    users, items, baskets = (columns[:, at].astype(np.int32) for at in (0, 1, 3))
    return Activity(users, items, columns[:, 2], baskets)


@settings(deadline=None, max_examples=60)
@given(EVENTS, st.integers(1, 20), st.integers(0, 16))
def test_trending_counts_like_its_naive_twin(events: list[tuple[int, int, int, int]], hours: int, now: int) -> None:
    window_s, now_s = hours * 3_600, now * 3_600
    past = [event for event in events if event[2] != NO_TIME and event[2] <= now_s]
    expected = np.zeros(NUM_ITEMS)
    if past:
        newest = max(time for _, _, time, _ in past)
        latest: dict[tuple[int, int], int] = {}
        for user, item, time, _ in past:
            if time > newest - window_s:
                latest[user, item] = max(time, latest.get((user, item), 0))
        for (_, item), time in latest.items():
            expected[item] += 0.5 ** ((newest - time) / (window_s / 2))
    found = trending_scores(activity_of(events).by_time(), window_s, NUM_ITEMS, now_s=now_s)
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def naive_baskets(events: list[tuple[int, int, int, int]]) -> list[frozenset[int]]:
    by_invoice: dict[tuple[int, int], set[int]] = defaultdict(set)
    for user, item, _, basket in events:
        if basket >= 0:
            by_invoice[user, basket].add(item)
    invoices = [frozenset(items) for items in by_invoice.values() if len(items) > 1]
    loose: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for user, item, time, basket in events:
        if basket < 0 or len(by_invoice[user, basket]) < 2:
            loose[user].append((time, item))
    sessions: list[list[int]] = []
    for rows in loose.values():
        rows.sort()
        before = None
        for time, item in rows:
            apart = before is None or (before == NO_TIME) != (time == NO_TIME) or time - before > SESSION_GAP_S
            if apart:
                sessions.append([])
            sessions[-1].append(item)
            before = time
    num_rows = sum(map(len, sessions))
    in_company = sum(len(session) for session in sessions if len(set(session)) > 1)
    if not invoices and num_rows and in_company / num_rows < MIN_SESSION_SHARE:
        return [frozenset(item for _, item in rows) for rows in loose.values()]
    return invoices + [frozenset(session) for session in sessions]


@settings(deadline=None, max_examples=100)
@given(EVENTS)
def test_baskets_and_their_scores_are_those_of_the_naive_twin(events: list[tuple[int, int, int, int]]) -> None:
    baskets = Baskets.of(activity_of(events), NUM_ITEMS)
    naive = naive_baskets(events)
    rows = [frozenset(baskets.items.indices[start:stop]) for start, stop in zip(
        baskets.items.indptr[:-1], baskets.items.indptr[1:], strict=True)]  # fmt: skip
    assert Counter(rows) == Counter(naive)
    alone = Counter(item for basket in naive for item in basket)
    for item in range(NUM_ITEMS):
        together = Counter(other for basket in naive if item in basket for other in basket if other != item)
        assert baskets.together(item).tolist() == [together[other] for other in range(NUM_ITEMS)]
        expected = [
            count / (alone[item] * alone[other] ** DAMPING) if count else 0.0
            for other in range(NUM_ITEMS)
            for count in [together[other]]
        ]
        np.testing.assert_allclose(baskets.scores(item), expected, rtol=1e-5)


@settings(deadline=None, max_examples=40)
@given(EVENTS, EVENTS)
def test_later_baskets_are_counted_beside_the_earlier_ones(
    early: list[tuple[int, int, int, int]], late: list[tuple[int, int, int, int]]
) -> None:
    first, second = (Baskets.of(activity_of(events), NUM_ITEMS) for events in (early, late))
    both = first.with_later(second)
    for item in range(NUM_ITEMS):
        assert (both.together(item) == first.together(item) + second.together(item)).all()
    grown = first.grown(NUM_ITEMS + 2)
    assert grown.together(NUM_ITEMS + 1).tolist() == [0] * (NUM_ITEMS + 2)


def test_every_event_belongs_to_one_basket() -> None:
    activity = activity_of([(0, 1, 5, 2), (0, 2, 9, 2), (0, 3, 9, -1), (1, 3, NO_TIME, 2)])
    numbers = basket_numbers(activity, with_company(activity))
    assert numbers[0] == numbers[1]
    assert len(set(numbers.tolist())) == 3
