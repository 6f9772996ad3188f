"""What to show to someone without a history: what he says he likes, and what people like him chose."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from api.engine.filters import FilterError, FilterMasks
from api.engine.filters.values import Mask
from api.engine.reading import learned_interactions
from api.engine.request import Interest
from api.engine.sources.current import Sources
from api.engine.steering.stage import Applied, Weighing
from gnn.data.histories import FloatArray, IntArray
from graph.schema import EdgeRole, PropertyKind
from graph.view import GraphView

TYPICAL_ITEMS = 3
"""The most popular items of a picked attribute stand for it in the history that is answered."""
INTEREST_FACTOR = 2.0
"""How much more an item of a picked attribute weighs."""
MIN_PEOPLE = 20
"""A trait of fewer people says nothing, and would say something of them."""
PRIOR_PEOPLE = 20.0
_DECADE = 10
_MANY = 20


@dataclass(frozen=True, slots=True)
class Interests:
    """A newcomer's picks, read. ``items`` were picked themselves, ``typical`` ones stand for picked attributes."""

    items: IntArray
    typical: IntArray
    weighing: tuple[Weighing, ...]
    unknown_ids: tuple[str, ...]


NO_INTERESTS = Interests(np.empty(0, np.int32), np.empty(0, np.int32), (), ())


def read_interests(view: GraphView, sources: Sources, masks: FilterMasks, interests: tuple[Interest, ...]) -> Interests:
    """What some picks mean in this graph; those it does not hold are named.

    Raises:
        FilterError: for a type that items are not joined to.
    """
    if not interests:
        return NO_INTERESTS
    items: list[int] = []
    typical: list[int] = []
    weighing: list[Weighing] = []
    unknown: list[str] = []
    for number, interest in enumerate(interests):
        if interest.type is None:
            row = view.index_of(view.schema.item_type, interest.id)
            items += [] if row is None else [row]
            unknown += [interest.id] if row is None else []
            continue
        try:
            fits = masks(view, equal_to(interest.type, interest.id)) & sources.allowed
        except FilterError as error:
            error.field = f"interests[{number}].type"
            raise
        if not fits.any():
            unknown.append(interest.id)
            continue
        order = sources.by_popularity
        typical += order[fits[order]][:TYPICAL_ITEMS].tolist()
        weighing.append(Weighing(Applied(f"interest: {interest.id}", INTEREST_FACTOR), fits))
    return Interests(np.asarray(items, np.int32), np.asarray(typical, np.int32), tuple(weighing), tuple(unknown))


def equal_to(name: str, text: str) -> str:
    """The filter ``name = "text"`` for any name and text."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'`{name.replace("`", "")}` = "{escaped}"'


class Demographics:
    """What people of the same traits chose: the user's properties and attributes, when the graph has them.

    Counted over the snapshot, each trait once. Safe to use from several threads.
    """

    def __init__(self, view: GraphView) -> None:
        self._schema = view.schema
        self._snapshot = view.snapshot
        self._base = GraphView(view.snapshot)
        self._lock = threading.Lock()
        self._counted: dict[tuple[str, object], FloatArray | None] = {}

    def scores(self, view: GraphView, user_index: int, num_items: int) -> FloatArray | None:
        """How many of the people with each of the user's traits chose an item, as a share, averaged over the traits.

        Shares are drawn towards everyone's by :data:`PRIOR_PEOPLE` people. ``None`` when no trait of the user is
        shared by :data:`MIN_PEOPLE`. Shape (I,).
        """
        told = [counted for trait in self._traits(view, user_index) if (counted := self._of(trait)) is not None]
        if not told:
            return None
        scores = np.zeros(num_items, np.float32)
        known = np.mean(told, axis=0)
        scores[: known.size] = known
        return scores

    def _traits(self, view: GraphView, user_index: int) -> Iterator[tuple[str, object]]:
        user = self._schema.user_type
        kinds = self._schema.node(user).properties
        for name, value in view.properties(user, user_index).items():
            if kinds[name] in (PropertyKind.STRING, PropertyKind.BOOLEAN, PropertyKind.INTEGER):
                yield name, value
        for spec in self._schema.edges:
            if spec.source == user and spec.role in (EdgeRole.ATTRIBUTE, EdgeRole.KNOWLEDGE):
                for row in view.ends(spec.edge_type, user_index).tolist():
                    yield spec.relation, row

    def _of(self, trait: tuple[str, object]) -> FloatArray | None:
        with self._lock:
            if trait not in self._counted:
                self._counted[trait] = self._count(self._people(trait))
            return self._counted[trait]

    def _people(self, trait: tuple[str, object]) -> Mask:
        """Who has a trait, in the snapshot. Shape (U,)."""
        name, value = trait
        user = self._schema.user_type
        table = self._snapshot.nodes(user)
        if name in self._schema.node(user).properties:
            column = table.column(name)
            if isinstance(value, int) and not isinstance(value, bool) and pc.count_distinct(column).as_py() > _MANY:
                low = value // _DECADE * _DECADE
                fits = pc.and_(pc.greater_equal(column, low), pc.less(column, low + _DECADE))
            else:
                fits = pc.equal(column, pa.scalar(value))
            return np.asarray(pc.fill_null(fits, False).to_numpy(zero_copy_only=False), bool)
        people = np.zeros(len(table), bool)
        for spec in self._schema.edges:
            if spec.source == user and spec.relation == name:
                into = self._snapshot.edges(spec.edge_type).into
                if isinstance(value, int) and value < into.indptr.size - 1:
                    people[into.row(value)] = True
        return people

    def _count(self, people: Mask) -> FloatArray | None:
        if int(people.sum()) < MIN_PEOPLE:
            return None
        total = np.zeros(len(self._snapshot.nodes(self._schema.item_type)))
        everyone = np.zeros_like(total)
        for spec in learned_interactions(self._schema):
            matrix = self._base.matrix(spec.edge_type)
            everyone += np.bincount(matrix.indices, minlength=total.size)
            total += np.bincount(matrix[np.flatnonzero(people)].indices, minlength=total.size)
        share = everyone / max(people.size, 1)
        return np.asarray((total + PRIOR_PEOPLE * share) / (people.sum() + PRIOR_PEOPLE), np.float32)
