"""Blocks of new edges worked out in columns hold what the draft of the same mutations holds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graph.errors import InputError
from graph.neo4j.bulk.cut_block import CutBlock, cut_draft, cut_new_edges
from graph.neo4j.bulk.memory import Memory
from graph.neo4j.cypher.names import Catalogue, Names
from graph.records import Mutation, UpsertEdges, UpsertNodes
from tests.graph.store_contract_model import PURCHASED, WORLD

PART_ROWS = 3
START = 7


def memory_of(nodes: Sequence[str] = (), edges: Sequence[tuple[str, str, str]] = ()) -> Memory:
    """What a load knows that began with an empty graph."""
    memory = Memory()
    memory.sequence, memory.catalogue, memory.tombstones = START, Catalogue(WORLD, Names(), "1"), False
    memory.whole = {spec.name for spec in WORLD.nodes}
    memory.keys = {spec.edge_type: set() for spec in WORLD.edges}
    memory.live = {"User": set(nodes), "Item": set(nodes)}
    memory.keys[PURCHASED] = set(map(hash, edges))
    return memory


def drafted(memory: Memory, mutations: Sequence[Mutation]) -> CutBlock | None:
    """The twin: row by row."""
    draft = memory.draft(mutations)
    return None if draft is None else cut_draft(Catalogue(WORLD, Names(), "1"), draft, PART_ROWS)


def content(block: CutBlock) -> set[Any]:
    """Every row with all that is stored of it but its number."""
    found: set[Any] = set()
    for part in block.parts:
        assert 0 < part.changed <= PART_ROWS
        for rows in part.rows:
            cells = [dict(zip(rows.names, row, strict=True)) for row in zip(*rows.columns[rows.ends :], strict=True)]
            for key, some in zip(rows.keys(), cells or [{}] * len(rows), strict=False):
                found.add((rows.table, key, tuple(sorted((n, c) for n, c in some.items() if c is not None))))
    return found


pairs = st.lists(
    st.tuples(st.sampled_from("abcde"), st.sampled_from("vwxyz"), st.sampled_from(["", "gift"])),
    min_size=1,
    max_size=20,
    unique=True,
)


@given(
    pairs,
    st.sampled_from([1.0, 2.5, "each"]),
    st.booleans(),
    st.booleans(),
    st.sets(st.sampled_from("abvw")),
)
def test_columns_hold_what_the_draft_holds(
    keys: list[tuple[str, str, str]], weight: Any, times: bool, qualified: bool, before: set[str]
) -> None:
    if not qualified:
        keys = list(dict.fromkeys((source, target, "") for source, target, _ in keys))
    rows = range(len(keys))
    mutation = UpsertEdges(
        PURCHASED,
        [key[0] for key in keys],
        [key[1] for key in keys],
        [1.0 + at % 2 for at in rows] if weight == "each" else weight,
        qualifiers=[key[2] for key in keys] if qualified else None,
        timestamp_ms=[at if at % 3 else None for at in rows] if times else None,
        create_missing=True,
    )
    fast, slow = (cut(memory_of(sorted(before)), [mutation]) for cut in (_fast, drafted))
    assert fast is not None
    assert slow is not None
    assert content(fast) == content(slow)
    assert (fast.started_at, fast.last) == (slow.started_at, slow.last) == (START, START + fast.changed)
    assert {edge_type: set(some) for edge_type, some in fast.keys.items()} == {
        edge_type: set(some) for edge_type, some in slow.keys.items() if some
    }
    assert [part.after for part in fast.parts[1:]] == [part.last for part in fast.parts[:-1]]
    _check_ends_come_first(fast, before)


def _fast(memory: Memory, mutations: Sequence[Mutation]) -> CutBlock | None:
    return cut_new_edges(memory, mutations, PART_ROWS)


def _check_ends_come_first(block: CutBlock, before: set[str]) -> None:
    """Nothing; an edge whose end is new is in a part that waits for the nodes."""
    there = {"User": set(before), "Item": set(before)}
    for part in block.parts:
        for rows in part.rows:
            if part.nodes:
                there[str(rows.table)].update(rows.columns[0])
            elif not part.needs_nodes:
                assert set(rows.columns[0]) | set(rows.columns[1]) <= before
            else:
                assert set(rows.columns[0]) <= there["User"]
                assert set(rows.columns[1]) <= there["Item"]


def bought(*pairs: tuple[str, str], create: bool = True) -> UpsertEdges:
    sources, targets = zip(*pairs, strict=True)
    return UpsertEdges(PURCHASED, list(sources), list(targets), create_missing=create)


@pytest.mark.parametrize(
    "mutations",
    [
        [UpsertNodes("Item", ["x"]), bought(("a", "x"))],
        [bought(("a", "x"), ("b", "x"), ("a", "x"))],
        [bought(("a", "x")), bought(("b", "x"), ("a", "x"))],
        [bought(("a", "v"))],
        [bought(("new", "v"), create=False)],
    ],
    ids=["nodes", "an edge twice", "an edge of two mutations", "an edge that is there", "ends that are not there"],
)
def test_what_is_not_surely_new_is_left_to_the_draft(mutations: Sequence[Mutation]) -> None:
    assert _fast(memory_of(["a", "v"], [("a", "v", "")]), mutations) is None


def test_where_something_was_deleted_the_database_is_asked() -> None:
    memory = memory_of()
    memory.tombstones = True
    assert _fast(memory, [bought(("a", "x"))]) is None


def test_what_cannot_be_stored_is_refused() -> None:
    with pytest.raises(InputError):
        _fast(memory_of(), [bought(("a", "x\0"))])


def test_what_was_forgotten_since_a_draft_stays_forgotten_when_the_draft_turns_out_to_be_committed() -> None:
    memory = memory_of(["a", "v"])
    mutation = UpsertEdges(PURCHASED, ["a"], ["v"], 1.0)
    draft = memory.draft([mutation])
    assert draft is not None
    memory.committed(draft)
    assert memory.sequence == draft.sequence > START
    memory.forget()
    memory.committed(draft)
    assert memory.sequence is None, "a block cut before would be taken for one that goes on from here"
    assert cut_new_edges(memory, [mutation], PART_ROWS) is None
