"""Which embeddings of a release a curator sees, and the learned neighbours made from them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from api.engine.payload import EnginePart, engine_part
from gnn.data.histories import FloatArray
from gnn.data.knowledge import interactions_from
from gnn.operators import EmbeddingOperator
from gnn.operators.halves import floats
from gnn.ranker import top_k
from graph.embeddings import LearnedNeighbors, NodeEmbeddings, Publication
from graph.errors import InputError, NotFound
from graph.release import Release

MAX_NEIGHBOR_EDGES = 500_000
"""Learned edges of one release: they are beside those of the release before until the switch, and in memory here."""
_ROWS = 1024
_JUDGED_BY = "validation_ndcg@20"


def publication_of(release: Release, *, neighbors: int = 0) -> Publication:
    """The best embeddings of a release, with the ``neighbors`` closest items of each item.

    Raises:
        NotFound: when no source of the release has embeddings.
        InputError: when the neighbours are more than a release may have.
    """
    part = engine_part(release)
    name, operator = best_embedding(part, _judged(release))
    snapshot = release.snapshot
    items, users = snapshot.nodes(snapshot.schema.item_type), snapshot.nodes(snapshot.schema.user_type)
    if neighbors < 0 or neighbors * len(items) > MAX_NEIGHBOR_EDGES:
        raise InputError(
            "so many learned neighbours cannot be published",
            expected=f"at most {MAX_NEIGHBOR_EDGES // max(len(items), 1)} for {len(items):,} items",
            got=str(neighbors),
            remedy="Ask for fewer with --similar-to; similar items by vector need none.",
        )
    histories = interactions_from(snapshot).matrix()
    vectors = operator.user_embedding(histories, np.arange(len(users), dtype=np.int32))
    return Publication(
        release.id,
        name,
        NodeEmbeddings(snapshot.schema.item_type, items.ids(), floats(operator.item_embedding)),
        NodeEmbeddings(snapshot.schema.user_type, users.ids(), vectors),
        learned_neighbors(floats(operator.item_embedding), items.ids(), neighbors) if neighbors else None,
    )


def best_embedding(part: EnginePart, judged: Mapping[str, float]) -> tuple[str, EmbeddingOperator]:
    """The embedding that ranked best on validation; among those not judged the one that the fusion weighs most."""
    shares = part.weights.importance()
    found = {name: operator for name, operator in part.operators.items() if isinstance(operator, EmbeddingOperator)}
    if not found:
        raise NotFound(
            "the release has no embeddings",
            expected="a source that embeds items",
            got=", ".join(part.operators),
            remedy="Train with --models that include lightgcn, graphsage, als, bpr or text.",
        )
    name = max(found, key=lambda name: (judged.get(name, -1.0), shares.get(name, 0.0), name))
    return name, found[name]


def _judged(release: Release) -> dict[str, float]:
    """What training wrote of each model; nothing where it wrote none."""
    if "evaluation" not in release.documents:
        return {}
    table = release.document("evaluation").get("table", [])
    return {row["model"]: float(row[_JUDGED_BY]) for row in table if _JUDGED_BY in row}


def learned_neighbors(vectors: FloatArray, item_ids: list[str], k: int) -> LearnedNeighbors:
    """The ``k`` items of the highest positive cosine to each item, best first; none for an item without a vector."""
    unit = np.asarray(vectors, np.float32)
    length = np.linalg.norm(unit, axis=1, keepdims=True)
    unit = unit / np.maximum(length, 1e-12)
    sources: list[str] = []
    targets: list[str] = []
    scores: list[float] = []
    for start in range(0, len(unit), _ROWS):
        close = np.asarray(unit[start : start + _ROWS] @ unit.T, np.float32)
        rows = np.arange(close.shape[0])
        close[rows, start + rows] = -np.inf
        close[close <= 0] = -np.inf
        best = top_k(close, k)
        row, place = np.nonzero(best >= 0)
        item = best[row, place]
        sources += [item_ids[start + at] for at in row.tolist()]
        targets += [item_ids[at] for at in item.tolist()]
        scores += np.round(close[row, item].astype(np.float64), 6).tolist()
    return LearnedNeighbors(sources, targets, scores)
