"""From the words of a query to terms of an index: as they are, completed, misspelt, run together or torn apart."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from rapidfuzz.distance import OSA
from rapidfuzz.process import extract

from api.engine.finding.index import TextIndex, signature_of
from api.engine.finding.words import is_unspaced, singular
from gnn.histories import FloatArray

MAX_WORDS = 24
"""Words of a query that are looked up; the rest of a pasted page is left out."""
COMPLETED, ONE_SLIP, TWO_SLIPS, TORN = 0.8, 0.6, 0.35, 0.7
_MAX_TYPOS = 20
_WHOLE = 1.0


@dataclass(frozen=True, slots=True)
class Meant:
    """Neighbouring terms of an index that a word may mean, from ``start`` to ``stop``, and how surely."""

    start: int
    stop: int
    weight: float


def meanings(index: TextIndex, word: str, *, growing: bool) -> list[Meant]:
    """What one word may mean; ``growing`` when it may be unfinished.

    Spelling mistakes are only looked for where the word itself is in no text.
    """
    found: list[Meant] = []
    place = index.find(word)
    if place is not None:
        found.append(Meant(place, place + 1, _WHOLE))
    if growing:
        longer = index.starting_with(word)
        if len(longer):
            found.append(Meant(longer.start, longer.stop, COMPLETED))
    if not found and not is_unspaced(word):
        found += _misspelt(index, word)
        if growing:
            found += _misspelt_beginnings(index, word)
    return found


def slips_allowed(word: str) -> int:
    """How many slips of the finger a word of this length may hold."""
    return 0 if len(word) < 3 or word.isdigit() else 1 if len(word) < 8 else 2


def _misspelt(index: TextIndex, word: str) -> list[Meant]:
    slips = slips_allowed(word)
    if not slips:
        return []
    near = np.abs(index.length.astype(np.int16) - len(word)) <= slips
    apart = np.bitwise_count(index.signature ^ np.uint64(signature_of(word)))
    places = np.flatnonzero(near & (apart <= 2 * slips))
    if len(word) == 3:  # of so short a word at least the beginning must be right
        same = index.starting_with(word[0])
        places = places[(places >= same.start) & (places < same.stop)]
    terms = [index.terms[place] for place in places.tolist()]
    hits = extract(word, terms, scorer=OSA.distance, score_cutoff=slips, limit=_MAX_TYPOS)
    return [_typo(int(places[at]), int(distance)) for _, distance, at in hits]


def _misspelt_beginnings(index: TextIndex, word: str) -> list[Meant]:
    """Terms whose beginning is the word with one slip, if its first letter is right or swapped with the second."""
    if len(word) < 4:
        return []
    found = []
    for first in dict.fromkeys(word[:2]):
        places = index.starting_with(first)
        beginnings: dict[str, int] = {}
        for place in places:
            beginnings.setdefault(index.terms[place][: len(word)], place)
        hits = extract(word, list(beginnings), scorer=OSA.distance, score_cutoff=1, limit=_MAX_TYPOS)
        for beginning, _, _ in hits:
            longer = index.starting_with(beginning)
            found.append(Meant(longer.start, longer.stop, ONE_SLIP * COMPLETED))
    return found


def _typo(place: int, distance: int) -> Meant:
    return Meant(place, place + 1, ONE_SLIP if distance <= 1 else TWO_SLIPS)


def word_scores(index: TextIndex, word: str, *, growing: bool) -> tuple[FloatArray, float] | None:
    """How much one word says of every row, by its best meaning there, and the rarity of its best meaning.

    ``None`` when it means nothing here. Shape (N,).
    """
    found = meanings(index, word, growing=growing) or list(_torn(index, word))
    if not found:
        return None
    scores = np.zeros(index.num_rows, np.float32)
    rarity = 0.0
    for meant in found:
        span = slice(int(index.indptr[meant.start]), int(index.indptr[meant.stop]))
        rows, impact = index.rows[span], index.impact[span] * np.float32(meant.weight)
        if meant.stop - meant.start == 1:
            scores[rows] = np.maximum(scores[rows], impact)
        else:
            np.maximum.at(scores, rows, impact)
        rarity = max(rarity, float(index.rarity[meant.start : meant.stop].max()) * meant.weight)
    return scores, rarity


def _torn(index: TextIndex, word: str) -> Iterator[Meant]:
    """The two known halves of a word that was run together: "teapot" for "tea pot"."""
    for cut in range(3, len(word) - 2):
        halves = index.find(singular(word[:cut])), index.find(singular(word[cut:]))
        if halves[0] is not None and halves[1] is not None:
            yield from (Meant(half, half + 1, TORN) for half in halves if half is not None)
            return


def joined_words(index: TextIndex, words: Sequence[str]) -> list[str]:
    """The words of a query, with neighbours that only together are a known word put together."""
    joined: list[str] = []
    at = 0
    while at < min(len(words), MAX_WORDS):
        pair = words[at] + words[at + 1] if at + 1 < len(words) else ""
        if pair and not is_unspaced(pair) and index.find(pair) is not None and index.find(words[at]) is None:
            joined.append(pair)
            at += 2
        else:
            joined.append(words[at])
            at += 1
    return joined


def row_scores(
    index: TextIndex, words: Sequence[str], *, growing: bool
) -> tuple[FloatArray, FloatArray, npt.NDArray[np.float64]]:
    """What all words of a query say of every row: the sum, the share of the query's weight found there, the weights.

    Shapes: (N,), (N,), (W,).
    """
    total = np.zeros(index.num_rows, np.float32)
    covered = np.zeros(index.num_rows, np.float32)
    words = joined_words(index, words)
    unknown = float(np.log1p(index.num_rows + 1.0))
    weights = []
    for at, word in enumerate(words):
        scored = word_scores(index, word, growing=growing and at == len(words) - 1)
        if scored is None:
            weights.append(unknown)
            continue
        scores, rarity = scored
        total += scores
        covered += np.where(scores > 0, np.float32(rarity), np.float32(0.0))
        weights.append(max(rarity, 1e-6))
    return total, covered / np.float32(max(sum(weights), 1e-6)), np.asarray(weights)
