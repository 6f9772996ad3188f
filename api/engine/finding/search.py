"""Search: words and meaning find candidates, what the customer likes and what sells well settle near draws."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from api.engine.finding.asking import row_scores
from api.engine.finding.live import LiveState
from api.engine.finding.part import SearchPart
from api.engine.finding.words import asked_words, ends_open
from gnn.data.histories import FloatArray, IntArray

MAX_QUERY = 500
"""Characters of a query that are read."""
DEPTH = 200
"""Candidates that words and that meaning each put forward."""
MIN_COSINE = 0.3
"""Below it two short texts have nothing to do with each other."""
_WORTH_A_LOOK = MIN_COSINE / 2
"""The projection shows a part of the cosine; items below it are not compared in full."""
LEXICAL, SEMANTIC, PERSONAL, POPULAR = 1.0, 0.4, 0.12, 0.03
_REMEMBERED = 2_048

Taste = Callable[[IntArray], FloatArray]
"""How much a customer likes each of some items, 1 for the best of them. Shapes: (N,) → (N,)."""


@dataclass(frozen=True, slots=True)
class Found:
    """The best items for a query, best first. Shapes: (K,); ``parts`` by source, what each adds to the score."""

    item_index: IntArray
    score: FloatArray
    parts: dict[str, FloatArray]


class ItemSearch:
    """Searches the items of one release and what came since. Safe to use from several threads."""

    def __init__(self, part: SearchPart) -> None:
        self._part = part
        self._lock = threading.Lock()
        self._encoded: OrderedDict[str, FloatArray] = OrderedDict()

    def search(
        self,
        query: str,
        n: int,
        live: LiveState,
        allowed: npt.NDArray[np.bool_],
        popularity: FloatArray,
        taste: Taste | None = None,
        bias: FloatArray | None = None,
    ) -> Found:
        """The best ``n`` items for a query. Nothing that has neither its words nor its meaning is in the list.

        Shapes: ``allowed``, ``popularity`` and ``bias`` (I,) over the present number of items.
        """
        query = " ".join(query[:MAX_QUERY].split())
        lexical = self._lexical(query, live, allowed.size)
        lexical[~allowed] = 0.0
        candidates: npt.NDArray[np.integer] = _highest(lexical, DEPTH)
        semantic = np.zeros(0, np.float32)
        meant = self._meant(query)
        if meant is not None:
            candidates = np.union1d(candidates, self._of_like_meaning(meant, live, allowed))
            semantic = self._exactly(meant, live, candidates)
        else:
            semantic = np.zeros(candidates.size, np.float32)
        words = lexical[candidates] / np.float32(max(float(lexical[candidates].max(initial=0.0)), 1e-6))
        semantic = np.where(semantic >= MIN_COSINE, semantic, np.float32(0.0))
        kept = (words > 0) | (semantic > 0)
        rows, words, semantic = candidates[kept].astype(np.int32), words[kept], semantic[kept]
        parts = {
            "lexical": LEXICAL * words,
            "semantic": SEMANTIC * semantic,
            "popularity": POPULAR * popularity[rows],
        }
        if taste is not None and rows.size:
            parts["personal"] = PERSONAL * taste(rows)
        total = np.sum([np.zeros(rows.size, np.float32), *parts.values()], axis=0).astype(np.float32)
        if bias is not None:
            total = (total * np.exp(bias[rows])).astype(np.float32)
        best = np.lexsort((rows, -total))[:n]
        return Found(rows[best], total[best], {name: part[best] for name, part in parts.items()})

    def _lexical(self, query: str, live: LiveState, num_items: int) -> FloatArray:
        """BM25 of every item, less where words of the query are missing. Shape (I,)."""
        words, growing = asked_words(query), ends_open(query)
        total = np.zeros(num_items, np.float32)
        base, covered = row_scores(self._part.items, words, growing=growing)
        total[: base.size] = base * covered
        for tier in live.tiers:
            scores, covered = row_scores(tier.index, words, growing=growing)
            inside = tier.rows < num_items
            total[tier.rows[inside]] = (scores * covered)[inside]
        return total

    def _meant(self, query: str) -> FloatArray | None:
        """The query's vector around the items' mean; ``None`` without a text encoder."""
        if self._part.meanings is None or not query:
            return None
        with self._lock:
            known = self._encoded.get(query)
            if known is not None:
                self._encoded.move_to_end(query)
                return known
        encoder = self._part.encoder()
        if encoder is None:
            return None
        vector: FloatArray = self._part.meanings.around_mean(encoder.encode([query]))[0]
        with self._lock:
            self._encoded[query] = vector
            while len(self._encoded) > _REMEMBERED:
                self._encoded.popitem(last=False)
        return vector

    def _of_like_meaning(
        self, meant: FloatArray, live: LiveState, allowed: npt.NDArray[np.bool_]
    ) -> npt.NDArray[np.integer]:
        """Allowed items worth a closer look: the release's most alike, and what has changed since. Shape (N,)."""
        assert self._part.meanings is not None
        changed = np.array([row for row in live.documents if row < allowed.size and allowed[row]], np.int64)
        known = allowed[: len(self._part.meanings.vectors)].copy()
        known[changed[changed < known.size]] = False
        rows, likeness = self._part.meanings.nearest(meant, DEPTH, known)
        return np.concatenate([rows[likeness >= _WORTH_A_LOOK], changed])

    def _exactly(self, meant: FloatArray, live: LiveState, rows: npt.NDArray[np.integer]) -> FloatArray:
        """Cosines of some items: of those that changed by their new text. Shape (N,)."""
        meanings = self._part.meanings
        assert meanings is not None
        cosine = np.zeros(rows.size, np.float32)
        changed = np.fromiter((int(row) in live.documents for row in rows), bool, rows.size)
        still = ~changed & (rows < len(meanings.vectors))
        cosine[still] = meanings.exactly(meant, rows[still])
        fresh = [at for at in np.flatnonzero(changed).tolist() if int(rows[at]) in live.vectors]
        if fresh:
            vectors = np.stack([live.vectors[int(rows[at])] for at in fresh])
            cosine[fresh] = meanings.around_mean(vectors) @ meant
        return cosine


def _highest(score: FloatArray, k: int) -> npt.NDArray[np.int64]:
    """Rows of the ``k`` highest positive scores, in any order."""
    positive = np.flatnonzero(score > 0)
    if positive.size > k:
        positive = positive[np.argpartition(-score[positive], k)[:k]]
    return positive
