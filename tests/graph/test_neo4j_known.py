"""What was last known against what is there: every difference that a hand makes is found, and nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graph.neo4j.curating.known import Known, Row
from graph.neo4j.wire.bookmarks import transaction_id

EDGE = ("Item", "HAS_BRAND", "Brand")


def read(cells: Sequence[Any]) -> Row | None:
    target, sequence, content = cells
    return Row(target, "", sequence, content) if isinstance(target, str) else None


def exported(graph: dict[tuple[str, str], list[Any]]) -> list[tuple[int, list[Any]]]:
    """Parts as a database gives them: "a" and "b" in one, "c" in another."""
    groups: dict[str, list[Any]] = {}
    for (source, target), (sequence, content) in graph.items():
        groups.setdefault(source, []).append([target, sequence, content])
    parts: dict[int, list[Any]] = {}
    for source, rows in groups.items():
        parts.setdefault(int(source == "c"), []).append([source, rows])
    return list(parts.items())


def compared(known: Known, graph: dict[tuple[str, str], list[Any]]) -> tuple[set[Any], set[Any]]:
    difference = known.compare(EDGE, exported(graph), read)
    keys = {(source, place[0]) for source, place in difference.edited}
    return keys, {(source, place[0]) for source, place in difference.gone}


def test_the_first_look_takes_numbered_rows_in_and_reports_the_rest() -> None:
    known = Known()
    graph = {("a", "x"): [1, "one"], ("a", "y"): [2, "two"], ("b", "x"): [None, "by hand"]}
    assert compared(known, graph) == ({("b", "x")}, set())


def test_a_row_whose_number_was_copied_from_another_is_an_edit() -> None:
    known = Known()
    graph = {("a", "x"): [1, "one"]}
    compared(known, graph)
    known.complete = 1
    graph["b", "x"] = [1, "one"]
    assert compared(known, graph) == ({("b", "x")}, set())


def test_our_own_newer_rows_are_no_edits() -> None:
    known = Known()
    graph = {("a", "x"): [1, "one"]}
    compared(known, graph)
    known.complete = 1
    graph |= {("a", "x"): [2, "changed by us"], ("a", "y"): [3, "added by us"]}
    assert compared(known, graph) == (set(), set())


def test_an_edit_to_a_row_that_was_handed_out_meanwhile_is_found() -> None:
    known = Known()
    compared(known, {("a", "x"): [1, "one"]})
    known.complete = 1
    known.saw(EDGE, "a", Row("y", "", 2, "ours"))
    known.saw(EDGE, "a", Row("y", "", 2, "as the other consumer read it later"))
    graph = {("a", "x"): [1, "one"], ("a", "y"): [2, "by hand"]}
    assert compared(known, graph) == ({("a", "y")}, set())


def test_what_is_reported_is_reported_again_until_it_is_settled() -> None:
    known = Known()
    graph = {("a", "x"): [1, "one"], ("a", "y"): [2, "two"]}
    compared(known, graph)
    graph["a", "x"] = [1, "by hand"]
    del graph["a", "y"]
    for _ in range(2):
        assert compared(known, graph) == ({("a", "x")}, {("a", "y")})
    known.settle(EDGE, "a", Row("x", "", 3, "by hand"))
    known.forget(EDGE, "a", ("y", ""))
    graph["a", "x"] = [3, "by hand"]
    assert compared(known, graph) == (set(), set())


def test_a_source_that_is_gone_is_reported_again_until_it_is_settled() -> None:
    known = Known()
    graph = {("a", "x"): [1, "one"], ("b", "x"): [2, "two"]}
    compared(known, graph)
    del graph["b", "x"]
    for _ in range(3):
        assert compared(known, graph) == (set(), {("b", "x")})
    known.forget(EDGE, "b", ("x", ""))
    assert compared(known, graph) == (set(), set())


def test_a_comparison_that_was_cut_off_hides_nothing_from_the_next() -> None:
    def cut_off(parts: list[tuple[int, list[Any]]]) -> Iterator[tuple[int, list[Any]]]:
        yield parts[0]
        raise OSError("the line is gone")

    known = Known()
    graph = {("a", "x"): [1, "one"], ("b", "x"): [2, "two"], ("c", "x"): [3, "three"]}
    compared(known, graph)
    del graph["b", "x"]
    graph["a", "x"] = [1, "by hand"]
    with pytest.raises(OSError, match="gone"):
        known.compare(EDGE, cut_off(exported(graph)), read)
    assert compared(known, graph) == ({("a", "x")}, {("b", "x")})


def test_of_relations_made_twice_the_numbered_one_counts() -> None:
    known = Known()
    rows = [(0, [("a", [["x", None, "twin"], ["x", 1, "one"], ["x", None, "twin"], [None, 4, "no key"]])])]
    difference = known.compare(EDGE, rows, read)
    assert not difference


def test_a_graph_that_is_not_ours_is_taken_in_as_it_is() -> None:
    known = Known()
    rows = exported({("a", "x"): [None, "theirs"]})
    assert not known.compare(EDGE, rows, read, adopt=True)
    known.complete = 5
    assert not known.compare(EDGE, rows, read)
    assert known.compare(EDGE, exported({("a", "x"): [None, "by hand"]}), read).edited


keys = st.tuples(st.sampled_from("abc"), st.sampled_from("xyz"))
steps = st.lists(
    st.tuples(st.sampled_from(["ours", "ours unseen", "bury", "add", "change", "delete", "glance", "look"]), keys),
    max_size=40,
)


@given(steps)
def test_every_hand_edit_is_found_and_nothing_else(actions: list[tuple[str, tuple[str, str]]]) -> None:
    """Against a naive twin: what the feed has handed out, compared row by row with what is there."""
    known, graph, number = Known(), {}, 0
    compared(known, graph)
    consumer: dict[tuple[str, str], Any] = {}
    pending: dict[tuple[str, str], int] = {}
    for at, (action, key) in enumerate([*actions, ("look", ("a", "x"))]):
        if action in ("ours", "ours unseen"):
            number += 1
            graph[key] = [number, f"ours {at}"]
            if action == "ours":
                known.saw(EDGE, key[0], Row(key[1], "", number, f"ours {at}"))
                consumer[key] = f"ours {at}"
                pending.pop(key, None)
            else:
                pending[key] = number
        elif action == "bury" and key in graph and graph[key][0] is not None and key not in pending:
            number += 1
            del graph[key]
            known.saw_buried(EDGE, key[0], (key[1], ""), number)
            consumer.pop(key, None)
        elif action == "add" and key not in graph and key not in pending:
            graph[key] = [None, f"hand {at}"]
        elif action == "change" and key in graph:
            graph[key] = [graph[key][0], f"hand {at}"]
        elif action == "delete" and key not in pending:
            graph.pop(key, None)
        elif action == "glance":  # and nothing comes of it: the database went away before it was journalled
            compared(known, graph)
        elif action == "look":
            edited, gone = compared(known, graph)
            differs = {k for k in graph if k not in pending and (k not in consumer or consumer[k] != graph[k][1])}
            assert differs <= edited
            assert edited - differs <= pending.keys()
            assert gone == consumer.keys() - graph.keys()
            known.complete = number
            for k in edited:
                number += 1
                graph[k][0] = number
                known.settle(EDGE, k[0], Row(k[1], "", number, graph[k][1]))
            for k in gone:
                known.forget(EDGE, k[0], (k[1], ""))
                number += 1
            known.complete = number
            consumer = {k: row[1] for k, row in graph.items()}  # the feed brings the rest
            for k, row in graph.items():
                known.saw(EDGE, k[0], Row(k[1], "", row[0], row[1]))
            pending.clear()
    assert compared(reloaded(known.dumped(), known.complete), graph) == (set(), set())


def reloaded(dumped: Iterable[tuple[Any, int, bytes]], complete: int) -> Known:
    known = Known()
    for table, _, content in dumped:
        known.load(table, content)
    known.complete = complete
    return known


def test_a_part_in_which_nothing_has_changed_is_not_read_again() -> None:
    def refused(_: Sequence[Any]) -> Row | None:
        raise AssertionError("it was read")

    known = Known()
    graph = {("a", "x"): [1, "one"], ("c", "x"): [2, "two"]}
    compared(known, graph)
    assert not known.compare(EDGE, exported(graph), refused)
    del graph["c", "x"]
    assert known.compare(EDGE, exported(graph), refused).gone == [("c", ("x", ""))]


def test_what_was_handed_out_since_is_compared_though_the_database_writes_it_as_before() -> None:
    known = Known()
    graph = {("a", "x"): [1, "one"]}
    compared(known, graph)
    known.complete = 1
    known.saw(EDGE, "a", Row("x", "", 2, "ours, and then undone by hand, number and all"))
    assert compared(known, graph) == ({("a", "x")}, set())


@given(st.lists(st.tuples(keys, st.booleans(), st.booleans()), max_size=60))
def test_buckets_that_changed_are_enough_to_keep_it_all(actions: list[tuple[tuple[str, str], bool, bool]]) -> None:
    known = Known()
    kept: dict[tuple[Any, int], bytes] = {}
    for number, ((source, target), there, save) in enumerate(actions, 1):
        if there:
            known.settle(EDGE, source, Row(target, "", number, number))
        else:
            known.forget(EDGE, source, (target, ""))
        if save:
            kept |= {(table, bucket): content for table, bucket, content in known.dumped(unsaved=True)}
            known.saved()
            again = reloaded(((table, bucket, content) for (table, bucket), content in kept.items()), 0)
            assert rows_of(again) == rows_of(known)
    assert rows_of(reloaded(known.dumped(), 0)) == rows_of(known)


def rows_of(known: Known) -> dict[tuple[str, str], Row]:
    every = ((key, known.row(EDGE, key[0], (key[1], ""))) for key in [(s, t) for s in "abc" for t in "xyz"])
    return {key: row for key, row in every if row is not None}


def test_the_commit_number_is_read_from_a_bookmark_and_another_form_is_none() -> None:
    assert transaction_id(["FB:kcwQ14itwuYoTzKiZI0GaWTGUAOQ"]) == 3
    assert transaction_id(["FB:kcwQ14itwuYoTzKiZI0GaWTGUMkAz5A="]) == 207
    for other in (["FB:kcwQ"], ["XX:kcwQ14itwuYoTzKiZI0GaWTGUAOQ"], ["not one"], [], ["FB:!!", "FB:!!"], ["FB:"]):
        assert transaction_id(other) is None


@given(st.binary(max_size=40))
def test_no_bookmark_breaks_the_reader(content: bytes) -> None:
    import base64

    transaction_id(["FB:" + base64.b64encode(content).decode()])
