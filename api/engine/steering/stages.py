"""From what a request asks and the rules in force to the stage of one moment."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

import numpy as np

from api.engine.filters import FilterError, FilterMasks
from api.engine.filters.values import Mask
from api.engine.steering.asked import NO_STEERING, Steering, holds
from api.engine.steering.grouping import Groups
from api.engine.steering.rules import NO_RULES, Boost, Cap, Hide, Pin, Promotion, Rules, Scenario
from api.engine.steering.stage import Applied, Capped, Pinned, Promoted, Removal, Removing, Stage, Weighing
from api.engine.steering.weighing import freshness, rotation
from api.engine.watching import stage
from graph.schema import HIDDEN, GraphSchema, PropertyKind
from graph.view import GraphView

_NOT_HIDDEN = f"not {HIDDEN} = true"
_PLAIN = Scenario()


class Stages:
    """Makes stages. Safe to use from several threads.

    ``rules`` gives the rules in force; it is asked at every request, so a change counts in the next answer.
    """

    def __init__(self, schema: GraphSchema, rules: Callable[[], Rules] = lambda: NO_RULES) -> None:
        self.masks = FilterMasks(schema)
        self._schema = schema
        self._rules = rules
        self._item_type = schema.item_type
        self._hides = schema.node(schema.item_type).properties.get(HIDDEN) is PropertyKind.BOOLEAN
        self._plain: tuple[object, Stage] | None = None

    @stage("rules")
    def of(
        self,
        view: GraphView,
        num_items: int,
        steering: Steering = NO_STEERING,
        *,
        user_index: int = -1,
        now_s: float = 0.0,
    ) -> Stage:
        """The stage of a request over a frozen view; ``user_index`` is who asks, ``now_s`` the time.

        A rule that does not fit the graph any more says nothing; what the request itself asks must fit.

        Raises:
            FilterError: when a filter of the request cannot be used; ``field`` says which.
        """
        rules = self._rules()
        if rules is NO_RULES and steering is NO_STEERING:
            return self._unsteered(view, num_items)
        scenario = rules.scenarios.get(steering.scenario or "", _PLAIN)
        steering = _with_defaults(steering, scenario)
        making = _Making(self.masks, view, num_items, steering, now_s)
        removing = []
        if self._hides:
            removing.append(Removing(Removal("hidden", HIDDEN), making.mask(_NOT_HIDDEN)))
        if steering.filter is not None:
            removing.append(Removing(Removal("filter", steering.filter), making.asked(steering.filter, "filter")))
        if scenario.filter is not None:
            removing += making.hidden([Hide(filter=f"not ({scenario.filter})", name=f"scenario {steering.scenario}")])
        removing += making.hidden(rules.hidden)
        return Stage(
            num_items,
            removing=tuple(removing),
            weighing=(
                *making.boosts(rules.boosts, own=False),
                *making.boosts(steering.boosts, own=True),
                *making.varying(user_index),
            ),
            promotions=(
                *making.promotions(rules.promotions, own=False),
                *making.promotions(steering.promotions, own=True),
            ),
            pins=_first_of_each_rank((*making.pins(steering.pins, own=True), *making.pins(rules.pins, own=False))),
            caps=(*making.caps(rules.caps, own=False), *making.caps(steering.caps, own=True)),
            strict=bool(steering.strict),
            diversity=steering.diversity or 0.0,
            calibration=steering.calibration,
            unknown_ids=tuple(dict.fromkeys(making.unknown)),
        )

    def _unsteered(self, view: GraphView, num_items: int) -> Stage:
        """What hides items by themselves; the same object for as long as no item changes."""
        state, kept = view.state_of(self._item_type) if self._hides else None, self._plain
        if kept is not None and kept[0] is state and kept[1].num_items == num_items:
            return kept[1]
        removing: tuple[Removing, ...] = ()
        if self._hides:
            shown = self.masks(view, _NOT_HIDDEN)
            removing = () if shown.all() else (Removing(Removal("hidden", HIDDEN), shown),)
        made = Stage(num_items, removing=removing)
        self._plain = (state, made)
        return made


class _Making:
    def __init__(self, masks: FilterMasks, view: GraphView, num_items: int, steering: Steering, now_s: float) -> None:
        self._masks = masks
        self._view = view
        self._num_items = num_items
        self._steering = steering
        self._now_s = now_s
        self.unknown: list[str] = []

    def mask(self, text: str) -> Mask:
        """Which items fit a filter."""
        return self._masks(self._view, text)

    def asked(self, text: str, field: str) -> Mask:
        """The mask of a filter of the request, whose errors name their field."""
        try:
            return self.mask(text)
        except FilterError as error:
            error.field = field
            raise

    def hidden(self, rules: Iterable[Hide]) -> list[Removing]:
        found = []
        for rule in rules:
            if holds(rule.when, self._steering, self._now_s):
                fits = self._of_rule(rule.filter, rule.items)
                name = rule.name or rule.filter or "items"
                found.append(Removing(Removal("rule", name), ~fits))
        return found

    def boosts(self, boosts: Iterable[Boost], *, own: bool) -> list[Weighing]:
        found = []
        for number, boost in enumerate(boosts):
            if holds(boost.when, self._steering, self._now_s):
                fits = self.asked(boost.filter, f"boosts[{number}].filter") if own else self._of_rule(boost.filter, ())
                found.append(Weighing(Applied(boost.name or boost.filter, boost.factor), fits))
        return found

    def varying(self, user_index: int) -> list[Weighing]:
        """The weights that differ by item: freshness and rotation."""
        found = []
        if self._steering.freshness is not None:
            found.append(freshness(self._view, self._steering.freshness, self._now_s))
        if self._steering.rotation is not None:
            shown = rotation(self._view, self._steering.rotation, user_index, self._now_s)
            found += [] if shown is None else [shown]
        return found

    def promotions(self, promotions: Iterable[Promotion], *, own: bool) -> list[Promoted]:
        found = []
        for number, promotion in enumerate(promotions):
            if holds(promotion.when, self._steering, self._now_s):
                if own and promotion.filter is not None:
                    self.asked(promotion.filter, f"promotions[{number}].filter")
                elif own and not promotion.items:
                    raise names_nothing(f"promotions[{number}]")
                fits = self._of_rule(promotion.filter, promotion.items, tell=own)
                found.append(Promoted(promotion.name, fits, promotion.at_most, promotion.positions))
        return found

    def pins(self, pins: Iterable[Pin], *, own: bool) -> list[Pinned]:
        found = []
        for pin in pins:
            if holds(pin.when, self._steering, self._now_s):
                row = self._row(pin.item_id, tell=own)
                if row is not None:
                    found.append(Pinned(row, pin.rank, pin.name or "pin"))
        return found

    def caps(self, caps: Iterable[Cap], *, own: bool) -> list[Capped]:
        found = []
        for number, cap in enumerate(caps):
            if holds(cap.when, self._steering, self._now_s):
                try:
                    found.append(Capped(Groups(self._view, cap.by, f"caps[{number}].by"), cap.at_most))
                except FilterError:
                    if own:
                        raise
        return found

    def _of_rule(self, text: str | None, items: tuple[str, ...], *, tell: bool = False) -> Mask:
        """The items a rule names, by filter and one by one; none where its filter does not fit the graph."""
        try:
            fits = np.zeros(self._num_items, bool) if text is None else self.mask(text)
        except FilterError:
            fits = np.zeros(self._num_items, bool)
        if not items:
            return fits
        rows = [row for item_id in items if (row := self._row(item_id, tell=tell)) is not None]
        fits = fits.copy()
        fits[rows] = True
        return fits

    def _row(self, item_id: str, *, tell: bool) -> int | None:
        row = self._view.index_of(self._view.schema.item_type, item_id)
        if row is None or row >= self._num_items:
            if tell:
                self.unknown.append(item_id)
            return None
        return row


def _with_defaults(steering: Steering, scenario: Scenario) -> Steering:
    return replace(
        steering,
        strict=scenario.strict if steering.strict is None else steering.strict,
        diversity=scenario.diversity if steering.diversity is None else steering.diversity,
    )


def names_nothing(place: str) -> FilterError:
    """The error of a rule that is about no items."""
    error = FilterError("the rule names no items", column=1, expected="filter or items")
    error.field = place
    return error


def _first_of_each_rank(pins: tuple[Pinned, ...]) -> tuple[Pinned, ...]:
    taken: dict[int, Pinned] = {}
    for pin in pins:
        if pin.rank not in taken and all(pin.item_index != other.item_index for other in taken.values()):
            taken[pin.rank] = pin
    return tuple(taken[rank] for rank in sorted(taken))
