"""Conditions of a mapping tested over a batch of rows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ingest.mapping.cells import Condition, KnownIn
from ingest.readers.rows import Bools
from ingest.validation.cells import Tables
from ingest.validation.frame import Frame, as_text, bools
from ingest.validation.lists import list_lengths
from ingest.validation.lookups import no_column
from ingest.validation.numbers import numbers


def rows_with_all(conditions: Sequence[Condition], frame: Frame, tables: Tables, where: str) -> Bools:
    """Rows for which every condition holds."""
    result = np.ones(len(frame), dtype=np.bool_)
    for condition in conditions:
        result &= _holds(condition, frame, tables, where)
    return result


def rows_with_any(conditions: Sequence[Condition], frame: Frame, tables: Tables, where: str) -> Bools:
    """Rows for which some condition holds."""
    result = np.zeros(len(frame), dtype=np.bool_)
    for condition in conditions:
        result |= _holds(condition, frame, tables, where)
    return result


def _holds(condition: Condition, frame: Frame, tables: Tables, where: str) -> Bools:
    if condition.column not in frame.columns:
        raise no_column(condition.column, frame.columns, where)
    column = frame.columns[condition.column]
    text = pc.utf8_trim_whitespace(as_text(column.values))
    result = np.ones(len(frame), dtype=np.bool_)

    def need(rows: pa.Array) -> None:
        result[~bools(rows)] = False

    if condition.empty is not None:
        empty = list_lengths(column.values) == 0 if column.is_list else ~bools(pc.greater(pc.binary_length(text), 0))
        result &= empty == condition.empty
    if condition.equals is not None:
        need(pc.equal(text, condition.equals))
    if condition.one_of is not None:
        need(pc.is_in(text, value_set=pa.array(condition.one_of, pa.string())))
    if condition.none_of is not None:
        need(pc.invert(pc.is_in(text, value_set=pa.array(condition.none_of, pa.string()))))
    if condition.matches is not None:
        need(pc.match_substring_regex(text, pattern=condition.matches))
    if condition.not_matches is not None:
        need(pc.fill_null(pc.invert(pc.match_substring_regex(text, pattern=condition.not_matches)), True))
    if condition.starts_with is not None:
        need(pc.starts_with(text, pattern=condition.starts_with))
    comparisons = (
        (condition.at_least, pc.greater_equal),
        (condition.above, pc.greater),
        (condition.at_most, pc.less_equal),
        (condition.below, pc.less),
    )
    if any(bound is not None for bound, _ in comparisons):
        values, _ = numbers(text if column.is_list else column.values)
        for bound, compare in comparisons:
            if bound is not None:
                need(compare(values, bound))
    if condition.same_as is not None:
        if condition.same_as not in frame.columns:
            raise no_column(condition.same_as, frame.columns, where)
        need(pc.equal(text, pc.utf8_trim_whitespace(as_text(frame.columns[condition.same_as].values))))
    if condition.known_in is not None:
        need(_known(text, condition.known_in, tables))
    if condition.unknown_in is not None:
        need(pc.and_(text.is_valid(), pc.invert(_known(text, condition.unknown_in, tables))))
    return result


def _known(text: pa.Array, known: KnownIn, tables: Tables) -> pa.Array:
    return pc.and_(text.is_valid(), tables[known.table].index(known.key, known.key).has(text))
