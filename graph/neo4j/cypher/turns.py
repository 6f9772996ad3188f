"""The statements by which writers take turns and count: one lock for all, and a second beside it for a load.

A load may have two transactions open, each behind one of the two locks, and commits them in the order of their numbers.
So the number of the last change is always the larger of the two that lie beside the locks, and whoever holds both has
the graph to himself.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

from graph.neo4j.cypher.names import BATCH, META, TURN, Names

Turn: TypeAlias = Literal["first", "second"]


def _first(names: Names) -> str:
    return f"MATCH (m:{names.own(META)} {{name: 'graph'}})"


def _second(names: Names) -> str:
    """There is none before the first load that wants one."""
    return f"OPTIONAL MATCH (t:{names.own(TURN)})"


_NUMBER = "CASE WHEN t.sequence > m.sequence THEN t.sequence ELSE m.sequence END AS sequence"


def lock(names: Names) -> str:
    """Takes the writers' turn, which the end of the transaction gives back; then reads the counters.

    The order of the two locks is the same for everybody.
    """
    return f"""
        {_first(names)} SET m.locked = true
        WITH m {_second(names)} SET t.locked = true
        RETURN {_NUMBER}, m.version AS version
    """


def lock_one(names: Names, turn: Turn) -> str:
    """Takes one of the two locks; then reads the counters."""
    if turn == "first":
        return f"""
            {_first(names)} SET m.locked = true
            WITH m {_second(names)} RETURN {_NUMBER}, m.version AS version
        """
    return f"""
        MATCH (t:{names.own(TURN)}) SET t.locked = true
        WITH t {_first(names)} RETURN {_NUMBER}, m.version AS version
    """


def create_second(names: Names) -> str:
    """Makes the second lock, where it is missing; a commit of ours that changes no row."""
    return f"""
        {_first(names)} SET m.commits = m.commits + 1
        MERGE (t:{names.own(TURN)}) ON CREATE SET t.sequence = 0, t.commits = 0, t.locked = false
    """


def counters(names: Names) -> str:
    return f"""
        {_first(names)} {_second(names)}
        RETURN {_NUMBER}, m.commits + coalesce(t.commits, 0) AS commits, m.version AS version
    """


def finish(names: Names, turn: Turn = "first") -> str:
    """Counts this commit and remembers the batch: what a retry asks for, and what the feed names."""
    here = _first(names) if turn == "first" else f"MATCH (m:{names.own(TURN)})"
    return f"""
        {here} SET m.sequence = $last, m.commits = m.commits + 1
        CREATE (:{names.own(BATCH)} {{
            first: $first, last: $last, batch_id: $batch_id, actor: $actor, changed: $changed, token: $token,
            at_ms: timestamp()
        }})
    """


def find_tokens(names: Names) -> str:
    """Those of the batches that were committed."""
    return f"""
        UNWIND $tokens AS token MATCH (b:{names.own(BATCH)} {{token: token}})
        RETURN token, b.changed AS changed, b.last AS last
    """
