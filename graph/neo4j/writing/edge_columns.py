"""What an upsert of edges says, checked and column by column."""

from __future__ import annotations

from dataclasses import dataclass

from graph.records import UpsertEdges, Value
from graph.schema import EdgeSpec
from graph.values import checked_properties, column_list, edge_ids, timestamp_list, weight_list


@dataclass(frozen=True, slots=True)
class EdgeColumns:
    """Columns of one length; ``qualifiers``, ``times`` and ``patches`` are None where no row has any."""

    source_ids: list[str]
    target_ids: list[str]
    qualifiers: list[str] | None
    weight: list[float] | float
    times: list[int | None] | None
    patches: list[dict[str, Value]] | None

    @property
    def rows(self) -> int:
        return len(self.source_ids)

    @property
    def keys(self) -> list[tuple[str, str, str]]:
        """Source, target and qualifier of each edge."""
        qualifiers = [""] * self.rows if self.qualifiers is None else self.qualifiers
        return list(zip(self.source_ids, self.target_ids, qualifiers, strict=True))


def edge_columns(spec: EdgeSpec, mutation: UpsertEdges) -> EdgeColumns:
    """The mutation's columns. The ids of the ends are texts; whether they can be stored is for the caller to ask.

    Raises:
        InputError: when a column does not fit, or holds what cannot be stored.
        SchemaError: for a property the type does not have.
    """
    source_ids, target_ids, qualifiers = edge_ids(mutation)
    rows = len(source_ids)
    if qualifiers is not None and set(qualifiers) <= {""}:
        qualifiers = None
    patches: list[dict[str, Value]] | None = None
    if mutation.properties is not None:
        where = "-".join(spec.edge_type)
        column = column_list(mutation.properties, "properties", rows)
        patches = [checked_properties(spec.properties, properties, where) for properties in column]
    weight, times = weight_list(mutation.weight, rows), timestamp_list(mutation.timestamp_ms, rows)
    return EdgeColumns(source_ids, target_ids, qualifiers, weight, times, patches)
