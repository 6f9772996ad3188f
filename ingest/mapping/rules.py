"""Rules: which node or edge a row of a table becomes."""

from __future__ import annotations

from typing import Annotated, Literal, Self, TypeAlias

from pydantic import Field, model_validator

from graph.schema import NodeTypeName, PropertyName, RelationName
from ingest.mapping.base import TEXT_KEYS, ColumnName, Part, Text
from ingest.mapping.cells import CellLike, Conditions, TimeLike

EdgeLabel: TypeAlias = Annotated[str, Field(min_length=1)]
"""The name of an edge type under `graph.edges`."""


class NodeRule(Part):
    """A node for each row (for each value, when `id` is a list)."""

    type: NodeTypeName
    id: CellLike
    when: Conditions = ()
    empty: Literal["skip", "quarantine"] = Field("quarantine", description="What an empty id does.")
    properties: dict[PropertyName, CellLike | TimeLike] = Field(default_factory=dict)


class EdgeRule(Part):
    """An edge for each row (for each value, when an end is a list).

    The type is `type`, or it hangs on a cell: `by` and `cases` (value → type).
    """

    type: EdgeLabel | None = None
    by: CellLike | None = None
    cases: Annotated[dict[Text, EdgeLabel], TEXT_KEYS] = Field(default_factory=dict)
    otherwise: Literal["filter", "quarantine"] = Field("filter", description="For a `by` that is in no case.")
    source: CellLike
    target: CellLike
    when: Conditions = ()
    weight: CellLike | None = None
    timestamp: TimeLike | None = None
    qualifier: CellLike | None = None
    properties: dict[PropertyName, CellLike | TimeLike] = Field(default_factory=dict)
    empty: Literal["skip", "quarantine"] = Field("quarantine", description="What an empty end does.")
    missing: Literal["create", "filter", "quarantine"] | None = Field(
        None,
        description="What an end does that no node rule describes. Default: quarantine when a node rule for its "
        "type exists, create when none does.",
    )

    @model_validator(mode="after")
    def _has_a_type(self) -> Self:
        if (self.type is None) == (self.by is None):
            raise ValueError("an edge rule needs either `type`, or `by` with `cases`")
        if (self.by is None) == bool(self.cases):
            raise ValueError("`by` and `cases` belong together")
        return self

    @property
    def labels(self) -> tuple[str, ...]:
        return (self.type,) if self.type is not None else tuple(dict.fromkeys(self.cases.values()))


class HierarchyRule(Part):
    """Nodes for every level of a path, and an edge from each level to the one above it.

    `path` is a cell with `path: {levels: all}`, or a list whose values are the levels' ids, highest first.
    """

    type: NodeTypeName
    edge: EdgeLabel
    path: CellLike
    title: PropertyName | None = Field(None, description="Gets the last part of each level's path.")
    when: Conditions = ()


class NextItems(Part):
    """`NEXT` edges between items, from the order of each user's positive interactions.

    The weight of an edge is the sum over users of 1/gap, for gaps up to `max_gap`.
    """

    relation: RelationName = "NEXT"
    interactions: tuple[EdgeLabel, ...] = Field((), description="Default: every positive one that is not held out.")
    max_gap: int = Field(3, ge=1, le=10)
    words: str = "often chosen next"


class Derivations(Part):
    """Edges computed from others once all rows are in."""

    next: NextItems | None = None


__all__ = ["ColumnName", "Derivations", "EdgeLabel", "EdgeRule", "HierarchyRule", "NextItems", "NodeRule"]
