"""Steering in the engine: filters never broken, lists full, boosts exact, rules in force, variety by its formula."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from api.engine import Engine, Interest, Request, Rules, Steering
from api.engine.filters import FilterError
from api.engine.lists.likeness import likeness
from api.engine.steering import (
    NO_RULES,
    Boost,
    Calibration,
    Cap,
    Context,
    Freshness,
    Hide,
    Pin,
    Promotion,
    Rotation,
    Scenario,
    When,
)
from api.engine.steering.choosing import Mix, Quota, choose
from api.engine.steering.grouping import Grouping, Groups
from gnn.fusion import FusedRanker
from graph.records import DeleteNodes, UpsertEdges, UpsertNodes
from graph.schema import EdgeType
from graph.view import GraphView
from tests.api.corner_shop import BATH, BRANDS, CATEGORIES, DAY_S, PRODUCTS, TEA, Shop

IN_CATEGORY: EdgeType = ("Product", "IN_CATEGORY", "Category")
ORDERS = ("t05", "b03", "both", "stranger")


def ids(shop: Shop, user: str = "t05", n: int = 13, *, repeat: bool = True, **steering) -> list[str]:
    return shop.engine.recommend(Request(user, n=n, repeat=repeat, steering=Steering(**steering))).item_ids


def governed(shop: Shop, rules: Rules) -> Engine:
    """An engine over the same shop with rules in force."""
    return Engine(
        GraphView(shop.snapshot, shop.overlay),
        FusedRanker(shop.operators, shop.weights),
        overlay=shop.overlay,
        rules=lambda: rules,
        clock=lambda: shop.now_s,
    )


FILTERS = {
    'brand = "nivea"': {name for name in PRODUCTS if BRANDS.get(name) == "nivea"},
    'category under "Crockery"': {name for name in PRODUCTS if CATEGORIES.get(name) == "Crockery"},
    "not exists category": {name for name in PRODUCTS if name not in CATEGORIES},
    'item_id = "lonely"': {"lonely"},
    'item_id = "none"': set(),
}


@pytest.mark.parametrize("text", FILTERS)
@pytest.mark.parametrize("user", ORDERS)
def test_a_filter_is_never_broken_and_k_are_returned_whenever_k_pass(still_shop: Shop, text: str, user: str) -> None:
    passing = FILTERS[text]
    answers = [
        *(ids(still_shop, user, n, filter=text) for n in (1, 3, 13)),
        still_shop.engine.related("tea", "similar", 13, steering=Steering(filter=text)).item_ids,
        still_shop.engine.trending("52w", 13, steering=Steering(filter=text)).item_ids,
    ]
    for n, answer in zip((1, 3, 13, 13, 13), answers, strict=True):
        expected = passing - {"tea"} if answer is answers[3] else passing
        assert set(answer) <= expected
        assert len(answer) == min(n, len(expected))


@pytest.mark.parametrize("kind", ["similar", "complementary", "bought_together", "cross_category"])
def test_a_strict_list_holds_only_what_something_speaks_for(still_shop: Shop, kind: str) -> None:
    full = still_shop.engine.related("soap", kind, 12)
    strict = still_shop.engine.related("soap", kind, 12, steering=Steering(strict=True))
    assert strict.item_ids == [item.item_id for item in full.items if item.sources != ("popularity",)]
    assert strict.fallback_used != "popularity"


def test_without_strict_a_list_is_filled_up_by_popularity_within_the_filter(still_shop: Shop) -> None:
    text = 'item_id in ("lonely", "soap", "mug")'
    assert set(ids(still_shop, "stranger", filter=text)) == {"lonely", "soap", "mug"}
    assert ids(still_shop, "stranger", filter=text, strict=True) == []


def test_the_order_within_a_filter_is_the_order_without_it(still_shop: Shop) -> None:
    everything = ids(still_shop)
    for text, passing in FILTERS.items():
        assert ids(still_shop, filter=text) == [item for item in everything if item in passing]


def test_a_boost_multiplies_an_items_odds_and_a_bury_divides_them(still_shop: Shop) -> None:
    plain = still_shop.engine.recommend(Request("t05", n=13, repeat=True)).items
    fused = {item.item_id: item.score for item in plain if item.sources != ("popularity",)}
    for factor in (3.0, 0.2):
        boost = Boost(filter='category = "Food"', factor=factor)
        answer = still_shop.engine.recommend(Request("t05", n=13, repeat=True, steering=Steering(boosts=(boost,))))
        for item in answer.items:
            if item.item_id in fused:
                expected = fused[item.item_id] + (np.log(factor) if CATEGORIES.get(item.item_id) == "Food" else 0.0)
                assert item.score == pytest.approx(expected, abs=1e-4)


def test_boosts_weigh_related_and_popular_items_too(still_shop: Shop) -> None:
    boost = (Boost(filter='item_id = "lonely"', factor=100.0),)
    assert still_shop.engine.recommend(Request("stranger", n=13)).item_ids[-1] == "lonely"
    target = still_shop.engine.related("tea", n=2).item_ids[1]
    lifted = still_shop.engine.related(
        "tea", n=1, steering=Steering(boosts=(Boost(filter=f'item_id = "{target}"', factor=50.0),))
    )
    assert lifted.item_ids == [target]
    assert ids(still_shop, "stranger", boosts=boost)[:13] != ids(still_shop, "stranger")


def test_a_pin_takes_its_rank_whatever_was_seen_but_never_breaks_the_filter(still_shop: Shop) -> None:
    pin = Pin(item_id="pot", rank=2, name="deal")
    answer = still_shop.engine.recommend(Request("t05", n=4, steering=Steering(pins=(pin,))))
    assert answer.item_ids[1] == "pot"
    assert [item.promotion for item in answer.items] == [None, "deal", None, None]
    assert [item.rank for item in answer.items] == [1, 2, 3, 4]
    assert "pot" not in ids(still_shop, n=4, filter='not item_id = "pot"', pins=(pin,))
    gone = still_shop.engine.recommend(Request("t05", steering=Steering(pins=(Pin(item_id="nothing", rank=1),))))
    assert gone.unknown_ids == ("nothing",)
    shown = still_shop.engine.recommend(Request("t05", items=("pot",), n=4, steering=Steering(pins=(pin,))))
    assert "pot" not in shown.item_ids, "what lies in the cart is not pinned"


def test_a_promotion_shows_its_best_items_at_its_positions_and_no_more_than_its_cap(still_shop: Shop) -> None:
    promotion = Promotion(name="care week", filter='category = "Care"', at_most=2, positions=(1, 3))
    answer = still_shop.engine.recommend(Request("t05", n=6, steering=Steering(promotions=(promotion,))))
    labels = [item.promotion for item in answer.items]
    assert labels == ["care week", None, "care week", None, None, None]
    promoted = [item.item_id for item in answer.items if item.promotion]
    ranked = [name for name in ids(still_shop, repeat=False) if CATEGORIES.get(name) == "Care"]
    assert promoted == ranked[:2]
    assert len(set(answer.item_ids)) == 6


def test_a_promotion_gives_way_to_a_pin(still_shop: Shop) -> None:
    answer = ids(
        still_shop, n=3,
        pins=(Pin(item_id="duck", rank=1),), promotions=(Promotion(name="lamp", items=("lonely",)),),
    )  # fmt: skip
    assert answer[:2] == ["duck", "lonely"]


@pytest.mark.parametrize("user", ORDERS)
@pytest.mark.parametrize("at_most", [1, 2])
def test_a_cap_holds_and_the_list_is_as_long_as_it_allows(still_shop: Shop, user: str, at_most: int) -> None:
    answer = ids(still_shop, user, caps=(Cap(by="category", at_most=at_most),))
    groups = [CATEGORIES[name] for name in answer if name in CATEGORIES]
    assert all(groups.count(group) <= at_most for group in groups)
    possible = sum(min(at_most, list(CATEGORIES.values()).count(group)) for group in set(CATEGORIES.values()))
    assert len(answer) == possible + len([name for name in PRODUCTS if name not in CATEGORIES])


def test_a_cap_by_a_property_holds(shop: Shop) -> None:
    shop.write(UpsertNodes("Product", list(PRODUCTS), [{"price": float(at % 2)} for at in range(len(PRODUCTS))]))
    prices = [PRODUCTS.index(name) % 2 for name in ids(shop, caps=(Cap(by="price", at_most=2),))]
    assert sorted(prices) == [0, 0, 1, 1]


def test_what_is_pinned_counts_in_a_cap(still_shop: Shop) -> None:
    answer = ids(still_shop, pins=(Pin(item_id="mug", rank=1),), caps=(Cap(by="category", at_most=1),))
    assert [name for name in answer if CATEGORIES.get(name) == "Crockery"] == ["mug"]


def test_no_diversity_is_the_plain_order_and_more_of_it_makes_lists_less_alike(still_shop: Shop) -> None:
    assert ids(still_shop, n=5, diversity=0.0) == ids(still_shop, n=5)
    moment = still_shop.engine._keeper.current()

    def alikeness(items: list[str]) -> float:
        rows = np.array([still_shop.index(name) for name in items], np.int32)
        matrix = likeness(moment.connections, moment.sources.operators, rows)
        return float(matrix[~np.eye(rows.size, dtype=bool)].mean())

    assert alikeness(ids(still_shop, n=4, diversity=0.9)) < alikeness(ids(still_shop, n=4))


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_choosing_is_the_formula_place_by_place(data: st.DataObject) -> None:
    size = data.draw(st.integers(1, 7))
    score = np.array(data.draw(st.lists(st.integers(-5, 5), min_size=size, max_size=size)), np.float32)
    half = np.array(data.draw(st.lists(st.integers(0, 4), min_size=size * size, max_size=size * size)))
    alike = (half.reshape(size, size) + half.reshape(size, size).T) / 8
    group = np.array(data.draw(st.lists(st.integers(0, 2), min_size=size, max_size=size)), np.int32)
    diversity, strength = data.draw(st.sampled_from([0.0, 0.25, 1.0])), data.draw(st.sampled_from([0.0, 0.5, 1.0]))
    at_most = data.draw(st.integers(1, 3))
    candidates = Grouping(np.arange(size + 1, dtype=np.int32), group)
    history = Grouping(np.arange(4, dtype=np.int32), np.array([0, 0, 1], np.int32))
    mix = Mix.of(history, candidates, strength)
    assert mix is not None
    chosen = choose(score, size, diversity=diversity, likeness=alike, mix=mix, caps=[(Quota(at_most), candidates)])

    span = score.max() - score.min()
    wanted = {0: 2 / 3, 1: 1 / 3}

    def value(item: int, before: list[int]) -> float:
        relevance = (score[item] - score.min()) / span if span else 1.0
        plain = (1 - diversity) * relevance - diversity * max((alike[item][j] for j in before), default=0)
        listed = [*before, item]
        mixes = {g: sum(group[i] == g for i in listed) / len(listed) for g in wanted}
        divergence = sum(p * np.log(p / (0.99 * mixes[g] + 0.01 * p)) for g, p in wanted.items())
        return (1 - strength) * plain - strength * divergence

    def open_after(before: list[int]) -> list[int]:
        full = {g for g in range(3) if sum(group[i] == g for i in before) >= at_most}
        return [item for item in range(size) if item not in before and group[item] not in full]

    for place, item in enumerate(chosen):
        before = chosen[:place]
        assert item in open_after(before)
        assert value(item, before) >= max(value(other, before) for other in open_after(before)) - 1e-6
    assert open_after(chosen) == []


def test_a_calibrated_list_is_nearer_to_the_users_mix(still_shop: Shop) -> None:
    def categories(strength: float) -> list[str | None]:
        steering = Steering(calibration=Calibration("category", strength))
        answer = still_shop.engine.recommend(Request(items=("pot", "soap"), n=4, steering=steering))
        return [CATEGORIES.get(name) for name in answer.item_ids]

    assert sorted(map(str, categories(1.0))) == ["Care", "Care", "Crockery", "Crockery"]
    assert categories(0.0) != categories(1.0)


def test_fresh_items_weigh_more_by_their_date(shop: Shop) -> None:
    now_ms = shop.now_s * 1000
    shop.write(
        UpsertNodes("Product", ["duck"], [{"added_at": now_ms}]),
        UpsertNodes("Product", ["sponge"], [{"added_at": now_ms - 30 * DAY_S * 1000}]),
    )
    plain = {item.item_id: item.score for item in shop.engine.recommend(Request("b03", n=13, repeat=True)).items}
    steering = Steering(freshness=Freshness(half_life_s=30.0 * DAY_S, strength=0.8))
    fresh = {
        i.item_id: i.score for i in shop.engine.recommend(Request("b03", n=13, repeat=True, steering=steering)).items
    }
    assert fresh["duck"] == pytest.approx(plain["duck"], abs=1e-4)
    assert fresh["sponge"] == pytest.approx(plain["sponge"] + np.log(0.2 + 0.8 * 0.5), abs=1e-4)
    assert fresh["towel"] == pytest.approx(plain["towel"] + np.log(0.2), abs=1e-4), "no date is old"
    with pytest.raises(FilterError, match="added_at") as caught:
        shop.engine.recommend(Request(steering=Steering(freshness=Freshness(by="price"))))
    assert caught.value.field == "freshness.by"


def test_rotation_demotes_what_was_shown(still_shop: Shop) -> None:
    plain = still_shop.engine.recommend(Request("t05", n=13)).items
    first = plain[0].item_id
    rotation = Rotation(shown=(first, first, "no such item"), strength=0.5)
    rotated = still_shop.engine.recommend(Request("t05", n=13, steering=Steering(rotation=rotation))).items
    assert {i.item_id: i.score for i in rotated}[first] == pytest.approx(plain[0].score + np.log(0.25), abs=1e-4)


def test_interests_speak_for_a_newcomer(still_shop: Shop) -> None:
    answer = still_shop.engine.recommend(Request(interests=(Interest("Care", "category"),), n=3))
    assert answer.fallback_used is None
    assert set(answer.item_ids) & {"soap", "shampoo", "cream"}
    assert set(answer.item_ids) <= {*BATH, "cream"}
    picked = still_shop.engine.recommend(Request(interests=(Interest("tea"), Interest("gone")), n=4))
    assert "tea" not in picked.item_ids
    assert set(picked.item_ids) & set(TEA)
    assert picked.unknown_ids == ("gone",)
    nothing = still_shop.engine.recommend(Request(interests=(Interest("Nowhere", "Category"),)))
    assert (nothing.unknown_ids, nothing.fallback_used) == (("Nowhere",), "popularity")


def test_a_hidden_item_is_in_no_list_from_the_next_answer_on(shop: Shop) -> None:
    assert "tea" in shop.engine.recommend(Request("b03")).item_ids
    shop.write(UpsertNodes("Product", ["tea"], [{"hidden": True}]))
    for answer in (
        shop.engine.recommend(Request("b03", n=13)),
        shop.engine.recommend(Request("b03", n=13, steering=Steering(pins=(Pin(item_id="tea", rank=1),)))),
        *(shop.engine.related("pot", kind, 13) for kind in ("similar", "complementary", "bought_together")),
        shop.engine.trending("52w", 13),
    ):
        assert "tea" not in answer.item_ids
    shop.write(UpsertNodes("Product", ["tea"], [{"hidden": False}]))
    assert "tea" in shop.engine.recommend(Request("b03")).item_ids


def test_rules_hold_for_every_list_and_are_read_at_every_request(still_shop: Shop) -> None:
    rules = [NO_RULES]
    engine = Engine(
        GraphView(still_shop.snapshot, still_shop.overlay),
        FusedRanker(still_shop.operators, still_shop.weights),
        overlay=still_shop.overlay,
        rules=lambda: rules[0],
        clock=lambda: still_shop.now_s,
    )
    before = engine.recommend(Request("t05", n=3)).item_ids
    rules[0] = Rules(
        hidden=(Hide(items=(before[0],)),), boosts=(Boost(filter='brand = "acme"', factor=9.0),),
        pins=(Pin(item_id="duck", rank=1),),
    )  # fmt: skip
    after = engine.recommend(Request("t05", n=3)).item_ids
    assert after[0] == "duck"
    assert before[0] not in after
    assert before[0] not in engine.trending("52w", 13).item_ids
    assert engine.related("cup", n=1).item_ids == ["duck"]


def test_a_rule_that_does_not_fit_the_graph_says_nothing(still_shop: Shop) -> None:
    engine = governed(still_shop, Rules(hidden=(Hide(filter="colour = 1"),), caps=(Cap(by="colour", at_most=1),)))
    assert engine.recommend(Request("t05", n=3)).item_ids == ids(still_shop, n=3, repeat=False)


@pytest.mark.parametrize(
    ("when", "steering", "holds"),
    [
        (When(scenario=("home",)), Steering(scenario="home"), True),
        (When(scenario=("home",)), Steering(scenario="cart"), False),
        (When(scenario=("home",)), Steering(), False),
        (When(channel=("app", "web"), location=("DE",)), Steering(context=Context("app", "DE")), True),
        (When(channel=("app", "web"), location=("DE",)), Steering(context=Context("app", "FR")), False),
        (When(since=datetime(2026, 1, 1, tzinfo=UTC)), Steering(context=Context(time_s=1_780_000_000)), True),
        (When(until=datetime(2026, 1, 1, tzinfo=UTC)), Steering(context=Context(time_s=1_780_000_000)), False),
        (When(hours=(22, 6)), Steering(context=Context(time_s=23 * 3600)), True),
        (When(hours=(22, 6)), Steering(context=Context(time_s=5 * 3600 + 59)), True),
        (When(hours=(22, 6)), Steering(context=Context(time_s=6 * 3600)), False),
        (When(hours=(8, 10)), Steering(context=Context(time_s=9 * 3600)), True),
    ],
)
def test_a_rule_holds_when_scenario_and_context_say_so(
    still_shop: Shop, when: When, steering: Steering, holds: bool
) -> None:
    engine = governed(still_shop, Rules(pins=(Pin(item_id="lonely", rank=1, when=when),)))
    first = engine.recommend(Request("t05", n=2, steering=steering)).item_ids[0]
    assert (first == "lonely") is holds


def test_a_scenario_brings_its_own_filter_and_strictness(still_shop: Shop) -> None:
    rules = Rules(scenarios={"care": Scenario(filter='category = "Care"', strict=True)})
    engine = governed(still_shop, rules)
    assert set(engine.recommend(Request("b03", n=13, steering=Steering(scenario="care"))).item_ids) <= {
        "soap", "shampoo", "cream",
    }  # fmt: skip
    assert engine.recommend(Request("stranger", steering=Steering(scenario="care"))).item_ids == []
    loose = engine.recommend(Request("stranger", steering=Steering(scenario="care", strict=False)))
    assert set(loose.item_ids) == {"soap", "shampoo", "cream"}


def test_a_verdict_names_what_removed_an_item_and_what_boosts_it(shop: Shop) -> None:
    shop.write(UpsertNodes("Product", ["towel"], [{"hidden": True}]))
    engine = governed(shop, Rules(hidden=(Hide(items=("duck",), name="recall"),)))
    steering = Steering(filter='not brand = "acme"', boosts=(Boost(filter='brand = "nivea"', factor=2.0, name="ours"),))
    stage = engine.stage(engine._keeper.current(), steering)

    def told(name: str) -> tuple:
        verdict = stage.verdict(shop.index(name))
        return [(removal.by, removal.rule) for removal in verdict.removals], verdict.factor

    assert told("towel") == ([("hidden", "hidden")], 1.0)
    assert told("duck") == ([("rule", "recall")], 1.0)
    assert told("cup") == ([("filter", 'not brand = "acme"')], 1.0)
    assert told("soap") == ([], 2.0)
    assert stage.allowed is not None
    assert stage.verdict(shop.index("soap")).shown == bool(stage.allowed[shop.index("soap")])


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    text=st.sampled_from([*FILTERS, None]),
    user=st.sampled_from(ORDERS),
    n=st.integers(1, 14),
    cap=st.sampled_from([None, 1, 2]),
    diversity=st.sampled_from([0.0, 0.4, 1.0]),
    factor=st.sampled_from([None, 0.1, 5.0]),
    pin=st.sampled_from([None, "tea", "soap", "lonely"]),
    promoted=st.sampled_from([None, 'brand = "nivea"', "exists category"]),
    calibrated=st.booleans(),
)
def test_whatever_is_asked_lists_are_full_distinct_and_within_the_filter(
    still_shop: Shop, text, user, n, cap, diversity, factor, pin, promoted, calibrated
) -> None:
    steering = Steering(
        filter=text,
        diversity=diversity,
        boosts=() if factor is None else (Boost(filter='brand = "nivea"', factor=factor),),
        caps=() if cap is None else (Cap(by="category", at_most=cap),),
        pins=() if pin is None else (Pin(item_id=pin, rank=2),),
        promotions=() if promoted is None else (Promotion(name="p", filter=promoted, at_most=2, positions=(1, 3)),),
        calibration=Calibration("category", 0.3) if calibrated else None,
    )
    answer = still_shop.engine.recommend(Request(user, n=n, repeat=True, steering=steering))
    passing = set(PRODUCTS) if text is None else FILTERS[text]
    assert set(answer.item_ids) <= passing
    assert len(set(answer.item_ids)) == len(answer.items)
    assert [item.rank for item in answer.items] == list(range(1, len(answer.items) + 1))
    assert sum(item.promotion == "p" for item in answer.items) <= 2
    if cap is None:
        assert len(answer.items) == min(n, len(passing))
    again = still_shop.engine.recommend(Request(user, n=n, repeat=True, steering=steering))
    assert again.item_ids == answer.item_ids


def test_groups_are_those_of_the_graph_now(shop: Shop) -> None:
    rows = np.array([shop.index("cup"), shop.index("duck")], np.int32)
    shop.write(UpsertEdges(IN_CATEGORY, ["duck"], ["Crockery"]), DeleteNodes("Product", ["mug"]))
    grouping = Groups(shop.view, "category").of(rows)
    assert grouping.of(0).tolist() == grouping.of(1).tolist()


def test_related_items_leave_out_what_the_user_has_dealt_with(still_shop: Shop) -> None:
    everything = still_shop.engine.related("soap", n=12).item_ids
    answer = still_shop.engine.related("soap", n=12, user_id="t05")
    seen = {"biscuit", "tea", "pot", "cup", "saucer"} - set(answer.item_ids)
    assert answer.item_ids == [item for item in everything if item not in seen]
    assert len(seen) == 3
    assert still_shop.engine.related("soap", user_id="stranger").unknown_ids == ("stranger",)


def test_demographics_speak_for_a_known_newcomer(tmp_path: Path) -> None:
    from tests.api.newcomer_world import open_world

    engine = open_world(tmp_path)
    for trait, liked in (("f", "garden"), ("m", "tools")):
        answer = engine.recommend(Request(f"new-{trait}", n=3))
        assert answer.fallback_used == "demographics"
        assert {item.split("-")[0] for item in answer.item_ids} == {liked}
    assert engine.recommend(Request("new-rare", n=3)).fallback_used == "popularity"
