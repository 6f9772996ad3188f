"""A source that reads events in order, inside the engine: sessions, carts, new items, and a release on disk."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import scipy.sparse as sp

from api.engine import Engine, Event, Request
from api.engine.sources.folding import ProxyOrderedOperator
from api.engine.sources.grown_sequence import GrownSequence
from gnn.data.histories import NO_KIND, FloatArray, Histories, IntArray
from gnn.data.knowledge import interactions_from
from gnn.fusion import FeatureSpace, FusedRanker, FusionWeights
from gnn.operators import Arrays, Operator, OrderedOperator
from gnn.operators.foldin import AttributeWeights, FoldedItems, ItemFoldIn
from gnn.operators.sequences import AttentionLayer, SequenceOperator
from graph.records import UpsertEdges, UpsertNodes
from tests.api.corner_shop import DAY_S, HAS_BRAND, START_S, VIEWED, Shop


def successor_operator(num_items: int) -> SequenceOperator:
    """A sequence operator without attention: whoever's last event is item i is led to item i + 1."""
    width = num_items + num_items % 2
    blank = {name: np.zeros((width, width), np.float32) for name in ("mix", "widen", "narrow")}
    layer = AttentionLayer(
        norm=np.ones((2, width), np.float32),
        distance=np.zeros((2, 10), np.float32),
        query_key_value=np.zeros((width, 3 * width), np.float32),
        query_key_value_bias=np.zeros(3 * width, np.float32),
        mix_bias=np.zeros(width, np.float32),
        forward_norm=np.ones((2, width), np.float32),
        widen_bias=np.zeros(width, np.float32),
        narrow_bias=np.zeros(width, np.float32),
        **blank,
    )
    read = np.eye(num_items, width, dtype=np.float32)
    norm = np.stack([np.ones(width, np.float32), np.zeros(width, np.float32)])
    return SequenceOperator(read, np.roll(read, 1, axis=0), (layer,), norm)


def with_order(shop: Shop) -> Shop:
    """The shop, ranked by the order of events alone."""
    operators = {**shop.operators, "sequence": successor_operator(len(shop.snapshot.nodes("Product")))}
    ranker = FusedRanker(operators, FusionWeights.only(operators, "sequence"))
    engine = Engine(shop.view, ranker, overlay=shop.overlay, operators=operators, clock=lambda: shop.now_s)
    return replace(shop, operators=operators, weights=ranker.weights, engine=engine)


def first(engine: Engine, request: Request) -> str:
    return engine.recommend(request).item_ids[0]


def after(shop: Shop, product: str) -> str:
    """The product whose row follows."""
    row = (shop.index(product) + 1) % len(shop.snapshot.nodes("Product"))
    return shop.view.id_of("Product", row)


def test_the_last_event_of_a_session_and_then_the_cart_decide(shop: Shop) -> None:
    ordered = with_order(shop)
    events = (Event("tea"), Event("soap"))
    assert first(ordered.engine, Request(events=events)) == after(shop, "soap")
    assert first(ordered.engine, Request(events=events[::-1])) == after(shop, "tea")
    assert first(ordered.engine, Request(events=events, items=("mug",))) == after(shop, "mug")


def test_an_event_counts_in_the_next_answer(shop: Shop) -> None:
    ordered = with_order(shop)
    shop.buy("t05", "lonely")
    assert first(ordered.engine, Request("t05")) == after(shop, "lonely")


def test_an_item_it_does_not_know_is_passed_over(shop: Shop) -> None:
    ordered = with_order(shop)
    shop.write(UpsertNodes("Product", ["zebra mug"], [{"title": "Zebra"}]))
    answer = ordered.engine.recommend(Request(events=(Event("soap"), Event("zebra mug")), n=14))
    assert answer.item_ids[0] == after(shop, "soap")
    assert "zebra mug" not in answer.item_ids


def test_the_fusion_gives_it_one_reading_and_it_survives_a_release(shop: Shop, tmp_path: Path) -> None:
    ordered = with_order(shop)
    space = FeatureSpace.over(ordered.operators)
    assert [context for source, context in space.readings() if source == "sequence"] == ["order"]
    both = replace(ordered, weights=FusionWeights.prior(space))
    released = both.released(tmp_path)
    request = Request("t05", n=10)
    live = Engine(shop.view, FusedRanker(both.operators, both.weights), operators=both.operators)
    assert released.recommend(request).item_ids == live.recommend(request).item_ids
    assert "sequence" in released.sources


