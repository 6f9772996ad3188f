"""What-if: the same request before and after some edits that nobody else sees, and what became of the list."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from api.engine.answer import Answer, RankedItem, Reason
from api.engine.engine import Engine
from api.engine.questions.editing import edited, forked
from graph.records import Mutation


@dataclass(frozen=True, slots=True)
class Moved:
    """An item whose place differs; a rank is ``None`` where the item is not in the list."""

    item_id: str
    before: int | None
    after: int | None


@dataclass(frozen=True, slots=True)
class ChangedPath:
    """A reason that only one of the two lists gives for an item."""

    item_id: str
    change: Literal["gone", "new"]
    reason: Reason


@dataclass(frozen=True, slots=True)
class WhatIf:
    """Both answers, from one moment of the graph, and how they differ."""

    before: Answer
    after: Answer
    moved: tuple[Moved, ...]
    paths: tuple[ChangedPath, ...]


def what_if(engine: Engine, edits: Sequence[Mutation], ask: Callable[[Engine], Answer]) -> WhatIf:
    """``ask`` answered by the graph as it is and as it would be after ``edits``; nothing is written.

    Raises:
        SchemaError, InputError, NotFound: for edits that cannot be made, as
            :func:`api.engine.questions.editing.edited` says.
    """
    as_is = forked(engine.view)  # both answers are of this moment, whatever is written meanwhile
    before = ask(engine.over(as_is))
    after = ask(engine.over(edited(as_is, edits)))
    return WhatIf(before, after, moves(before, after), tuple(_changed_paths(before, after)))


def moves(before: Answer, after: Answer) -> tuple[Moved, ...]:
    """The items whose place differs: those of the list after by rank, then those that left."""
    old = {item.item_id: item.rank for item in before.items}
    new = {item.item_id: item.rank for item in after.items}
    ids = [*new, *(item_id for item_id in old if item_id not in new)]
    places = [Moved(item_id, old.get(item_id), new.get(item_id)) for item_id in ids]
    return tuple(place for place in places if place.before != place.after)


def _changed_paths(before: Answer, after: Answer) -> list[ChangedPath]:
    old, new = _paths(before.items), _paths(after.items)
    gone = [ChangedPath(key[0], "gone", reason) for key, reason in old.items() if key not in new]
    return gone + [ChangedPath(key[0], "new", reason) for key, reason in new.items() if key not in old]


def _paths(items: Sequence[RankedItem]) -> dict[tuple[str, str, object], Reason]:
    return {(item.item_id, reason.kind, reason.path.nodes): reason for item in items for reason in item.reasons}
