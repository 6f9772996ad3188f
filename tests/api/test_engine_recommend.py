"""Recommendations in a shop whose right answers are known."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from api.engine import Event, Policy, Request, Steering
from gnn.data.knowledge import interactions_from
from graph.errors import InputError
from tests.api.corner_shop import BATH, PRODUCTS, TEA, Shop, catalogue, invoice, open_shop


@pytest.fixture
def shop(still_shop: Shop) -> Shop:
    return still_shop


def test_a_tea_drinker_gets_tea_things_first(shop: Shop) -> None:
    bought = set(shop.engine.recommend(Request("t05", n=13)).item_ids)
    assert set(TEA) - bought == {"tea", "pot", "cup"}, "seen items are left out"
    assert set(shop.engine.recommend(Request("t05", n=2)).item_ids) == {"saucer", "biscuit"}


def test_k_asked_is_k_returned_while_items_are_left(shop: Shop) -> None:
    answer = shop.engine.recommend(Request("t05", n=10))
    assert len(answer.items) == 10
    assert [item.rank for item in answer.items] == list(range(1, 11))
    assert len(shop.engine.recommend(Request("t05", n=500)).items) == len(PRODUCTS) - 3


def test_scores_fall_with_rank(shop: Shop) -> None:
    scores = [item.score for item in shop.engine.recommend(Request("t05", n=13)).items]
    assert scores == sorted(scores, reverse=True)


def test_an_unknown_user_gets_popular_items_as_a_newcomer(shop: Shop) -> None:
    answer = shop.engine.recommend(Request("stranger", n=3))
    assert answer.fallback_used == "popularity"
    assert answer.unknown_ids == ("stranger",)
    assert answer.item_ids[:2] == ["tea", "soap"]
    assert answer.items[0].sources == ("popularity",)


def test_no_user_at_all_is_no_unknown_id(shop: Shop) -> None:
    answer = shop.engine.recommend(Request(n=3))
    assert (answer.unknown_ids, answer.fallback_used) == ((), "popularity")


def test_the_events_of_a_session_make_a_history(shop: Shop) -> None:
    answer = shop.engine.recommend(Request(events=(Event("soap"), Event("no such item")), n=3))
    assert answer.fallback_used is None
    assert answer.unknown_ids == ("no such item",)
    assert set(answer.item_ids) <= set(BATH) - {"soap"}


def test_events_are_read_in_the_order_of_their_times(shop: Shop) -> None:
    late_first = (Event("soap", timestamp_s=2_000_000_000), Event("tea", timestamp_s=1_900_000_000))
    in_order = (Event("tea"), Event("soap"))
    assert (
        shop.engine.recommend(Request(events=late_first)).item_ids
        == shop.engine.recommend(Request(events=in_order)).item_ids
    )


def test_an_event_that_speaks_against_an_item_only_hides_it(shop: Shop) -> None:
    plain = shop.engine.recommend(Request("t05", n=13)).item_ids
    returned = shop.engine.recommend(Request("t05", events=(Event("saucer", "return"),), n=13)).item_ids
    assert returned == [item for item in plain if item != "saucer"]


def test_items_of_the_cart_speak_and_are_never_recommended(shop: Shop) -> None:
    answer = shop.engine.recommend(Request(items=("soap", "towel"), n=2, repeat=True))
    assert set(answer.item_ids) <= set(BATH) - {"soap", "towel"}


def test_excluded_items_are_not_shown(shop: Shop) -> None:
    answer = shop.engine.recommend(Request("t05", exclude=("saucer", "unheard of"), n=13))
    assert "saucer" not in answer.item_ids
    assert answer.unknown_ids == ("unheard of",)


def test_what_a_user_returned_counts_as_seen(shop: Shop) -> None:
    assert "saucer" not in shop.engine.recommend(Request("t00", n=13)).item_ids


def test_held_out_interactions_are_neither_history_nor_seen(shop: Shop) -> None:
    assert "duck" in shop.engine.recommend(Request("t00", n=13)).item_ids


def test_where_people_buy_again_seen_items_come_back(shop: Shop) -> None:
    groceries = shop.fresh_engine(policy=Policy(repeat=True))
    assert set(groceries.recommend(Request("t05", n=13)).item_ids) == set(PRODUCTS)
    assert "tea" not in groceries.recommend(Request("t05", n=13, repeat=False)).item_ids


def test_a_filter_keeps_items_out_and_the_list_full(shop: Shop) -> None:
    steering = Steering(filter='item_id in ("saucer", "towel", "lonely")')
    answer = shop.engine.recommend(Request("t05", n=3, steering=steering))
    assert set(answer.item_ids) == {"saucer", "towel", "lonely"}


@pytest.mark.parametrize("n", [0, -1, 501])
def test_a_list_length_out_of_range_is_refused(n: int) -> None:
    with pytest.raises(InputError, match="1 to 500"):
        Request(n=n)


def test_the_same_request_gets_the_same_answer(shop: Shop) -> None:
    request = Request("b03", n=13, reasons=True)
    first = shop.engine.recommend(request)
    assert shop.engine.recommend(request) == first
    assert shop.fresh_engine().recommend(request) == first


def test_recommendations_and_rank_give_the_same_ids_one_by_one_and_in_a_block(shop: Shop) -> None:
    users = [f"{group}{number:02}" for group in "tb" for number in range(20)]
    histories = shop.engine.histories(users)
    block = shop.engine.rank(histories, 13)
    for row, user in enumerate(users):
        alone = shop.engine.rank(histories.take([row]), 13)[0]
        assert alone.tolist() == block[row].tolist()
        if user == "t00":
            continue  # he returned a saucer, which only the shop's front hides
        names = [shop.view.id_of("Product", index) for index in block[row] if index >= 0]
        assert names == shop.engine.recommend(Request(user, n=13)).item_ids


def test_rank_marks_what_cannot_be_ranked(shop: Shop) -> None:
    block = shop.engine.rank(shop.engine.histories(["t05", "stranger"]), 20)
    assert (block[0] >= 0).sum() == len(PRODUCTS) - 3
    assert (block[1] >= 0).sum() == len(PRODUCTS)


def test_many_threads_get_the_answers_of_one(shop: Shop) -> None:
    users = [f"t{number:02}" for number in range(20)]
    alone = [shop.engine.recommend(Request(user, reasons=True)) for user in users]
    with ThreadPoolExecutor(4) as threads:
        together = list(threads.map(lambda user: shop.engine.recommend(Request(user, reasons=True)), users))
    assert together == alone


def test_a_released_engine_answers_like_the_one_it_was_made_from(shop: Shop, tmp_path: Path) -> None:
    released = shop.released(tmp_path / "releases")
    for user in ("t05", "b03", "stranger"):
        ours = shop.engine.recommend(Request(user, n=13, reasons=True))
        theirs = released.recommend(Request(user, n=13, reasons=True))
        assert theirs.items == ours.items
    assert theirs.release_id == released.release_id
    assert theirs.trained_at == "2026-01-02T00:00:00+00:00"


def test_evaluation_notebook_and_api_give_the_same_ids_for_two_hundred_users(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    purchases = [
        invoice(f"u{user:03}", [f"product-{item}" for item in rng.integers(0, 60, 4)], int(day), f"{user}-{day}")
        for user in range(200)
        for day in rng.integers(0, 30, 2)
    ]
    world = open_shop(tmp_path, [*catalogue(), *purchases])
    users = world.snapshot.nodes("Customer").ids()
    learned = interactions_from(world.snapshot).histories()
    now = world.engine.histories(users)
    assert (now.item_index == learned.item_index).all()
    assert (now.indptr == learned.indptr).all()
    measured = world.engine.rank(learned, 10)
    for row, user in enumerate(users):
        asked = [item.item_index for item in world.engine.recommend(Request(user)).items]
        assert asked == measured[row].tolist()
    assert len(users) == 200
