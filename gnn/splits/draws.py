"""Several validation parts, where there are so few users that one of them would be a matter of luck."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from gnn.data import Interactions
from gnn.evaluation import asked_users
from gnn.operators import Operator
from gnn.splits import Split

DRAWS = 5
FEW_USERS = 2_000
"""Below so many validation users :data:`DRAWS` random parts are drawn; above, one says as much."""
WINDOWS = 4
FEW_IN_WINDOW = 500
"""Below so many validation users :data:`WINDOWS` windows in time are asked, one before the other."""
LEAST_LEFT = 0.4
"""The share of the training part that the earliest window has to leave to learn from."""
FEWEST_USERS = 20
"""Below so many users nothing is learned from what they choose, however often it is drawn."""


@dataclass(frozen=True)
class Draw:
    """One way to hold interactions back: what was learned from, what is asked, and the models fitted to the former."""

    operators: Mapping[str, Operator]
    train: Interactions
    validation: Interactions


def drawn_again(split: Split, *, ordered: bool) -> tuple[Split, ...]:
    """The further validation parts that a split needs: draws of a random one, earlier windows of one in time."""
    asked = asked_users(split.validation).size
    if split.is_random and not ordered and FEWEST_USERS <= asked < FEW_USERS:
        return tuple(split.redrawn(number) for number in range(1, DRAWS))
    if split.is_temporal and FEWEST_USERS <= asked < FEW_IN_WINDOW:
        earlier = (split.redrawn(number) for number in range(1, WINDOWS))
        return tuple(window for window in earlier if _says_enough(window, split))
    return ()


def _says_enough(window: Split, split: Split) -> bool:
    enough_left = len(window.train) >= LEAST_LEFT * len(split.train)
    return enough_left and asked_users(window.validation).size >= FEWEST_USERS
