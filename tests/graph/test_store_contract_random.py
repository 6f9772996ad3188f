"""Whatever is written in whatever order, every store answers like a dictionary would."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from graph.digest import graph_hash
from graph.errors import NotFound
from graph.records import Mutation, UpsertEdges, UpsertNodes
from graph.store import BulkLoad
from tests.graph.conftest import StoreFactory
from tests.graph.store_contract_model import NEXT, PURCHASED, Model, check_changes, check_same, mutations

STEPS = st.lists(st.lists(mutations(), min_size=1, max_size=3), min_size=1, max_size=8)


def examples(number: int) -> settings:
    return settings(
        max_examples=number,
        deadline=None,
        derandomize=True,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )


@examples(40)
@given(steps=STEPS)
def test_random_writes_give_what_a_dictionary_holds(store_factory: StoreFactory, steps: list[list[Mutation]]) -> None:
    store, model = store_factory.fresh(), Model()
    marks = [(store.watermark(), 0)]
    for step in steps:
        try:
            changed = model.apply(step)
        except NotFound:
            with pytest.raises(NotFound):
                store.apply(step, batch_id="refused", actor="tester")
            assert store.watermark() == marks[-1][0]
        else:
            applied = store.apply(step, batch_id=f"batch {model.applied}", actor="tester")
            assert (applied.changed > 0) == (changed > 0) == (store.watermark() != marks[-1][0])
        marks.append((store.watermark(), model.applied))
    check_same(store, model)
    for watermark, applied in marks:
        check_changes(store, model, watermark, applied)
    store.close()


@examples(20)
@given(steps=STEPS)
def test_applying_the_same_again_changes_nothing(store_factory: StoreFactory, steps: list[list[Mutation]]) -> None:
    store = store_factory.fresh()
    for step in steps:
        with contextlib.suppress(NotFound):
            store.apply(step, batch_id="first", actor="tester")
            settled = [mutation for mutation in step if not touches_twice(mutation)][-1:]
            store.apply(settled, batch_id="first", actor="tester")
            before = store.watermark()
            assert store.apply(settled, batch_id="second", actor="tester").changed == 0
            assert store.watermark() == before
    store.close()


@examples(20)
@given(steps=STEPS, block_rows=st.sampled_from((2, 5, 50_000)))
def test_a_bulk_load_ends_like_single_writes(
    store_factory: StoreFactory, steps: list[list[Mutation]], block_rows: int
) -> None:
    one_by_one, bulk, model = store_factory.fresh(), store_factory.fresh(), Model()
    if not isinstance(bulk, BulkLoad):
        pytest.skip("this store has no bulk load")
    accepted: list[Mutation] = []
    for step in steps:
        with contextlib.suppress(NotFound):
            model.apply(step)
            one_by_one.apply(step, batch_id="b", actor="tester")
            accepted += step
    start = bulk.watermark()  # type: ignore[attr-defined]  # every BulkLoad is a store
    bulk.bulk_load(accepted, batch_id="b", actor="tester", block_rows=block_rows)  # type: ignore[call-arg]
    check_same(bulk, model)  # type: ignore[arg-type]
    assert graph_hash(bulk) == graph_hash(one_by_one)  # type: ignore[arg-type]
    fed = list(bulk.changes_since(start))  # type: ignore[attr-defined]
    assert len(fed) == len(model.nodes) + len(model.edges)
    bulk.close()  # type: ignore[attr-defined]
    one_by_one.close()


ROWS = st.lists(
    st.tuples(
        st.sampled_from([PURCHASED, NEXT]),
        st.integers(0, 5),
        st.integers(0, 5),
        st.sampled_from(["", "q"]),
    ),
    unique=True,
    max_size=25,
)


@examples(50)
@given(rows=ROWS, order=st.randoms(use_true_random=False), cuts=st.sets(st.integers(1, 24), max_size=5))
def test_any_order_and_any_chunks_give_the_same_graph(
    store_factory: StoreFactory, rows: list[Any], order: Any, cuts: set[int]
) -> None:
    whole, pieces = store_factory.fresh(), store_factory.fresh()
    whole.apply(written(rows), batch_id="whole", actor="tester")
    shuffled = list(rows)
    order.shuffle(shuffled)
    bounds = [0, *sorted(cut for cut in cuts if cut < len(rows)), len(rows)]
    for start, stop in pairwise(bounds):
        pieces.apply(written(shuffled[start:stop]), batch_id=f"piece {start}", actor="tester")
        pieces.apply(written(shuffled[start:stop]), batch_id="the same again", actor="tester")
    assert graph_hash(whole) == graph_hash(pieces)
    whole.close()
    pieces.close()


def written(rows: Sequence[Any]) -> list[Mutation]:
    """Each row as an edge and its ends, their content decided by their keys."""
    batch: list[Mutation] = []
    for edge_type, source, target, qualifier in rows:
        batch.append(UpsertNodes("Item", [str(target)], [{"title": f"item {target}", "stock": target}]))
        key = source * 100 + target
        edge = UpsertEdges(
            edge_type,
            [str(source)],
            [str(target)],
            weight=key / 7,
            timestamp_ms=[key or None],
            qualifiers=[qualifier],
            create_missing=True,
        )
        batch.append(edge)
    return batch


def touches_twice(mutation: Mutation) -> bool:
    """Whether a row is written twice by the mutation, perhaps to different contents."""
    if isinstance(mutation, UpsertNodes):
        return len(set(mutation.node_ids)) < len(mutation.node_ids)
    if isinstance(mutation, UpsertEdges):
        return len(set(zip(mutation.source_ids, mutation.target_ids, strict=True))) < len(mutation.source_ids)
    return False
