"""Why, why not, and what would change it: every answer is checked against the lists themselves."""

from __future__ import annotations

from dataclasses import replace

import pytest

from api.engine import Request
from api.engine.questions.editing import edited
from api.engine.questions.fidelity import fidelity, lowers
from api.engine.questions.whynot import explain
from api.engine.steering import Boost, Steering
from graph.errors import NotFound
from tests.api.corner_shop import PRODUCTS, Shop

USERS = ("t05", "b03", "both")


@pytest.mark.parametrize("user", USERS)
def test_a_listed_item_is_explained_as_the_list_does(still_shop: Shop, user: str) -> None:
    request = Request(user, n=4)
    answer = still_shop.engine.recommend(replace(request, reasons=True))
    for item in answer.items:
        explained = explain(still_shop.engine, item.item_id, request)
        assert explained.listed
        assert (explained.rank, explained.reasons, explained.removals) == (item.rank, item.reasons, ())
        assert explained.score == item.score
        assert sum(explained.parts.values()) == pytest.approx(item.score, abs=1e-4)


@pytest.mark.parametrize("user", USERS)
def test_every_change_named_brings_the_item_in(still_shop: Shop, user: str) -> None:
    engine = still_shop.engine
    request = Request(user, n=3)
    listed = engine.recommend(request).item_ids
    changes = 0
    for product in PRODUCTS:
        explained = explain(engine, product, request)
        for change in explained.changes:
            changes += 1
            assert product not in listed
            if change.edge is not None:
                ids = engine.over(edited(engine.view, [change.edge.edit])).recommend(request).item_ids
            else:
                assert change.factor is not None
                boosts = (Boost(filter=f'item_id = "{product}"', factor=change.factor),)
                ids = engine.recommend(replace(request, steering=Steering(boosts=boosts))).item_ids
            assert ids.index(product) + 1 == change.rank
    assert changes >= 3


def test_a_boost_a_little_smaller_would_not_do(still_shop: Shop) -> None:
    engine, request = still_shop.engine, Request("t05", n=3)
    tried = 0
    for product in PRODUCTS:
        factors = [change.factor for change in explain(engine, product, request).changes if change.factor is not None]
        for factor in factors:
            if factor > 1.05:
                tried += 1
                boosts = (Boost(filter=f'item_id = "{product}"', factor=factor - 0.04),)
                assert product not in engine.recommend(replace(request, steering=Steering(boosts=boosts))).item_ids
    assert tried


def test_missing_paths_lack_exactly_one_edge(still_shop: Shop) -> None:
    view = still_shop.view
    seen = 0
    for product in PRODUCTS:
        for path in explain(still_shop.engine, product, Request("t05", n=1)).missing:
            seen += 1
            edge_type, source, target = path.edge
            ends = view.index_of(edge_type[0], source), view.index_of(edge_type[2], target)
            assert None not in ends
            assert not view.has_edge(edge_type, *ends)  # type: ignore[arg-type]  # checked above
            for at, hop in enumerate(path.path.hops):
                if at != path.missing and hop.direction is not None:
                    before, after = (view.index_of(*path.path.nodes[at + step]) for step in (0, 1))
                    pair = (before, after) if hop.direction == "out" else (after, before)
                    assert view.has_edge(hop.edge_type, *pair)  # type: ignore[arg-type]  # nodes of a path are there
    assert seen


def test_what_removed_an_item_is_named(still_shop: Shop) -> None:
    engine = still_shop.engine
    bought = explain(engine, "tea", Request("t05", n=5))
    assert [removal.by for removal in bought.removals] == ["seen"]
    assert not bought.listed
    assert bought.changes == ()
    filtered = explain(engine, "mug", Request("t05", n=5, steering=Steering(filter='brand = "nivea"')))
    assert [(removal.by, removal.says) for removal in filtered.removals] == [("filter", 'brand = "nivea"')]
    shut_out = explain(engine, "mug", Request("t05", n=5, exclude=("mug",)))
    assert [removal.by for removal in shut_out.removals] == ["excluded"]


def test_an_unknown_item_is_not_there_and_an_unknown_user_a_newcomer(still_shop: Shop) -> None:
    with pytest.raises(NotFound):
        explain(still_shop.engine, "ghost", Request("t05"))
    explained = explain(still_shop.engine, "tea", Request("stranger", n=3))
    assert explained.unknown_ids == ("stranger",)
    assert explained.listed == ("tea" in still_shop.engine.recommend(Request("stranger", n=3)).item_ids)


def test_most_shown_paths_carry_the_score_they_are_shown_for(still_shop: Shop) -> None:
    users = [f"{group}{number:02}" for group in "tb" for number in range(0, 20, 2)]
    measured = fidelity(still_shop.engine, users, n=3)
    assert sum(measured.shown.values()) >= 40
    assert measured.share >= 0.8


def test_fidelity_can_fail(still_shop: Shop) -> None:
    """A path that begins at an item the user never touched carries nothing."""
    engine = still_shop.engine
    item = engine.recommend(Request("t05", n=1, reasons=True)).items[0]
    path = item.reasons[0].path
    strange = replace(item.reasons[0], path=replace(path, nodes=(("Product", "lonely"), *path.nodes[1:])))
    assert lowers(engine, "t05", item.item_index, item.reasons[0])
    assert not lowers(engine, "t05", item.item_index, strange)
