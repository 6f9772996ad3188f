"""Autocomplete: titles, brands and categories that begin like what was typed, the most popular first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from api.engine.finding.asking import joined_words, meanings
from api.engine.finding.corpus import attribute_types
from api.engine.finding.index import TextIndex
from api.engine.finding.live import LiveState
from api.engine.finding.words import asked_words, ends_open, folded, words_of
from api.engine.naming import name_of
from gnn.data.histories import FloatArray, IntArray
from gnn.operators import Arrays
from graph.errors import ReleaseError
from graph.view import GraphView

_LOOKED_AT = 8
"""How many times the entries asked for are looked at, because some share a name or are gone."""
_CHANGED = 1_000
"""Brands and other attributes of a type that came or were renamed since the release, and are looked through."""
_UNPOPULAR = 0.3
"""What a full match is worth without any popularity, against 1 with the highest."""
_BEGINS, _GENERAL = 1.25, 1.15
"""A name that begins with what was typed; a brand or category, which stands for many items."""


@dataclass(frozen=True, slots=True)
class Suggestion:
    """One completion: a name, and the node it names."""

    text: str
    node_type: str
    node_id: str
    score: float


@dataclass(frozen=True)
class Suggestions:
    """Everything that may be suggested.

    Shapes: ``node_type`` (E,), an index of ``node_types``; ``node_index`` (E,), the node's row; ``popularity`` (E,),
    1 for the most popular.
    """

    index: TextIndex
    node_types: tuple[str, ...]
    node_type: IntArray
    node_index: IntArray
    popularity: FloatArray

    @classmethod
    def of(cls, view: GraphView, item_popularity: FloatArray) -> Suggestions:
        """The entries of a view: every item with a title, and every attribute with a name."""
        item = view.schema.item_type
        names = (item, *attribute_types(view.schema))
        documents: list[Mapping[str, float]] = []
        types, rows, weights = [], [], []
        for number, node_type in enumerate(names):
            popularity = (
                item_popularity if node_type == item else _attribute_popularity(view, node_type, item_popularity)
            )
            for row in range(view.num_nodes(node_type)):
                name = name_of(view, node_type, row) if view.exists(node_type, row) else None
                if name is not None:
                    documents.append(dict.fromkeys(words_of(name), 1.0))
                    types.append(number)
                    rows.append(row)
                    weights.append(float(popularity[row]))
        scaled = np.log1p(np.asarray(weights, np.float64) / max(min(filter(None, weights), default=1.0), 1e-9))
        return cls(
            TextIndex.of(documents),
            names,
            np.asarray(types, np.int32),
            np.asarray(rows, np.int32),
            (scaled / max(float(scaled.max(initial=0.0)), 1e-9)).astype(np.float32),
        )

    def best(self, view: GraphView, live: LiveState, text: str, n: int) -> list[Suggestion]:
        """Up to ``n`` different names with every word of ``text``, the last of which may be unfinished."""
        words = asked_words(text)
        if not words:
            return []
        growing, typed = ends_open(text), " ".join(folded(text).split())
        quality = matches(self.index, words, growing=growing)
        score = quality * (_UNPOPULAR + (1.0 - _UNPOPULAR) * self.popularity)
        score *= np.where(self.node_type > 0, np.float32(_GENERAL), np.float32(1.0))
        found: dict[tuple[str, str], Suggestion] = {}
        item = view.schema.item_type
        changed = {name: set(view.changed_nodes(name).tolist()) for name in self.node_types if name != item}
        for at in _highest(score, n * _LOOKED_AT).tolist():
            node_type, row = self.node_types[int(self.node_type[at])], int(self.node_index[at])
            if row not in (live.documents if node_type == item else changed[node_type]):
                _take(found, view, node_type, row, float(score[at]), typed)
        for tier in live.tiers:
            for at in np.flatnonzero(matches(tier.index, words, growing=growing)).tolist():
                row = int(tier.rows[at])
                if _mentions(words_of(view.title(item, row)), words):
                    _take(found, view, item, row, _UNPOPULAR, typed)
        for node_type, rows in changed.items():
            for row in sorted(rows)[-_CHANGED:]:
                if _begins_each(words_of(view.title(node_type, row)), words):
                    _take(found, view, node_type, row, _UNPOPULAR * _GENERAL, typed)
        return sorted(found.values(), key=lambda entry: (-entry.score, entry.text, entry.node_id))[:n]

    def arrays(self) -> Arrays:
        """Everything but the names of the node types, as named arrays."""
        return self.index.arrays() | {
            "node_type": self.node_type,
            "node_index": self.node_index,
            "popularity": self.popularity,
        }

    @classmethod
    def from_arrays(cls, node_types: Sequence[str], arrays: Mapping[str, npt.NDArray[np.generic]]) -> Suggestions:
        """The suggestions that :meth:`arrays` described.

        Raises:
            ReleaseError: when arrays are missing or do not fit together.
        """
        index = TextIndex.from_arrays(arrays)
        try:
            entries = cls(
                index,
                tuple(node_types),
                np.asarray(arrays["node_type"], np.int32),
                np.asarray(arrays["node_index"], np.int32),
                np.asarray(arrays["popularity"], np.float32),
            )
            sizes = {entries.node_type.size, entries.node_index.size, entries.popularity.size, index.num_rows}
            if len(sizes) != 1 or int(entries.node_type.max(initial=0)) >= len(node_types):
                raise ValueError("sizes differ")
        except (KeyError, ValueError, TypeError) as error:
            raise ReleaseError("the suggestions' arrays do not fit together", got=error) from error
        return entries


def matches(index: TextIndex, words: Sequence[str], *, growing: bool) -> FloatArray:
    """How well every row matches all words: 1 as typed, less with slips, 0 where one is missing. Shape (N,)."""
    quality = np.ones(index.num_rows, np.float32)
    words = joined_words(index, words)
    for at, word in enumerate(words):
        last = growing and at == len(words) - 1
        here = np.zeros(index.num_rows, np.float32)
        for meant in meanings(index, word, growing=last):
            rows = index.rows[int(index.indptr[meant.start]) : int(index.indptr[meant.stop])]
            np.maximum.at(here, rows, np.float32(meant.weight))
        quality *= here
    return quality


def _take(
    found: dict[tuple[str, str], Suggestion], view: GraphView, node_type: str, row: int, score: float, typed: str
) -> None:
    if not view.exists(node_type, row):
        return
    name = name_of(view, node_type, row)
    if name is None:
        return
    plain = folded(name)
    entry = Suggestion(
        name, node_type, view.id_of(node_type, row), round(score * (_BEGINS if plain.startswith(typed) else 1.0), 6)
    )
    key = (node_type, plain)
    if key not in found or found[key].score < entry.score:
        found[key] = entry


def _begins_each(name: Sequence[str], words: Sequence[str]) -> bool:
    """Whether every word that was typed begins some word of a name."""
    return all(any(own.startswith(word) for own in name) for word in words)


def _mentions(title: Sequence[str], words: Sequence[str]) -> bool:
    """Whether some word of a title begins with a word that was typed: an item is suggested by its title alone."""
    return any(own.startswith(word) for own in title for word in words)


def _attribute_popularity(view: GraphView, node_type: str, item_popularity: FloatArray) -> FloatArray:
    """The popularity of an attribute: that of all its items. Shape (A,)."""
    total = np.zeros(view.num_nodes(node_type), np.float32)
    for edge_type in attribute_types(view.schema)[node_type]:
        matrix = view.matrix(edge_type)
        total[: matrix.shape[1]] += matrix.T @ item_popularity[: matrix.shape[0]]
    return total


def _highest(score: FloatArray, k: int) -> npt.NDArray[np.int64]:
    """Places of the ``k`` highest positive scores, highest first."""
    positive = np.flatnonzero(score > 0)
    if positive.size > k:
        positive = positive[np.argpartition(-score[positive], k)[:k]]
    return positive[np.argsort(-score[positive], kind="stable")]
