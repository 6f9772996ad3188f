"""``kindred report``: what became of what was recommended."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from api.command.options import JsonOption, settings_with
from api.command.terminal import output, print_json, print_rows
from api.events.attribution import WINDOW_S

if TYPE_CHECKING:
    from api.events.attribution import Tally

WindowOption = Annotated[float, typer.Option("--window", help="Days after a list in which an event counts for it.")]


def report(
    days: Annotated[
        float, typer.Option("--window", help="Days after a list in which an event counts for it.")
    ] = WINDOW_S / 86_400,
    as_json: JsonOption = False,
) -> None:
    """Count clicks and conversions of given lists by kind, source, release and rank.

    Events count when they carry the recommendation_id of the answer they came from.

    Example: kindred report --window 7
    """

    from api.events.attribution import report_on
    from api.events.given import read_given
    from api.settings import given_folder

    found = report_on(read_given(given_folder(settings_with())), window_s=days * 86_400)
    if as_json:
        print_json(found.to_json())
        return
    groups = (("all lists", {"": found.total}), ("kind", found.by_kind), ("source", found.by_source))
    for name, group in (*groups, ("release", found.by_release), ("rank", found.by_rank)):
        head = (name, "lists", "items shown", "clicks", "conversions", "CTR", "conversion", "value")
        print_rows(head, [(key, *_cells(tally)) for key, tally in sorted(group.items())])
    output.print(f"{found.unmatched} events named a list that is not kept, too old, or without their item")


def _cells(tally: Tally) -> tuple[str, ...]:
    document = tally.to_json()
    counts = tuple(f"{document[key]:,}" for key in ("lists", "items_shown", "clicks", "conversions"))
    rates = tuple("–" if (rate := document[key]) is None else f"{rate:.2%}" for key in ("ctr", "conversion"))
    return (*counts, *rates, f"{document['value']:,}")
