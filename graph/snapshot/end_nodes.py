"""The ends of edges, whose ids come again and again, as rows of a vocabulary."""

from __future__ import annotations

from threading import Lock

import numpy as np
import pyarrow as pa

from graph.errors import StoreError
from graph.numbering import Numbering
from graph.schema import EdgeType
from graph.snapshot.vocabulary import IntArray, Vocabulary


class EndNodes:
    """The nodes of one type as ends of edges."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._vocabulary = vocabulary
        self._numbering: Numbering | None = None
        self._one_at_a_time = Lock()

    def __len__(self) -> int:
        return len(self._vocabulary)

    def rows_of(self, ids: pa.Array, edge_type: EdgeType) -> IntArray:
        """The row of each id. Shape (N,).

        Raises:
            StoreError: for one that the vocabulary does not have.
        """
        with self._one_at_a_time:
            rows = self._numbered(ids)
        if rows is None:
            encoded = ids.dictionary_encode()
            rows = self._vocabulary.rows_of(encoded.dictionary)[encoded.indices.to_numpy(zero_copy_only=False)]
        unknown = (rows < 0) | (rows >= len(self))
        if unknown.any():
            raise StoreError(
                "the store exported an edge without its end node",
                got=ids[int(np.argmax(unknown))].as_py(),
                where="-".join(edge_type),
                remedy="Run kindred doctor.",
            )
        return rows

    def _numbered(self, ids: pa.Array) -> IntArray | None:
        """Compiled, every id is looked up once; the vocabulary's own were numbered first, so numbers are rows."""
        kind = self._vocabulary.ids.type
        if self._numbering is None:
            self._numbering = Numbering.of(kind)
            if self._numbering is None:
                return None
            self._numbering.write(self._vocabulary.ids, np.empty(len(self), np.int32))
        rows = np.empty(len(ids), np.int32)
        self._numbering.write(ids.cast(kind), rows)
        return rows
