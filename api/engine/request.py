"""What can be asked of the engine."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

from api.engine.phrases import Language
from api.engine.steering.asked import NO_STEERING, Steering
from graph.errors import InputError

MAX_N = 500

RelatedKind: TypeAlias = Literal["similar", "complementary", "bought_together", "cross_category"]
RELATED_KINDS: tuple[str, ...] = get_args(RelatedKind)

_UNIT_S = {"m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
_WINDOW = re.compile(r"([1-9][0-9]{0,4})([mhdw])")


@dataclass(frozen=True, slots=True)
class Event:
    """One event of a session that is not stored: what happened to which item, oldest events first."""

    item_id: str
    kind: str = "view"
    timestamp_s: int | None = None


@dataclass(frozen=True, slots=True)
class Interest:
    """What a newcomer says he likes: an item, or with ``type`` an attribute of items, e.g. ``Brand``."""

    id: str
    type: str | None = None


@dataclass(frozen=True, slots=True)
class Request:
    """What to recommend, and to whom.

    The history that is answered is the stored history of ``user_id``, then ``events`` by time (without a time:
    in the order given, after the others), then ``items``, the cart. ``interests`` come before all of them. Items of
    the cart and of ``exclude`` are never recommended.

    Raises:
        InputError: when ``n`` is not between 1 and 500.
    """

    user_id: str | None = None
    events: tuple[Event, ...] = ()
    items: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    interests: tuple[Interest, ...] = ()
    n: int = 10
    reasons: bool = False
    language: Language = "en"
    """Of the reasons."""
    repeat: bool | None = None
    """Whether seen items may be recommended again (groceries); ``None`` leaves it to the engine's policy."""
    steering: Steering = NO_STEERING
    """Filters, boosts, pins and what else steers the list."""

    def __post_init__(self) -> None:
        check_n(self.n)


def check_n(n: int) -> int:
    """``n`` itself when it is a list length the engine serves."""
    if not 1 <= n <= MAX_N:
        raise InputError("n is out of range", expected=f"1 to {MAX_N}", got=n)
    return n


def window_seconds(text: str) -> int:
    """The seconds of a window such as ``30m``, ``24h``, ``7d`` or ``4w``.

    Raises:
        InputError: when the text is not a number with one of these units.
    """
    match = _WINDOW.fullmatch(text)
    if match is None:
        raise InputError("the window cannot be read", expected="a number and m, h, d or w, e.g. 7d", got=text)
    return int(match[1]) * _UNIT_S[match[2]]
