"""What does not fit the schema in a graph that people edit by hand: where it is, why, and how to put it right."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that takes no part in answers.

    ``kind`` is stable: ``unknown_label``, ``several_labels``, ``missing_id``, ``unusable_id``, ``unknown_property``,
    ``wrong_type``, ``unknown_relation``, ``wrong_ends``, ``parallel_relation``. ``where`` names the node or the
    relation as a person would look for it; ``fix`` is what to run or to do.
    """

    kind: str
    where: str
    reason: str
    fix: str


@runtime_checkable
class Checked(Protocol):
    """What a store offers beside the protocol when others than Kindred can write to it."""

    def problems(self, limit: int = 100) -> Sequence[Problem]:
        """Up to ``limit`` problems of each kind, in a stable order; empty for a graph that fits its schema."""
        ...


def problems_of(store: object, limit: int = 100) -> Sequence[Problem]:
    """The problems of a store; none where every write passes the schema."""
    return store.problems(limit) if isinstance(store, Checked) else ()
