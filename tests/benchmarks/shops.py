"""Shops to measure on: MovieLens as it is, and synthetic ones of any size, each with a release of quick sources."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from api.command.workshop import ingest_into, mapping_named
from api.engine import engine_payload
from api.engine.finding.part import search_payload
from api.engine.sources.current import snapshot_popularity
from api.settings import load_settings
from gnn.data import TrainingData
from gnn.data.histories import FloatArray
from gnn.data.knowledge import interactions_from, knowledge_from
from gnn.fusion import FeatureSpace, FusionWeights
from gnn.models import MODELS
from gnn.operators import Operator
from gnn.operators.tables import as_released
from graph.records import UpsertEdges, UpsertNodes
from graph.release import activate, write_release
from graph.schema import GraphSchema
from graph.snapshot import Snapshot, build_snapshot
from graph.sqlite import open_sqlite

PURCHASED = ("User", "PURCHASED", "Item")
HAS_BRAND = ("Item", "HAS_BRAND", "Brand")
SCHEMA = GraphSchema.parse(
    {
        "nodes": [
            {"name": "User", "role": "user"},
            {"name": "Item", "role": "item", "title": "title", "properties": {"title": "string", "price": "number"}},
            {"name": "Brand", "role": "attribute", "title": "title", "properties": {"title": "string"}},
        ],
        "edges": [
            {"source": "User", "relation": "PURCHASED", "target": "Item", "role": "interaction", "kind": "purchase"},
            {"source": "Item", "relation": "HAS_BRAND", "target": "Brand", "role": "attribute", "words": "same brand"},
        ],
    }
)
WALKS = ("popularity", "recent_popularity", "itemknn", "rp3beta", "next_item", "previous_item", "attributes")
SOURCES = (*WALKS, "als", "gfcf", "text")
"""What the fused lists are measured with: every source that fits in seconds, of each kind."""
_TASTES, _DAYS_MS = 40, 86_400_000
LongArray: TypeAlias = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Shop:
    """A store, and the folder of its release."""

    folder: Path
    snapshot: Snapshot

    @property
    def store_url(self) -> str:
        return f"sqlite:{self.folder / 'graph.db'}"

    @property
    def releases(self) -> Path:
        return self.folder / "releases"


def movielens(folder: Path, data: Path | None = None) -> Shop:
    """MovieLens 100k with its knowledge graph: 943 users, 1,682 films."""
    settings = load_settings(work_dir=folder, **({} if data is None else {"data_dir": data}))
    with open_sqlite(f"sqlite:{folder / 'graph.db'}") as store:
        ingest_into(mapping_named("movielens", settings), store, settings)
        snapshot = build_snapshot(store, folder / "snapshot")
    publish(snapshot, folder / "releases", (*SOURCES[:-1], "ease"))
    return Shop(folder, snapshot)


@cache
def shared_movielens() -> Shop:
    """MovieLens from ``KINDRED_DATA_DIR``, else fetched: made once for all benchmarks of a run, gone at its end."""
    folder = Path(tempfile.mkdtemp(prefix="kindred-bench-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    data = os.environ.get("KINDRED_DATA_DIR")
    return movielens(folder, None if data is None else Path(data))


@contextmanager
def copied(shop: Shop) -> Iterator[Shop]:
    """The same shop to write into, gone afterwards; who measures after that finds the shared one as it was."""
    with tempfile.TemporaryDirectory(prefix="kindred-bench-") as directory:
        folder = Path(directory) / "shop"
        shutil.copytree(shop.folder, folder)
        yield Shop(folder, shop.snapshot)


def synthetic(folder: Path, *, users: int, items: int, purchases: int, sources: Sequence[str] = SOURCES) -> Shop:
    """A power-law shop: users of forty tastes buy popular items of their own; every item has a brand."""
    source, target, times = power_law(users, items, purchases)
    brands = max(items // 20, 1)
    with open_sqlite(f"sqlite:{folder / 'graph.db'}") as store:
        store.ensure_schema(SCHEMA)
        names = [f"item-{row}" for row in range(items)]
        items_are = [{"title": f"Item number {row}", "price": row % 100} for row in range(items)]
        store.bulk_load(
            [
                UpsertNodes("User", [f"user-{row}" for row in range(users)]),
                UpsertNodes("Item", names, items_are),
                UpsertNodes("Brand", [f"brand-{row}" for row in range(brands)]),
                UpsertEdges(HAS_BRAND, names, [f"brand-{row % brands}" for row in range(items)]),
                UpsertEdges(
                    PURCHASED,
                    [f"user-{row}" for row in source.tolist()],
                    [f"item-{row}" for row in target.tolist()],
                    timestamp_ms=times.tolist(),
                ),
            ],
            batch_id="bench",
            actor="bench",
        )
        snapshot = build_snapshot(store, folder / "snapshot")
    publish(snapshot, folder / "releases", sources)
    return Shop(folder, snapshot)


def power_law(users: int, items: int, purchases: int) -> tuple[LongArray, LongArray, LongArray]:
    """Rows of users and items and times in milliseconds, oldest first: ``purchases`` distinct pairs."""
    random = np.random.default_rng(7)
    tastes = max(1, min(_TASTES, users * items // (8 * purchases)))  # fewer where there would be too few pairs
    pairs = np.empty(0, np.int64)
    while pairs.size < purchases:
        count = 2 * (purchases - pairs.size) + 1000
        source = (users * random.random(count) ** 1.6).astype(np.int64)
        target = ((items // tastes) * random.random(count) ** 1.8).astype(np.int64) * tastes + source % tastes
        stray = random.random(count) < 0.2
        target[stray] = (items * random.random(int(stray.sum())) ** 1.8).astype(np.int64)
        pairs = np.unique(np.concatenate([pairs, source * items + target]))
    pairs = random.permutation(pairs)[:purchases]
    times = np.sort(random.integers(1_500_000_000_000, 1_500_000_000_000 + 900 * _DAYS_MS, purchases))
    return pairs // items, pairs % items, times


def publish(snapshot: Snapshot, root: Path, sources: Sequence[str], hour: int = 1) -> str:
    """The id of a release with these sources, fused by the prior weights, made current."""
    operators, weights = fitted(snapshot, sources)
    arrays, documents = engine_payload(operators, weights)
    words, index = search_payload(snapshot, snapshot_popularity(operators, snapshot))
    arrays, documents = {**arrays, **words}, {**documents, **index}
    documents = {**documents, "gate": {"promoted": True, "winner": "fused"}, "evaluation": {"table": []}}
    now = datetime(2026, 1, 2, hour, tzinfo=UTC)
    release = write_release(root, snapshot=snapshot.directory, arrays=arrays, documents=documents, now=now)
    activate(root, release.id)
    return release.id


def fitted(snapshot: Snapshot, sources: Sequence[str]) -> tuple[Mapping[str, Operator], FusionWeights]:
    """The sources, fitted, and the prior weights over them; every reading of the history counts."""
    item_count = len(snapshot.nodes(snapshot.schema.item_type))
    vectors = text_like(item_count) if "text" in sources else None
    data = TrainingData(interactions_from(snapshot), knowledge_from(snapshot, vectors))
    operators = {name: as_released(MODELS[name].build().fit(data)) for name in sources}
    return operators, FusionWeights.prior(FeatureSpace.over(operators))


def text_like(items: int, width: int = 384) -> FloatArray:
    """Unit vectors that cluster as the tastes do, as wide as MiniLM's. Shape (I, width)."""
    random = np.random.default_rng(3)
    centres = random.standard_normal((_TASTES, width)).astype(np.float32)
    vectors = centres[np.arange(items) % _TASTES] + random.standard_normal((items, width), dtype=np.float32)
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)
