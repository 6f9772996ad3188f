"""Clean-up steps on text, whole columns at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ingest.mapping.cells import CleanStep, PathLevels, Replace, Split

_STEPS: dict[str, Callable[[pa.Array], pa.Array]] = {
    "trim": pc.utf8_trim_whitespace,
    "collapse": lambda text: pc.utf8_trim_whitespace(
        pc.replace_substring_regex(text, pattern=r"[\s\p{Z}]+", replacement=" ")
    ),
    "upper": pc.utf8_upper,
    "lower": pc.utf8_lower,
    "nfkc": lambda text: pc.utf8_normalize(text, form="NFKC"),
    "integer": lambda text: pc.replace_substring_regex(
        pc.utf8_trim_whitespace(text), pattern=r"^([+-]?[0-9]+)\.0*$", replacement=r"\1"
    ),
}


def cleaned(text: pa.Array, steps: Sequence[CleanStep | Replace]) -> pa.Array:
    """``text`` after the steps in order; what they empty is null."""
    for step in steps:
        if isinstance(step, Replace):
            text = pc.replace_substring_regex(text, pattern=step.replace, replacement=step.by)
        else:
            text = _STEPS[step](text)
    return without_empty(text) if steps else text


def without_empty(text: pa.Array) -> pa.Array:
    """``text`` with null for the empty text."""
    empty = pc.equal(pc.binary_length(text), 0)
    return pc.if_else(empty, pa.scalar(None, pa.string()), text) if pc.any(empty).as_py() else text


def split_lists(text: pa.Array, split: Split) -> pa.Array:
    """Each text as the list of its values; null stays null."""
    if split.pattern is not None:
        parts = pc.split_pattern_regex(text, pattern=split.pattern)
    else:
        parts = pc.split_pattern(text, pattern=split.separator)
    offsets = parts.offsets.to_numpy()
    flat = pc.utf8_trim_whitespace(parts.values)
    keep = pc.greater_equal(pc.utf8_length(flat), max(split.min_length, 1))
    if split.stop:
        keep = pc.and_(keep, pc.invert(pc.is_in(flat, value_set=pa.array(split.stop, pa.string()))))
    return list_of_kept(flat, keep.to_numpy(zero_copy_only=False), offsets, parts)


def list_of_kept(
    flat: pa.Array, keep: np.ndarray[tuple[int], np.dtype[np.bool_]], offsets: np.ndarray, lists: pa.Array
) -> pa.Array:
    """Lists with only the kept values of ``flat``; where ``lists`` is null, null."""
    before = np.concatenate([[0], np.cumsum(keep)]).astype(np.int32)
    mask = lists.is_null() if lists.null_count else None
    return pa.ListArray.from_arrays(pa.array(before[offsets]), flat.filter(pa.array(keep)), mask=mask)


def path_levels(text: pa.Array, path: PathLevels) -> pa.Array:
    """Ids of a path's levels: of the leaf as text, or of all levels as lists, highest first."""
    encoded = text.dictionary_encode()
    levels: list[list[str]] = []
    for value in encoded.dictionary.to_pylist():
        parts = [part.strip() for part in value.split(path.separator)]
        parts = [part for part in parts if part]
        levels.append([path.joined.join(parts[: depth + 1]) for depth in range(len(parts))])
    if path.levels == "all":
        return pa.array(levels, pa.list_(pa.string())).take(encoded.indices)
    return pa.array([ids[-1] if ids else None for ids in levels], pa.string()).take(encoded.indices)
