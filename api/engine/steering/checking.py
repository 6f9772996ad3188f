"""What of a rules document does not fit the graph: filters it cannot read, items it does not hold."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from api.engine.filters import FilterError, FilterMasks
from api.engine.steering.grouping import Groups
from api.engine.steering.rules import Rules
from api.engine.steering.stages import names_nothing
from graph.view import GraphView


@dataclass(frozen=True, slots=True)
class Checked:
    """``problems``: what says nothing in this graph, by its place in the document. ``unknown_ids``: item ids."""

    problems: tuple[FilterError, ...]
    unknown_ids: tuple[str, ...]


def check_rules(rules: Rules, masks: FilterMasks, view: GraphView) -> Checked:
    """What of the rules does not fit the graph as it is now."""
    problems = []
    for place, text in _filters(rules):
        try:
            masks.check(text)
        except FilterError as error:
            error.field = place
            problems.append(error)
    problems += [names_nothing(place) for place in _empty(rules)]
    for number, cap in enumerate(rules.caps):
        try:
            Groups(view, cap.by, f"caps[{number}].by")
        except FilterError as error:
            problems.append(error)
    item_type = view.schema.item_type
    unknown = [item_id for item_id in dict.fromkeys(_items(rules)) if view.index_of(item_type, item_id) is None]
    return Checked(tuple(problems), tuple(unknown))


def _filters(rules: Rules) -> Iterator[tuple[str, str]]:
    for name in ("boosts", "promotions", "hidden"):
        for number, rule in enumerate(getattr(rules, name)):
            if rule.filter is not None:
                yield f"{name}[{number}].filter", rule.filter
    for name, scenario in rules.scenarios.items():
        if scenario.filter is not None:
            yield f"scenarios.{name}.filter", scenario.filter


def _empty(rules: Rules) -> Iterator[str]:
    for number, promotion in enumerate(rules.promotions):
        if promotion.filter is None and not promotion.items:
            yield f"promotions[{number}]"
    for number, hide in enumerate(rules.hidden):
        if hide.filter is None and not hide.items:
            yield f"hidden[{number}]"


def _items(rules: Rules) -> Iterator[str]:
    for pin in rules.pins:
        yield pin.item_id
    for promotion in rules.promotions:
        yield from promotion.items
    for hide in rules.hidden:
        yield from hide.items
