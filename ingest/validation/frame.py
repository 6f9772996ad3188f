"""A batch of rows under validation: columns with their faults, and the rows already refused."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ingest.readers.rows import Bools, Ints, Reject, Rows, shortened

LISTS = pa.list_(pa.string())


@dataclass(frozen=True)
class Fault:
    """Rows whose value in ``column`` cannot be used, as text aligned with the rows, and why."""

    column: str
    rows: Bools
    values: pa.Array
    reason: str
    remedy: str

    def taken(self, parents: Ints) -> Fault:
        """This fault for rows that stem from the rows ``parents``."""
        return Fault(self.column, self.rows[parents], self.values.take(pa.array(parents)), self.reason, self.remedy)


@dataclass(frozen=True)
class Column:
    """Values (null where empty or faulty), and which rows are faulty."""

    values: pa.Array
    faults: tuple[Fault, ...] = ()

    @property
    def is_list(self) -> bool:
        return bool(pa.types.is_list(self.values.type))


@dataclass
class Frame:
    """Rows of one table on their way to nodes and edges."""

    columns: dict[str, Column]
    lines: Ints
    refused: Bools
    rejects: list[Reject] = field(default_factory=list)

    @classmethod
    def of(cls, rows: Rows, null_values: tuple[str, ...]) -> Frame:
        columns = {name: Column(_without_null_values(values, null_values)) for name, values in rows.columns.items()}
        return cls(columns, rows.lines, np.zeros(len(rows), dtype=np.bool_))

    def __len__(self) -> int:
        return len(self.lines)

    def refuse(self, faults: tuple[Fault, ...], needed: Bools) -> None:
        """Refuses the rows of ``needed`` that are at fault; a row is reported once, for its first fault."""
        for fault in faults:
            rows = np.flatnonzero(fault.rows & needed & ~self.refused)
            self.refused[rows] = True
            for row in rows.tolist():
                value = shortened(fault.values[row].as_py())
                self.rejects.append(Reject(int(self.lines[row]), fault.column, value, fault.reason, fault.remedy))


def _without_null_values(values: pa.Array, null_values: tuple[str, ...]) -> pa.Array:
    if not pa.types.is_string(values.type):
        return values
    nothing = pc.equal(pc.binary_length(values), 0)
    if null_values:
        nothing = pc.or_kleene(nothing, pc.is_in(values, value_set=pa.array(null_values, pa.string())))
    if not pc.any(nothing).as_py():
        return values
    return pc.if_else(nothing, pa.scalar(None, pa.string()), values)


def as_text(values: pa.Array) -> pa.Array:
    """Values of any plain type as text; whole floats without a fraction (``17850.0`` is ``17850``)."""
    if pa.types.is_string(values.type):
        return values
    if pa.types.is_list(values.type):
        return pc.binary_join(values, " ")
    return values.cast(pa.string())


def bools(values: pa.Array) -> Bools:
    """A boolean Arrow array as numpy, null as false."""
    result: Bools = pc.fill_null(values, False).to_numpy(zero_copy_only=False).astype(np.bool_)
    return result
