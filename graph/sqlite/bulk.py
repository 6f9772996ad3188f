"""Loading many mutations fast: large transactions, and the edges' indexes built once at the end."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields, replace

from graph.records import DeleteNodes, Mutation

BLOCK_ROWS = 250_000
"""Rows written in one transaction; also how long others wait for their turn: a second or two."""

_COLUMNS = {
    "node_ids",
    "source_ids",
    "target_ids",
    "qualifiers",
    "weight",
    "timestamp_ms",
    "properties",
    "expected_version",
}


@dataclass(slots=True)
class Block:
    """Mutations to write in one transaction."""

    mutations: list[Mutation]
    rows: int = 0

    @property
    def needs_indexes(self) -> bool:
        """Whether it has to find edges by their target."""
        return any(isinstance(mutation, DeleteNodes) for mutation in self.mutations)


def blocks(mutations: Iterable[Mutation], rows: int = BLOCK_ROWS) -> Iterator[Block]:
    """The mutations in order, cut and gathered into blocks of about ``rows`` rows."""
    block = Block([])
    for mutation in mutations:
        for piece in _pieces(mutation, rows):
            block.mutations.append(piece)
            block.rows += max(1, *_lengths(piece))
            if block.rows >= rows:
                yield block
                block = Block([])
    if block.mutations:
        yield block


def _lengths(mutation: Mutation) -> list[int]:
    columns = (getattr(mutation, field.name) for field in fields(mutation) if field.name in _COLUMNS)
    return [0, *(len(column) for column in columns if hasattr(column, "__len__"))]


def _pieces(mutation: Mutation, rows: int) -> Iterator[Mutation]:
    lengths = set(_lengths(mutation)[1:])
    if len(lengths) != 1 or max(lengths) <= rows:
        yield mutation  # columns that do not fit together are refused where they are written
        return
    columns = {
        field.name: column
        for field in fields(mutation)
        if field.name in _COLUMNS and hasattr(column := getattr(mutation, field.name), "__len__")
    }
    for start in range(0, max(lengths), rows):
        yield replace(mutation, **{name: column[start : start + rows] for name, column in columns.items()})
