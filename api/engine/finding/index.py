"""An inverted index as arrays: which rows hold a term, and how much it says of each."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from gnn.data.histories import FloatArray, IntArray
from gnn.operators import Arrays
from graph.errors import ReleaseError

SATURATION, LENGTH_NORM = 1.2, 0.5
"""BM25's k1 and b; a shop's texts are short, and a long title is no worse a title."""
_AFTER_ALL = "\U0010ffff"


@dataclass(frozen=True)
class TextIndex:
    """Terms in order, and per term the rows that hold it.

    Shapes: ``indptr`` (T + 1,); ``rows`` and ``impact`` (P,), ascending rows of a term, with its BM25 score there;
    ``signature`` (T,), a bit per kind of letter in the term; ``length`` (T,) in characters; ``rarity`` (T,), the
    idf. ``average_length`` is that of a row, in words.

    Reference: Robertson & Zaragoza, The Probabilistic Relevance Framework, 2009; Lù, BM25S, 2024.
    """

    terms: Sequence[str]
    indptr: npt.NDArray[np.int64]
    rows: IntArray
    impact: FloatArray
    signature: npt.NDArray[np.uint64]
    length: npt.NDArray[np.uint8]
    rarity: FloatArray
    average_length: float
    num_rows: int

    @classmethod
    def of(cls, documents: Sequence[Mapping[str, float]], *, like: TextIndex | None = None) -> TextIndex:
        """The index of one document per row: its terms and how often each is in it (a title's may count more).

        With ``like`` terms are as rare as there, so that scores of a few new rows compare with its own.
        """
        number: dict[str, int] = {}
        flat: list[int] = []
        counts: list[float] = []
        for document in documents:
            flat.extend(number.setdefault(term, len(number)) for term in document)
            counts.extend(document.values())
        sizes = np.fromiter(map(len, documents), np.int64, len(documents))
        terms = sorted(number)
        place = np.empty(len(terms), np.int64)
        place[[number[term] for term in terms]] = np.arange(len(terms))
        term_index = place[np.asarray(flat, np.int64)] if flat else np.empty(0, np.int64)
        row_index = np.repeat(np.arange(len(documents), dtype=np.int64), sizes)
        frequency = np.asarray(counts, np.float64)
        length = np.bincount(row_index, frequency, minlength=len(documents))
        average = float(length[length > 0].mean()) if flat else 1.0
        degree = np.bincount(term_index, minlength=len(terms))
        rarity = rarity_of(degree, len(documents))
        if like is not None and like.num_rows:
            average = like.average_length
            known = [like.find(term) for term in terms]
            held = np.array([1 if at is None else like.degree[at] for at in known], np.int64)
            rarity = rarity_of(held, like.num_rows)
        impact = impact_of(frequency, length[row_index], average) * rarity[term_index]
        order = np.lexsort((row_index, term_index))
        indptr = np.zeros(len(terms) + 1, np.int64)
        np.cumsum(degree, out=indptr[1:])
        return cls(
            terms,
            indptr,
            row_index[order].astype(np.int32),
            impact[order].astype(np.float32),
            np.fromiter(map(signature_of, terms), np.uint64, len(terms)),
            np.fromiter((min(len(term), 255) for term in terms), np.uint8, len(terms)),
            rarity.astype(np.float32),
            average,
            len(documents),
        )

    def find(self, term: str) -> int | None:
        """The place of a term."""
        place = bisect_left(self.terms, term)
        return place if place < len(self.terms) and self.terms[place] == term else None

    def starting_with(self, prefix: str) -> range:
        """The places of the terms with a prefix: neighbours, so that their postings are one slice."""
        return range(bisect_left(self.terms, prefix), bisect_left(self.terms, prefix + _AFTER_ALL))

    @cached_property
    def degree(self) -> npt.NDArray[np.int64]:
        """How many rows hold each term. Shape (T,)."""
        return np.diff(self.indptr)

    def arrays(self) -> Arrays:
        """Everything, as named arrays; the terms as UTF-8 between line ends."""
        return {
            "terms": np.frombuffer("\n".join(self.terms).encode(), np.uint8),
            "indptr": self.indptr,
            "rows": self.rows,
            "impact": self.impact,
            "signature": self.signature,
            "length": self.length,
            "rarity": self.rarity,
            "sizes": np.array([self.average_length, self.num_rows], np.float64),
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, npt.NDArray[np.generic]]) -> TextIndex:
        """The index that :meth:`arrays` described.

        Raises:
            ReleaseError: when arrays are missing or do not fit together.
        """
        try:
            text = bytes(np.asarray(arrays["terms"], np.uint8)).decode()
            terms = text.split("\n") if text else []
            average, num_rows = np.asarray(arrays["sizes"], np.float64).tolist()
            index = cls(
                terms,
                np.asarray(arrays["indptr"], np.int64),
                np.asarray(arrays["rows"], np.int32),
                np.asarray(arrays["impact"], np.float32),
                np.asarray(arrays["signature"], np.uint64),
                np.asarray(arrays["length"], np.uint8),
                np.asarray(arrays["rarity"], np.float32),
                float(average),
                int(num_rows),
            )
            per_term = {index.indptr.size - 1, index.signature.size, index.length.size, index.rarity.size, len(terms)}
            fits = len(per_term) == 1 and index.rows.size == index.impact.size == int(index.indptr[-1])
            if not fits or int(index.rows.max(initial=-1)) >= num_rows:
                raise ValueError("sizes differ")
        except (KeyError, ValueError, TypeError, IndexError) as error:
            raise ReleaseError("the search index's arrays do not fit together", got=error) from error
        return index


def rarity_of(degree: npt.NDArray[np.int64], num_rows: int) -> npt.NDArray[np.float64]:
    """BM25's idf of terms that ``degree`` of ``num_rows`` rows hold."""
    return np.log1p((num_rows - degree + 0.5) / (degree + 0.5))


def impact_of(frequency: npt.NDArray[np.floating], length: npt.NDArray[Any], average: float) -> npt.NDArray[np.float64]:
    """BM25's score of a term without its idf."""
    norm = SATURATION * (1.0 - LENGTH_NORM + LENGTH_NORM * length / average)
    return frequency * (SATURATION + 1.0) / (frequency + norm)


def signature_of(term: str) -> int:
    """64 bits, one set for each kind of letter: two words at distance d differ in at most 2 d of them."""
    bits = 0
    for char in term:
        bits |= 1 << (ord(char) * 2_654_435_761 >> 7 & 63)
    return bits


def counted(*fields: tuple[Sequence[str], float]) -> dict[str, float]:
    """How often each word is in some fields, each field with what a word in it counts."""
    total: Counter[str] = Counter()
    for words, weight in fields:
        for word in words:
            total[word] += weight  # type: ignore[assignment]  # a Counter counts in fractions too
    return dict(total)
