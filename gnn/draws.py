"""Several random validation parts, where there are so few users that one of them would be a matter of luck."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from gnn.data import Interactions
from gnn.evaluation import asked_users
from gnn.operators import Operator
from gnn.splits import Split

DRAWS = 5
FEW_USERS = 2_000
"""Below so many validation users :data:`DRAWS` parts are drawn; above, one says as much."""
FEWEST_USERS = 20
"""Below so many users nothing is learned from what they choose, however often it is drawn."""


@dataclass(frozen=True)
class Draw:
    """One way to hold interactions back: what was learned from, what is asked, and the models fitted to the former."""

    operators: Mapping[str, Operator]
    train: Interactions
    validation: Interactions


def drawn_again(split: Split, *, ordered: bool) -> tuple[Split, ...]:
    """The further validation parts that a split needs, if any: only what is drawn at random can be drawn again."""
    if ordered or not split.is_random or not FEWEST_USERS <= asked_users(split.validation).size < FEW_USERS:
        return ()
    return tuple(split.redrawn(number) for number in range(1, DRAWS))