def test_at_the_live_size_it_still_reads_order() -> None:
    grown = ProxyOrderedOperator(successor_operator(5), sp.csr_array(np.zeros((2, 5), np.float32)))
    assert isinstance(grown, OrderedOperator)
    scores = grown.score_ordered(Histories.of([[0, 3], [3, 0], [2, 6]], 7))
    assert scores.argmax(axis=1).tolist() == [4, 1, 3]
    assert (scores[:, 5:] == scores.min(axis=1, keepdims=True)).all()


def test_an_event_with_a_new_item_reads_as_one_with_its_nearest_known_item() -> None:
    inner = successor_operator(5)
    proxies = sp.csr_array(np.array([[0, 0, 0.3, 0.7, 0]], np.float32))
    grown = ProxyOrderedOperator(inner, proxies)
    late, known = (grown.score_ordered(Histories.of([[0, item]], 6)) for item in (5, 3))
    np.testing.assert_array_equal(late, known)
    np.testing.assert_array_equal(known[:, :5], inner.score_ordered(Histories.of([[0, 3]], 5)))


def test_a_new_item_with_a_vector_of_its_own_is_read_in_order_and_ranked() -> None:
    inner = successor_operator(5)
    # Item 5 is read as item 3 and ranked where item 1 is; of item 6 nothing is known.
    folded = FoldedItems(
        np.stack([inner.item_output[1], inner.item_output[0]]), np.stack([inner.item_input[3], inner.item_input[0]])
    )
    grown = GrownSequence(inner, folded, np.array([True, False]))
    assert isinstance(grown, OrderedOperator)
    scores = grown.score_ordered(Histories.of([[0, 5], [0], [2, 6], [6]], 7))
    np.testing.assert_array_equal(scores[0, :5], inner.score_ordered(Histories.of([[0, 3]], 5))[0])
    assert scores[1, 5] == scores[1, 1] == scores[1].max()
    np.testing.assert_array_equal(scores[2, :5], inner.score_ordered(Histories.of([[2]], 5))[0])
    assert (scores[:, 6] == scores[:, :5].min(axis=1)).all()
    weights = Histories.of([[0, 5]], 7).recent()
    np.testing.assert_array_equal(grown.score(weights), scores[:1])


def test_the_engine_embeds_a_new_item_by_the_weights_of_the_release(shop: Shop) -> None:
    """A new mug of a brand is what follows tea, because that brand's message is the vector of what follows tea."""
    ordered = with_order(shop)
    operator = ordered.operators["sequence"]
    assert isinstance(operator, SequenceOperator)
    width = operator.item_output.shape[1]
    brands = shop.view.num_nodes("Brand")
    messages = np.zeros((1, brands, width), np.float32)
    messages[0, 0] = 3.0 * operator.item_output[shop.index(after(shop, "tea"))]
    fold_in = ItemFoldIn(
        None,
        np.zeros((1, width, width), np.float32),
        np.eye(width, dtype=np.float32),
        1.0,
        {HAS_BRAND: AttributeWeights(np.arange(brands), messages)},
        norm=np.stack([np.ones(width, np.float32), np.zeros(width, np.float32)]),
    )
    engine = Engine(
        shop.view,
        FusedRanker(ordered.operators, ordered.weights),
        overlay=shop.overlay,
        operators=ordered.operators,
        fold_ins={"sequence": fold_in},
        clock=lambda: shop.now_s,
    )
    shop.write(UpsertNodes("Product", ["new mug"], [{"title": "New mug"}]))
    shop.write(UpsertEdges(HAS_BRAND, ["new mug"], [shop.view.id_of("Brand", 0)]))
    assert first(engine, Request(events=(Event("tea"),))) == "new mug"
    assert "new mug" not in engine.recommend(Request(events=(Event("soap"),), n=3)).item_ids


class Listening:
    """A source that says what follows as the order tells it, and keeps the histories it was asked about."""

    kind = "listening"

    def __init__(self, num_items: int) -> None:
        self._inner = successor_operator(num_items)
        self.heard: list[Histories] = []

    def score_ordered(self, histories: Histories) -> FloatArray:
        self.heard.append(histories)
        return self._inner.score_ordered(histories)

    def score(self, weights: sp.csr_array, user_index: IntArray | None = None) -> FloatArray:
        return self._inner.score(weights)

    def arrays(self) -> Arrays:
        return {}


def listening(shop: Shop) -> tuple[Engine, Listening]:
    """An engine that ranks by a source which keeps what it hears."""
    source = Listening(len(shop.snapshot.nodes("Product")))
    operators: dict[str, Operator] = {"sequence": source}
    ranker = FusedRanker(operators, FusionWeights.only(operators, "sequence"))
    engine = Engine(shop.view, ranker, overlay=shop.overlay, operators=operators, clock=lambda: shop.now_s)
    return engine, source


