"""How one request wants its list steered, beside whom it is for."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from api.engine.steering.rules import Boost, Cap, Pin, Promotion, When


@dataclass(frozen=True, slots=True)
class Context:
    """Where and when the list is shown; rules can be bound to it. ``time_s`` is the engine's clock by default."""

    channel: str | None = None
    location: str | None = None
    time_s: float | None = None


@dataclass(frozen=True, slots=True)
class Calibration:
    """Lists whose mix of ``by`` is close to the mix of the user's history; ``strength`` 0 to 1."""

    by: str
    strength: float = 0.5


@dataclass(frozen=True, slots=True)
class Freshness:
    """Newer items weigh more: ``1 - strength`` of the weight stays, the rest halves every ``half_life_s``.

    ``by`` is a timestamp property of the item; ``None`` is allowed when there is only one.
    """

    by: str | None = None
    half_life_s: float = 30 * 86_400.0
    strength: float = 0.5


@dataclass(frozen=True, slots=True)
class Rotation:
    """Items shown lately weigh less: ``(1 - strength)`` times as much for every showing in ``shown``, newest first.

    The graph's own record of what was shown to the user (interactions of the kind ``impression``) is read too; a
    showing counts half as much after ``half_life_s``.
    """

    shown: tuple[str, ...] = ()
    strength: float = 0.3
    half_life_s: float = 86_400.0


@dataclass(frozen=True, slots=True)
class Steering:
    """What a request asks of its list. ``None`` leaves it to the scenario, then to the default.

    ``strict``: a short list rather than one filled up by popularity. ``diversity``: 0 the best items, 1 the most
    different ones.
    """

    filter: str | None = None
    strict: bool | None = None
    diversity: float | None = None
    boosts: tuple[Boost, ...] = ()
    promotions: tuple[Promotion, ...] = ()
    pins: tuple[Pin, ...] = ()
    caps: tuple[Cap, ...] = ()
    calibration: Calibration | None = None
    freshness: Freshness | None = None
    rotation: Rotation | None = None
    scenario: str | None = None
    context: Context = Context()


NO_STEERING = Steering()


def holds(when: When | None, steering: Steering, now_s: float) -> bool:
    """Whether a rule bound to ``when`` holds for a request."""
    if when is None:
        return True
    context = steering.context
    asked = ((when.scenario, steering.scenario), (when.channel, context.channel), (when.location, context.location))
    if any(wanted and given not in wanted for wanted, given in asked):
        return False
    moment = datetime.fromtimestamp(now_s if context.time_s is None else context.time_s, UTC)
    if (when.since is not None and moment < when.since) or (when.until is not None and moment >= when.until):
        return False
    if when.hours is None:
        return True
    first, last = when.hours
    inside = first <= moment.hour < last
    return inside if first <= last else moment.hour >= first or moment.hour < last
