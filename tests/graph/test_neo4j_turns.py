"""The two locks of :mod:`graph.neo4j.cypher.turns`, in small: every order in which chains, writers and readers can go.

The rules of :mod:`graph.neo4j.bulk.chain` without a database, walked to the end from every state that can be reached.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

import pytest

Step: TypeAlias = Literal["before", "locked", "written", "committed", "gone"]
_NOBODY = -1


@dataclass(frozen=True)
class Actor:
    """A link of a chain, or someone who takes both locks: a writer, or a reader who settles where the graph is."""

    before: int | None
    """The actor whose link comes before it, for the links of a chain."""
    turn: int | None
    """Which of the two locks; None for both."""
    after: int = 0
    """The last number before its own, as a link was told; for others what they have found."""
    writes: bool = True
    step: Step = "before"


@dataclass(frozen=True)
class State:
    actors: tuple[Actor, ...]
    numbers: tuple[int, int] = (0, 0)
    locks: tuple[int, int] = (_NOBODY, _NOBODY)
    rows: tuple[int, ...] = ()
    """The numbers of the rows that are committed, each actor writes one."""
    settled: int = 0
    """The largest number that a reader was told; it has read all rows up to there."""

    def with_actor(self, at: int, actor: Actor, **changes: object) -> State:
        actors = (*self.actors[:at], actor, *self.actors[at + 1 :])
        return replace(self, actors=actors, **changes)  # type: ignore[arg-type]


def steps(state: State, *, mistaken: bool = False) -> Iterator[State]:
    """Every state that one step of one actor leads to; ``mistaken`` links do not look at the number."""
    for at, actor in enumerate(state.actors):
        if actor.step in ("committed", "gone"):
            continue
        if actor.before is not None or actor.turn is not None:
            yield from _link_steps(state, at, actor, mistaken)
        else:
            yield from _other_steps(state, at, actor)


def _gone(state: State, at: int) -> State:
    locks = tuple(_NOBODY if holder == at else holder for holder in state.locks)
    return state.with_actor(at, replace(state.actors[at], step="gone"), locks=locks)


def _link_steps(state: State, at: int, actor: Actor, mistaken: bool) -> Iterator[State]:
    yield _gone(state, at)  # a process may end, or a server give up, at any time
    before = None if actor.before is None else state.actors[actor.before]
    turn = actor.turn
    assert turn is not None
    if actor.step == "before":
        if state.locks[turn] == _NOBODY and (before is None or before.step != "before"):
            locks = (at, state.locks[1]) if turn == 0 else (state.locks[0], at)
            expected = {actor.after} if before is None else {actor.after, before.after}
            if mistaken or max(state.numbers) in expected:
                yield state.with_actor(at, replace(actor, step="locked"), locks=locks)
    elif before is None or before.step == "committed":
        number = actor.after + 1
        numbers = (number, state.numbers[1]) if turn == 0 else (state.numbers[0], number)
        locks = tuple(_NOBODY if holder == at else holder for holder in state.locks)
        done = replace(actor, step="committed")
        yield state.with_actor(at, done, numbers=numbers, locks=locks, rows=(*state.rows, number))


def _other_steps(state: State, at: int, actor: Actor) -> Iterator[State]:
    if actor.step == "before" and state.locks[0] == _NOBODY:
        yield state.with_actor(at, replace(actor, step="locked"), locks=(at, state.locks[1]))
    elif actor.step == "locked" and state.locks[1] == _NOBODY:
        found = replace(actor, step="written", after=max(state.numbers))
        yield state.with_actor(at, found, locks=(at, at))
    elif actor.step == "written":
        free = (_NOBODY, _NOBODY)
        done = replace(actor, step="committed")
        if actor.writes:
            number = actor.after + 1
            numbers = (number, state.numbers[1])
            yield state.with_actor(at, done, numbers=numbers, locks=free, rows=(*state.rows, number))
        else:
            yield state.with_actor(at, done, locks=free, settled=actor.after)


def check(old: State, new: State) -> None:
    """Nothing; the step kept what the feed promises."""
    assert len(set(new.rows)) == len(new.rows), "a number was given twice"
    if len(new.rows) > len(old.rows):
        assert new.rows[-1] > old.settled, "a row came in below what a reader had read"
        assert new.rows[-1] > max(old.numbers), "a row came in below the mark that anybody may ask for"
    assert max(new.numbers) >= max(old.numbers)
    assert set(new.rows) == set(range(1, max(new.numbers) + 1)), "the mark says more than is there"


def walked(start: State, *, mistaken: bool = False) -> tuple[int, int]:
    """How many states there are, and how many have a chain that was written whole."""
    seen, todo, whole = {start}, [start], 0
    while todo:
        state = todo.pop()
        after = list(steps(state, mistaken=mistaken))
        others = [actor for actor in state.actors if actor.turn is None]
        if not after:
            assert all(actor.step == "committed" for actor in others), "somebody waits for ever"
        whole += all(actor.step == "committed" for actor in state.actors)
        for new in after:
            check(state, new)
            if new not in seen:
                seen.add(new)
                todo.append(new)
    return len(seen), whole


def chain(first: int, length: int, after: int = 0) -> list[Actor]:
    """Links whose places in the list of actors begin with ``first``."""
    return [Actor(None if number == 0 else first + number - 1, number % 2, after + number) for number in range(length)]


WRITER, READER = Actor(None, None), Actor(None, None, writes=False)


@pytest.mark.parametrize("others", [[WRITER], [READER], [WRITER, READER], [WRITER, WRITER, READER]], ids=len)
def test_one_chain_among_others(others: list[Actor]) -> None:
    states, whole = walked(State((*chain(0, 5), *others)))
    assert states > 100
    assert whole > 0


def test_two_chains_from_the_same_moment_and_a_reader() -> None:
    states, _ = walked(State((*chain(0, 3), *chain(3, 3), READER)))
    assert states > 100


def test_a_chain_from_an_older_moment_writes_nothing() -> None:
    start = State((*chain(0, 3), *chain(3, 3, after=1), READER), numbers=(1, 0), rows=(1,))
    states, _ = walked(start)
    assert states > 100


def test_the_walk_finds_a_chain_that_does_not_look() -> None:
    with pytest.raises(AssertionError, match="a number was given twice"):
        walked(State((*chain(0, 3), WRITER)), mistaken=True)
