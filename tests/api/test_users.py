"""Audiences, attributes, profiles and ranked lists, against naive twins and known answers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp

from api.engine import Request
from api.engine.lists.audience import HALF_LIFE_S, audience_scores, histories_matrix, interest, presence
from api.engine.questions.interests import attribute_types
from api.engine.questions.users import attributes_for, order, profile
from api.engine.reading import PROFILING, profile_of
from api.engine.sources.folding import GrownEmbedding, ProxyOperator
from api.engine.sources.pull import item_column
from api.knowledge.personal import with_profiling
from gnn.data import NO_TIME
from gnn.operators import ConstantOperator, DenseOperator, EmbeddingOperator, FactorOperator, Operator, SumOperator
from gnn.operators.foldin import FoldedItems
from graph.errors import NotFound, SchemaError
from graph.records import DeleteNodes, UpsertEdges, UpsertNodes
from tests.api.corner_shop import BATH, TEA, VIEWED, Shop
from tests.api.http_world import run, running


def operators() -> dict[str, Operator]:
    generator = np.random.default_rng(3)

    def dense(rows: int, columns: int) -> np.ndarray:
        return generator.random((rows, columns), dtype=np.float32)

    factor = FactorOperator(sp.csr_array(dense(6, 2)), sp.csr_array(dense(2, 6)))
    return {
        "dense": DenseOperator(dense(6, 6)),
        "factor": factor,
        "embedding": EmbeddingOperator(dense(6, 3), dense(6, 3), length_power=0.0),
        "sum": SumOperator((factor, DenseOperator(dense(6, 6))), (0.5, -2.0)),
        "proxied": ProxyOperator(DenseOperator(dense(5, 5)), sp.csr_array(np.array([[0, 0.3, 0, 0.7, 0]], np.float32))),
        "grown": GrownEmbedding(
            EmbeddingOperator(dense(5, 3), dense(5, 3), length_power=0.0),
            FoldedItems(dense(1, 3), dense(1, 3)),
            np.ones(1, bool),
        ),
    }


@pytest.mark.parametrize("name", operators())
def test_a_column_says_what_single_item_histories_score(name: str) -> None:
    operator = operators()[name]
    known = 5 if name == "proxied" else 6  # what is read off neighbours also depends on the lowest score
    single = sp.csr_array(np.eye(6, dtype=np.float32))
    scores = operator.score(single)
    for item in range(known):
        column = item_column(operator, item)
        assert column is not None
        np.testing.assert_allclose(column, scores[:, item], rtol=1e-5, atol=1e-6)


def test_what_no_history_moves_has_no_column() -> None:
    assert item_column(ConstantOperator(np.ones(3, np.float32)), 0) is None


def test_interest_is_the_operators_own_score_over_users(still_shop: Shop) -> None:
    """The naive twin asks every operator for every user, one by one."""
    moment = still_shop.engine.now()
    sources, view = moment.sources, moment.view
    matrix = histories_matrix(view, sources.num_items)
    item = still_shop.index("cup")
    parts = interest(sources.ranker, matrix, item)
    importance = sources.ranker.weights.importance()
    naive = {}
    for name, operator in sources.ranker.operators.items():
        if isinstance(operator, ConstantOperator):
            continue
        raw = np.array([operator.score(sp.csr_array(matrix[[user]]))[0, item] for user in range(matrix.shape[0])])
        naive[name] = importance[name] * (raw - raw.mean()) / raw.std() if raw.std() > 1e-12 else np.zeros(raw.size)
    scale = np.sum(list(naive.values()), axis=0).std()
    for name, part in naive.items():
        np.testing.assert_allclose(parts[name], part / scale, rtol=1e-3, atol=1e-4)


def test_presence_halves_and_scales_interest() -> None:
    last_s = np.array([NO_TIME, 0, HALF_LIFE_S, 2 * HALF_LIFE_S], np.int64)
    np.testing.assert_allclose(presence(last_s), [0.0, 0.25, 0.5, 1.0])
    np.testing.assert_array_equal(presence(np.full(2, NO_TIME, np.int64)), [1.0, 1.0])
    scores = audience_scores({"a": np.array([2.0, 2.0, 1.0, -9.0], np.float32)}, presence(last_s))
    assert np.argsort(-scores).tolist() == [1, 2, 0, 3]


def test_the_audience_of_tea_drinks_tea(still_shop: Shop) -> None:
    view = still_shop.view
    for product, group in (("saucer", "t"), ("towel", "b")):
        found = still_shop.engine.audience(product, 5)
        ids = [view.id_of("Customer", user) for user in found.user_index.tolist()]
        assert all(user.startswith(group) for user in ids)
        for user in found.user_index.tolist():
            assert still_shop.index(product) not in profile_of(view, user).seen
        assert (np.diff(found.score) <= 0).all()


def test_an_audience_follows_the_graph(shop: Shop) -> None:
    first = shop.view.id_of("Customer", int(shop.engine.audience("saucer", 1).user_index[0]))
    shop.buy(first, "saucer")
    assert first not in [shop.view.id_of("Customer", int(u)) for u in shop.engine.audience("saucer", 100).user_index]
    shop.write(UpsertEdges(VIEWED, ["newcomer"] * 4, ["tea", "pot", "cup", "biscuit"], create_missing=True))
    audience = [shop.view.id_of("Customer", int(u)) for u in shop.engine.audience("saucer", 100).user_index]
    assert "newcomer" in audience
    shop.write(DeleteNodes("Customer", ["newcomer"]))
    audience = [shop.view.id_of("Customer", int(u)) for u in shop.engine.audience("saucer", 100).user_index]
    assert "newcomer" not in audience
    with pytest.raises(NotFound):
        shop.engine.audience("ghost")


def test_who_opted_out_is_in_no_audience(shop: Shop) -> None:
    everyone = [shop.view.id_of("Customer", int(user)) for user in shop.engine.audience("saucer", 100).user_index]
    shy = everyone[::2]
    shop.store.ensure_schema(with_profiling(shop.view.schema))
    shop.write(UpsertNodes("Customer", shy, [{PROFILING: False}] * len(shy)))
    left = [user for user in everyone if user not in shy]
    for n in (1, 3, 100):
        found = shop.engine.audience("saucer", n)
        assert [shop.view.id_of("Customer", int(user)) for user in found.user_index] == left[:n]
    told = profile(shop.engine, shy[0])
    assert told.known
    assert (told.interactions, told.latest, told.interests) == ({}, (), {})


def test_attributes_come_with_items_that_have_them(still_shop: Shop) -> None:
    view = still_shop.view
    found = attributes_for(still_shop.engine, "t05", "Category", 3)
    assert {found[0].title, found[1].title} == {"Crockery", "Food"}
    for one in found:
        category = view.index_of(*one.node)
        assert category is not None
        for item_id, title in (*one.chosen, *one.recommended):
            assert view.has_edge(("Product", "IN_CATEGORY", "Category"), still_shop.index(item_id), category)
            assert title == view.title("Product", still_shop.index(item_id))
    bath = attributes_for(still_shop.engine, "b03", "Category", 1)
    assert bath[0].title == "Care"
    assert attributes_for(still_shop.engine, "stranger", "Category", 3), "a newcomer gets what everyone chooses"
    with pytest.raises(SchemaError):
        attributes_for(still_shop.engine, "t05", "Customer", 3)


def test_a_profile_tells_what_was_done_and_liked(still_shop: Shop) -> None:
    assert attribute_types(still_shop.view.schema) == ("Brand", "Category", "Maker")
    told = profile(still_shop.engine, "t00")
    assert told.known
    assert told.interactions == {"PURCHASED": 3, "RETURNED": 1}
    assert [item_id for item_id, _ in told.latest] == ["cup", "pot", "tea"]
    assert told.interests["Category"][0].share > 0
    assert all(one.share > 0 for interests in told.interests.values() for one in interests)
    stranger = profile(still_shop.engine, "stranger")
    assert (stranger.known, stranger.interactions, stranger.interests) == (False, {}, {})


def test_a_given_list_is_ranked_as_recommendations_are(still_shop: Shop) -> None:
    engine = still_shop.engine
    listed = engine.recommend(Request("t05", n=13))
    spoken = [item for item in listed.items if item.sources != ("popularity",)]
    given = [item.item_id for item in spoken][::-1]
    ranked = order(engine, Request("t05"), [*given, "ghost", given[0]])
    assert ranked.item_ids == [item.item_id for item in spoken]
    assert [item.score for item in ranked.items] == pytest.approx([item.score for item in spoken], abs=1e-5)
    assert ranked.unknown_ids == ("ghost",)
    assert set(order(engine, Request("t05"), TEA).item_ids) == set(TEA), "what was seen is ranked too"
    newcomer = order(engine, Request(None), ["mug", "tea"])
    assert (newcomer.item_ids, newcomer.fallback_used) == (["tea", "mug"], "popularity")
    assert order(engine, Request(items=(BATH[0],)), ["cup", "towel"]).item_ids == ["towel", "cup"]


def test_users_over_http(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with running(tmp_path) as world:
            audience = (await world.get("/v1/items/i1/audience?n=5")).json()
            assert {user["user_id"] for user in audience["users"]} == {"u1", "u2"}
            assert (await world.get("/v1/items/ghost/audience")).status_code == 404
            brands = (await world.get("/v1/users/u0/attributes?type=Brand&n=2")).json()
            assert brands["attributes"][0]["node"][0] == "Brand"
            assert (await world.get("/v1/users/u0/attributes?type=Ghost")).status_code == 422
            told = (await world.get("/v1/users/u0/profile")).json()["profile"]
            assert told["interactions"] == {"PURCHASED": 2}
            body = {"user_id": "u0", "items": ["i5", "ghost", "i2"], "include": ["properties"]}
            ranked = (await world.post("/v1/rank", body)).json()
            assert sorted(item["item_id"] for item in ranked["items"]) == ["i2", "i5"]
            assert ranked["unknown_ids"] == ["ghost"]
            assert (await world.post("/v1/rank", {"items": []})).status_code == 422

    run(scenario())
