"""What became of what was given: clicks and conversions by kind of list, by source, by release and by rank."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from api.events.given import Given, Outcome, Record

CLICKS = frozenset({"view", "click"})
WINDOW_S = 7 * 86_400
"""An event counts for a list given at most so long before it."""
RANKS = ((1, 1), (2, 3), (4, 10), (11, 500))


@dataclass
class Tally:
    """Counts of one group. Items and their outcomes are shared among an item's sources, so they may be fractions.

    Sources and ranks count items only, no lists.
    """

    lists: int = 0
    shown: float = 0.0
    clicks: float = 0.0
    conversions: float = 0.0
    value: float = 0.0
    lists_clicked: int = 0
    lists_converted: int = 0

    def to_json(self) -> dict[str, float | int | None]:
        """Counts and rates; a rate of nothing is null. ``ctr`` and ``conversion`` are per item shown."""
        return {
            "lists": self.lists,
            "items_shown": round(self.shown, 2),
            "clicks": round(self.clicks, 2),
            "conversions": round(self.conversions, 2),
            "value": round(self.value, 2),
            "ctr": _rate(self.clicks, self.shown),
            "conversion": _rate(self.conversions, self.shown),
            "list_ctr": _rate(self.lists_clicked, self.lists),
            "list_conversion": _rate(self.lists_converted, self.lists),
        }


@dataclass
class Report:
    """The tallies by group; ``unmatched`` counts events whose list is unknown, too old, or did not hold the item."""

    total: Tally = field(default_factory=Tally)
    by_kind: dict[str, Tally] = field(default_factory=dict)
    by_source: dict[str, Tally] = field(default_factory=dict)
    by_release: dict[str, Tally] = field(default_factory=dict)
    by_rank: dict[str, Tally] = field(default_factory=dict)
    unmatched: int = 0

    def to_json(self) -> dict[str, object]:
        groups = {"kind": self.by_kind, "source": self.by_source, "release": self.by_release, "rank": self.by_rank}
        named = {f"by_{name}": {key: tally.to_json() for key, tally in group.items()} for name, group in groups.items()}
        return {"total": self.total.to_json(), **named, "unmatched_events": self.unmatched}


def report_on(records: Iterable[Record], *, window_s: float = WINDOW_S) -> Report:
    """Joins lists with the events that carry their id.

    An item counts once as clicked and once as converted per list, however often; an event that repeats counts once.
    A conversion is any event that is not a click: a cart, a purchase, a rating.
    """
    given: dict[str, Given] = {}
    outcomes: dict[str, Outcome] = {}
    for record in records:
        if isinstance(record, Given):
            given[record.id] = record
        else:
            outcomes.setdefault(record.event, record)
    report = Report()
    for one in given.values():
        _count_given(report, one)
    done: set[tuple[str, str, bool]] = set()
    for outcome in outcomes.values():
        origin = given.get(outcome.id)
        late = origin is not None and not 0 <= outcome.t - origin.t + 1000 <= window_s * 1000 + 1000
        if origin is None or late or outcome.item not in origin.items:
            report.unmatched += 1
            continue
        _count_outcome(report, origin, outcome, done)
    return report


def _count_given(report: Report, given: Given) -> None:
    for tally in (report.total, _of(report.by_kind, given.kind), _of(report.by_release, given.release)):
        tally.lists += 1
        tally.shown += len(given.items)
    for at, sources in enumerate(given.sources):
        _of(report.by_rank, _rank_name(at + 1)).shown += 1
        for name, share in _shared(sources):
            _of(report.by_source, name).shown += share


def _count_outcome(report: Report, given: Given, outcome: Outcome, done: set[tuple[str, str, bool]]) -> None:
    click = outcome.kind in CLICKS
    at = given.items.index(outcome.item)
    tallies = [
        (report.total, 1.0),
        (_of(report.by_kind, given.kind), 1.0),
        (_of(report.by_release, given.release), 1.0),
        (_of(report.by_rank, _rank_name(at + 1)), 1.0),
        *((_of(report.by_source, name), share) for name, share in _shared(given.sources[at])),
    ]
    if not click:
        for tally, share in tallies:
            tally.value += share * outcome.value
    if (given.id, outcome.item, click) in done:
        return
    first_of_list = (given.id, "", click) not in done
    done |= {(given.id, outcome.item, click), (given.id, "", click)}
    for number, (tally, share) in enumerate(tallies):
        if click:
            tally.clicks += share
        else:
            tally.conversions += share
        if first_of_list and number < 3:  # total, kind and release count whole lists
            tally.lists_clicked += click
            tally.lists_converted += not click


def _shared(sources: tuple[str, ...]) -> list[tuple[str, float]]:
    return [(name, 1.0 / len(sources)) for name in sources]


def _rank_name(rank: int) -> str:
    return next(f"{low}-{high}" if low != high else str(low) for low, high in RANKS if low <= rank <= high)


def _of(group: dict[str, Tally], name: str) -> Tally:
    return group.setdefault(name, Tally())


def _rate(count: float, of: float) -> float | None:
    return round(count / of, 5) if of else None