def told(histories: Histories) -> list[tuple[int, int, str | None]]:
    """The events of the first history: item, time, and the name of the kind."""
    rows = histories.take([0])
    names = [None if kind == NO_KIND else rows.kinds[kind] for kind in rows.kind.tolist()]
    return list(zip(rows.item_index.tolist(), rows.timestamp_s.tolist(), names, strict=True))


def test_a_stored_history_comes_with_times_and_kinds(shop: Shop) -> None:
    engine, source = listening(shop)
    shop.write(UpsertEdges(VIEWED, ["mugger"], ["soap"], timestamp_ms=[(START_S + 7 * DAY_S) * 1000]))
    engine.recommend(Request("mugger"))
    assert told(source.heard[-1]) == [
        (shop.index("tea"), START_S + 6 * DAY_S, "purchase"),
        (shop.index("mug"), START_S + 6 * DAY_S, "purchase"),
        (shop.index("soap"), START_S + 7 * DAY_S, "view"),
    ]


def test_a_session_has_the_times_it_gives_and_else_happens_now(shop: Shop) -> None:
    engine, source = listening(shop)
    events = (Event("tea"), Event("pot", "purchase", shop.now_s - 90), Event("cup", "gaze"))
    engine.recommend(Request(events=events, items=("duck",)))
    assert told(source.heard[-1]) == [
        (shop.index("pot"), shop.now_s - 90, "purchase"),
        (shop.index("tea"), shop.now_s, "view"),
        (shop.index("cup"), shop.now_s, None),
        (shop.index("duck"), shop.now_s, None),  # this shop keeps no carts
    ]


def test_what_is_evaluated_is_what_is_served_times_and_kinds_included(shop: Shop) -> None:
    engine, source = listening(shop)
    people = shop.snapshot.nodes("Customer")
    rows = np.arange(len(people))
    evaluated = interactions_from(shop.snapshot).histories().take(rows)
    served = engine.histories([people.id_of(row) for row in rows.tolist()])
    assert served.kinds == evaluated.kinds
    for column in ("user_index", "indptr", "item_index", "timestamp_s", "kind"):
        np.testing.assert_array_equal(getattr(served, column), getattr(evaluated, column))
    engine.recommend(Request(people.id_of(3)))
    assert told(source.heard[-1]) == told(evaluated.take([3]))


def test_without_an_event_the_others_keep_their_times(shop: Shop) -> None:
    """A reason's price is asked of the history without one item; the rest of it is as it was."""
    engine, source = listening(shop)
    past = told(engine.histories(["t05"]))
    engine.recommend(Request("t05", n=5, reasons=True))
    without = [told(heard.take([row])) for heard in source.heard for row in range(1, len(heard))]
    assert without
    assert all(set(shorter) < set(past) for shorter in without)


def test_gaps_and_kinds_give_the_same_ids_by_evaluation_and_by_the_engine(shop: Shop) -> None:
    rng = np.random.default_rng(3)
    plain = successor_operator(len(shop.snapshot.nodes("Product")))
    width = plain.item_input.shape[1]
    layer = replace(
        plain.layers[0],
        query_key_value=rng.standard_normal((width, 3 * width)).astype(np.float32),
        mix=rng.standard_normal((width, width)).astype(np.float32),
        gap=rng.standard_normal((2, 20)).astype(np.float32),
    )
    kind_input = rng.standard_normal((2, width)).astype(np.float32)
    source = replace(plain, layers=(layer,), kind_input=kind_input, kinds=("view", "purchase"))
    operators: dict[str, Operator] = {**shop.operators, "sequence": source}
    ranker = FusedRanker(operators, FusionWeights.only(operators, "sequence"))
    engine = Engine(shop.view, ranker, overlay=shop.overlay, operators=operators, clock=lambda: shop.now_s)
    shop.write(UpsertEdges(VIEWED, ["t05"], ["soap"], timestamp_ms=[(START_S + 70 * DAY_S) * 1000]))
    people = [f"t{number:02}" for number in range(1, 20)]  # t00 returned something, and is never shown it
    ids = [[shop.view.id_of("Product", item) for item in row] for row in engine.rank(engine.histories(people), 5)]
    assert ids == [engine.recommend(Request(person, n=5)).item_ids for person in people]
    known = engine.histories(people)
    untold = replace(known, timestamp_s=np.zeros_like(known.timestamp_s), kinds=())
    assert (engine.rank(untold, 5) != engine.rank(known, 5)).any()
