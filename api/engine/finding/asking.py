"""From the words of a query to terms of an index: as they are, completed, misspelt, run together or torn apart."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from rapidfuzz.distance import OSA
from rapidfuzz.process import extract

from api.engine.finding.index import TextIndex, signature_of
from api.engine.finding.words import is_unspaced, singular
from gnn.data.histories import FloatArray

MAX_WORDS = 24
"""Words of a query that are looked up; the rest of a pasted page is left out."""
COMPLETED, ONE_SLIP, TWO_SLIPS, TORN = 0.8, 0.6, 0.35, 0.7
_MAX_TYPOS = 20
_LONGEST_BEGINNING = 16
_LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"
_WHOLE = 1.0


@dataclass(frozen=True, slots=True)
class Meant:
    """Neighbouring terms of an index that a word may mean, from ``start`` to ``stop``, and how surely.

    None of them counts as rarer than ``ceiling``: "potting" is a rare word, and no better an answer to "pot" than that.
    """

    start: int
    stop: int
    weight: float
    ceiling: float = math.inf

    def rarity(self, index: TextIndex) -> float:
        """That of its rarest term, less where it is not sure."""
        return min(float(index.rarity[self.start : self.stop].max()), self.ceiling) * self.weight

    def weights(self, index: TextIndex) -> FloatArray | np.float32:
        """What each posting of its terms counts, or all of them."""
        if math.isinf(self.ceiling):
            return np.float32(self.weight)
        tamed = np.minimum(1.0, self.ceiling / index.rarity[self.start : self.stop])
        postings = np.diff(index.indptr[self.start : self.stop + 1])
        return np.repeat(tamed * self.weight, postings).astype(np.float32)


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
            ceiling = math.inf if place is None else float(index.rarity[place])
            found.append(Meant(longer.start, longer.stop, COMPLETED, ceiling))
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
    """Terms that begin with the word but for one slip after its first letter."""
    if len(word) < 4 or len(word) > _LONGEST_BEGINNING:
        return []
    stops: dict[int, int] = {}
    for beginning in _one_slip_away(word):
        longer = index.starting_with(beginning)
        if len(longer):
            stops[longer.start] = max(longer.stop, stops.get(longer.start, 0))
    return [Meant(start, stop, ONE_SLIP * COMPLETED) for start, stop in list(stops.items())[:_MAX_TYPOS]]


def _one_slip_away(word: str) -> Iterator[str]:
    """Every beginning that differs from the word by one slip, its first letter aside."""
    letters = dict.fromkeys(word + _LETTERS)
    for at in range(1, len(word)):
        yield word[:at] + word[at + 1 :]
        yield word[: at - 1] + word[at] + word[at - 1] + word[at + 1 :]
        for letter in letters:
            yield word[:at] + letter + word[at + 1 :]
            yield word[:at] + letter + word[at:]


def _typo(place: int, distance: int) -> Meant:
    return Meant(place, place + 1, ONE_SLIP if distance <= 1 else TWO_SLIPS)


@dataclass(frozen=True, slots=True)
class Said:
    """What one word says: of which rows, how much of each, and how rare its best meaning is. Shapes: (R,) each."""

    rows: npt.NDArray[np.integer]
    scores: FloatArray
    rarity: float


def word_scores(index: TextIndex, word: str, *, growing: bool, joined: Sequence[Meant] = ()) -> Said | None:
    """How much one word says of the rows it is in, by its best meaning in each; ``None`` when it means nothing here.

    ``joined`` is what it means together with its neighbours.
    """
    found = [*(meanings(index, word, growing=growing) or _torn(index, word)), *joined]
    if not found:
        return None
    rarity = max(meant.rarity(index) for meant in found)
    spans = [slice(int(index.indptr[meant.start]), int(index.indptr[meant.stop])) for meant in found]
    if len(found) == 1 and found[0].stop - found[0].start == 1:
        return Said(index.rows[spans[0]], index.impact[spans[0]] * np.float32(found[0].weight), rarity)
    best = np.zeros(index.num_rows, np.float32)
    for meant, span in zip(found, spans, strict=True):
        np.maximum.at(best, index.rows[span], index.impact[span] * meant.weights(index))
    rows = np.flatnonzero(best)
    return Said(rows, best[rows], rarity)


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


def joined_meanings(index: TextIndex, words: Sequence[str]) -> list[list[Meant]]:
    """For each word the terms it is half of, with the word before or after: "tea pot" also means "teapot"."""
    found: list[list[Meant]] = [[] for _ in words]
    for at, (word, following) in enumerate(pairwise(words)):
        pair = word + following
        place = None if is_unspaced(pair) else index.find(pair)
        if place is not None:
            for half in (at, at + 1):
                found[half].append(Meant(place, place + 1, _WHOLE))
    return found


def row_scores(index: TextIndex, words: Sequence[str], *, growing: bool) -> tuple[FloatArray, FloatArray]:
    """What all words of a query say of every row: the sum, and the share of the query's weight found there. (N,)."""
    total = np.zeros(index.num_rows, np.float32)
    covered = np.zeros(index.num_rows, np.float32)
    words = joined_words(index, words)
    unknown = float(np.log1p(index.num_rows + 1.0))
    whole = 1e-6
    for at, (word, joined) in enumerate(zip(words, joined_meanings(index, words), strict=True)):
        said = word_scores(index, word, growing=growing and at == len(words) - 1, joined=joined)
        if said is None:
            whole += unknown
            continue
        total[said.rows] += said.scores
        covered[said.rows] += np.float32(said.rarity)
        whole += said.rarity
    return total, covered / np.float32(whole)
