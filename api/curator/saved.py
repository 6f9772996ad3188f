"""One saved query."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

Group: TypeAlias = Literal["look", "check", "repair"]


@dataclass(frozen=True, slots=True)
class SavedQuery:
    """A query with its title, what it is good for, and whether it writes."""

    group: Group
    title: str
    purpose: str
    text: str
    writes: bool = False
