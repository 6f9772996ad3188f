"""The search part of a release: indexes, vectors and the text encoder as arrays and documents."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from api.engine.finding.corpus import ItemWords
from api.engine.finding.index import TextIndex
from api.engine.finding.meaning import Meanings
from api.engine.finding.suggestions import Suggestions
from gnn.data.histories import FloatArray
from gnn.operators import Arrays
from graph.errors import ReleaseError
from graph.release import Release
from graph.snapshot import Snapshot
from graph.view import GraphView
from ingest.text.portable import PortableEncoder, PortableModel
from ingest.text.protocol import TextEncoder

FORMAT = 1
SEARCH, ENCODER = "search", "text_encoder"
_ITEMS, _SUGGESTIONS, _MEANING, _NETWORK = "search/items/", "search/suggestions/", "search/meaning/", "text/network"
VECTORS = "text/embedding"


def search_payload(
    snapshot: Snapshot,
    popularity: FloatArray,
    vectors: npt.NDArray[np.floating] | None = None,
    encoder: PortableModel | None = None,
) -> tuple[Arrays, dict[str, Any]]:
    """Arrays and documents of search, for :func:`graph.release.write_release`.

    Shapes: ``popularity`` (I,), 1 for the most popular; ``vectors`` (I, T), the items' texts as ``encoder`` gives them.
    """
    view = GraphView(snapshot)
    suggestions = Suggestions.of(view, popularity)
    arrays: Arrays = {}
    arrays |= {_ITEMS + name: array for name, array in item_index(view).arrays().items()}
    arrays |= {_SUGGESTIONS + name: array for name, array in suggestions.arrays().items()}
    documents: dict[str, Any] = {SEARCH: {"format": FORMAT, "node_types": list(suggestions.node_types)}}
    if vectors is not None:
        half = vectors.astype(np.float16)
        arrays[VECTORS] = half
        arrays |= {_MEANING + name: array for name, array in Meanings.of(half).arrays().items()}
        if encoder is not None:
            arrays[_NETWORK] = np.frombuffer(encoder.network, np.uint8)
            documents[ENCODER] = encoder.document()
    return arrays, documents


def item_index(view: GraphView) -> TextIndex:
    """The words of every item of a view."""
    words = ItemWords(view)
    return TextIndex.of([words.document(row) for row in range(view.num_nodes(view.schema.item_type))])


class SearchPart:
    """What a release holds for search; what it does not hold is made from its snapshot when first asked for.

    Shape: ``popularity`` (I,), for suggestions that the release does not hold.
    """

    def __init__(
        self,
        snapshot: Snapshot,
        popularity: FloatArray,
        *,
        items: TextIndex | None = None,
        suggestions: Suggestions | None = None,
        meanings: Meanings | None = None,
        model: PortableModel | None = None,
        encoder: TextEncoder | None = None,
    ) -> None:
        self._snapshot, self._popularity = snapshot, popularity
        self._items, self._suggestions = items, suggestions
        self.meanings = meanings
        self._model, self._encoder = model, encoder
        self._opening = threading.Lock()

    @classmethod
    def from_release(cls, release: Release, popularity: FloatArray) -> SearchPart:
        """The part of a release; one written before there was search has none of it.

        Raises:
            ReleaseError: when it is damaged or of another format.
        """
        if SEARCH not in release.documents:
            return cls(release.snapshot, popularity)
        document = release.document(SEARCH)
        if document.get("format") != FORMAT:
            raise ReleaseError(
                "the release's search index is of another format", expected=str(FORMAT), got=document.get("format"),
                remedy="Train again, or serve it with the version that wrote it.",
            )  # fmt: skip
        arrays = release.arrays("search/") | release.arrays("text/")
        part = cls(
            release.snapshot,
            popularity,
            items=TextIndex.from_arrays(_under(_ITEMS, arrays)),
            suggestions=Suggestions.from_arrays(document["node_types"], _under(_SUGGESTIONS, arrays)),
            meanings=Meanings.from_arrays(arrays[VECTORS], _under(_MEANING, arrays)) if VECTORS in arrays else None,
            model=PortableModel.of(arrays[_NETWORK].tobytes(), release.document(ENCODER))
            if ENCODER in release.documents and _NETWORK in arrays
            else None,
        )
        num_items = len(release.snapshot.nodes(release.snapshot.schema.item_type))
        if part.items.num_rows != num_items or (part.meanings and len(part.meanings.vectors) != num_items):
            raise ReleaseError("the search index does not fit the snapshot", expected=f"{num_items} items")
        return part

    @cached_property
    def items(self) -> TextIndex:
        """The words of the snapshot's items."""
        return self._items or item_index(GraphView(self._snapshot))

    @cached_property
    def suggestions(self) -> Suggestions:
        """What may be suggested of the snapshot."""
        return self._suggestions or Suggestions.of(GraphView(self._snapshot), self._popularity)

    def encoder(self) -> TextEncoder | None:
        """The text encoder that made the release's vectors, opened on first use; ``None`` when there is none."""
        with self._opening:
            if self._encoder is None and self._model is not None:
                self._encoder = PortableEncoder(self._model)
                self._model = None  # the session holds its own copy of the network
            return self._encoder


def _under(prefix: str, arrays: Mapping[str, npt.NDArray[Any]]) -> dict[str, npt.NDArray[Any]]:
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}
