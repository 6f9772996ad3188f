"""How fast and how small the snapshot is, beside peers doing the same work in the same process."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from graph.csr import csr_from_parquet
from graph.records import UpsertEdges
from graph.schema import EdgeType, GraphSchema
from graph.snapshot import Snapshot, build_snapshot, open_snapshot
from graph.store import EDGE_COLUMNS, NODE_COLUMNS
from graph.view import GraphView
from graph.walks import co_interaction

PARQUET_ROWS = 10_000_000
EDGES = 1_000_000
ROUNDS = 5
BOUGHT: EdgeType = ("User", "BOUGHT", "Item")
SHOP = GraphSchema.parse(
    {
        "nodes": [{"name": "User", "role": "user"}, {"name": "Item", "role": "item"}],
        "edges": [{"source": "User", "relation": "BOUGHT", "target": "Item", "role": "interaction", "kind": "rating"}],
    }
)


class ExportedShop:
    """What a store exports, from arrays: the build is measured without any database."""

    schema = SHOP

    def __init__(self, num_edges: int, num_users: int, num_items: int) -> None:
        generator = np.random.default_rng(1)
        users = generator.integers(0, num_users, num_edges)
        items = (num_items * generator.random(num_edges) ** 2).astype(np.int64)
        self.pairs = np.unique(users << 32 | items)
        self.times = generator.integers(1_400_000_000, 1_500_000_000, self.pairs.size) * 1000
        self.weights = generator.integers(1, 6, self.pairs.size).astype(np.float64)
        self.ids = {
            "User": pa.array([f"user{number:07}" for number in range(num_users)]),
            "Item": pa.array([f"item{number:07}" for number in range(num_items)]),
        }

    def upserts(self, rows: int) -> Iterator[UpsertEdges]:
        """The same edges as a store is given them: in order of time, so many rows at once."""
        names = {node_type: np.array(ids.to_pylist(), object) for node_type, ids in self.ids.items()}
        order = np.argsort(self.times)
        for start in range(0, order.size, rows):
            at = order[start : start + rows]
            yield UpsertEdges(
                BOUGHT,
                names["User"][self.pairs[at] >> 32].tolist(),
                names["Item"][self.pairs[at] & 0xFFFFFFFF].tolist(),
                weight=self.weights[at].tolist(),
                timestamp_ms=self.times[at].tolist(),
                create_missing=True,
            )

    def watermark(self) -> str:
        return "1"

    @contextmanager
    def reading(self) -> Iterator[ExportedShop]:
        yield self

    def export_nodes(self, node_type: str) -> Iterator[pa.RecordBatch]:
        ids = self.ids[node_type]
        yield pa.record_batch([ids, pa.repeat("{}", len(ids))], schema=NODE_COLUMNS)

    def export_edges(self, edge_type: EdgeType) -> Iterator[pa.RecordBatch]:
        for start in range(0, self.pairs.size, 1 << 16):
            pairs = self.pairs[start : start + (1 << 16)]
            sources, targets = (
                self.ids["User"].take(pa.array(pairs >> 32)),
                self.ids["Item"].take(pa.array(pairs & 0xFFFFFFFF)),
            )
            part = slice(start, start + pairs.size)
            columns = [
                sources,
                targets,
                pa.repeat("", pairs.size),
                self.weights[part],
                self.times[part],
                pa.repeat("{}", pairs.size),
            ]
            yield pa.record_batch(columns, schema=EDGE_COLUMNS)


def seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def row(
    name: str, ours: float, peer: float | None, unit: str, goal: str, met: bool, ratio: float | None
) -> dict[str, Any]:
    """One line of the table; ``ratio`` is what the goal speaks of."""
    return {"name": name, "ours": ours, "peer": peer, "ratio": ratio, "unit": unit, "goal": goal, "met": met}


def parquet_rows(folder: Path, *, num_users: int, num_items: int, spelled_out: bool) -> dict[str, Any]:
    """Parquet to rows both ways, beside pyarrow reading the file and encoding its two id columns."""
    generator = np.random.default_rng(0)
    path = folder / "rows.parquet"
    ids = {"user": (num_users, generator.integers(0, num_users, PARQUET_ROWS)), "item": (num_items, None)}
    columns: dict[str, Any] = {}
    for name, (count, drawn) in ids.items():
        at = (count * generator.random(PARQUET_ROWS) ** 2).astype(np.int64) if drawn is None else drawn
        columns[name] = pa.array([f"{name[0]}{number}" for number in range(count)]).take(pa.array(at))
    columns["time"] = pa.array(generator.integers(1_400_000_000, 1_500_000_000, PARQUET_ROWS))
    pq.write_table(pa.table(columns), path, use_dictionary=not spelled_out)
    del columns

    def peer() -> object:
        table = pq.read_table(path)
        return table["user"].dictionary_encode(), table["item"].dictionary_encode(), table["time"]

    pairs = [(seconds(lambda: csr_from_parquet(path, "user", "item", "time")), seconds(peer)) for _ in range(ROUNDS)]
    ours, theirs = (statistics.median(side) for side in zip(*pairs, strict=True))
    how = "ids spelled out" if spelled_out else "dictionary pages"
    name = (
        f"{PARQUET_ROWS // 10**6}M Parquet rows ({how}) to rows both ways with times; peer: pyarrow reads and encodes"
    )
    ratio = ours / theirs
    return row(name, ours, theirs, "s", "≤ 0.95 × peer (goal 0.9)", ratio <= 0.95, ratio)


def two_hops(snapshot: Snapshot, shape: str) -> dict[str, Any]:
    """Items of an item's users with counts, beside the same loop over a networkx graph."""
    view = GraphView(snapshot)
    table = snapshot.edges(BOUGHT)
    graph: nx.Graph[tuple[int, int]] = nx.Graph()
    users = np.repeat(np.arange(len(snapshot.nodes("User"))), np.diff(table.out.indptr))
    graph.add_edges_from(
        ((0, user), (1, item)) for user, item in zip(users.tolist(), table.out.indices.tolist(), strict=True)
    )

    def peer(item: int) -> Counter[int]:
        counts: Counter[int] = Counter()
        for user in graph[1, item]:
            counts.update(other for _, other in graph[user])
        del counts[item]
        return counts

    # Seeds as they are asked for: drawn by popularity.
    seeds = np.random.default_rng(2).choice(table.out.indices, 200).tolist()
    co_interaction(view, BOUGHT, seeds[0])
    for seed in seeds[:5]:
        ours_says = co_interaction(view, BOUGHT, seed)
        assert dict(zip(ours_says.indices.tolist(), ours_says.counts.tolist(), strict=True)) == peer(seed)
    rounds = seeds * ROUNDS  # the first one is in memory that nobody has read yet
    ours = 1000 * statistics.median(seconds(partial(co_interaction, view, BOUGHT, seed)) for seed in rounds)
    theirs = 1000 * statistics.median(seconds(partial(peer, seed)) for seed in rounds)
    times = theirs / ours
    return row(
        f"2-hop co-interaction, {shape}, p50; peer: networkx", ours, theirs, "ms", "≥ 25 × faster", times >= 25, times
    )


def measure() -> list[dict[str, Any]]:
    """The table's rows."""
    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shop = ExportedShop(EDGES, 60_000, 20_000)
        build_s = seconds(lambda: build_snapshot(shop, folder / "snapshot"))  # type: ignore[arg-type]
        rate = shop.pairs.size / build_s
        rows.append(
            row("snapshot built from a store's export", rate, None, "edges/s", "≥ 500k/s", rate >= 500_000, None)
        )
        edge_files = (folder / "snapshot" / "edges").rglob("*.npy")
        size_mb = sum(path.stat().st_size for path in edge_files) / shop.pairs.size
        what = "MB per 1M edges, both ways, times and weights"
        rows.append(row(what, size_mb, None, "MB", "≤ 16", size_mb <= 16, None))
        opened = [seconds(lambda: open_snapshot(folder / "snapshot")) for _ in range(50)]
        open_ms = statistics.median(opened) * 1000
        rows.append(row("snapshot opened", open_ms, None, "ms", "≤ 2", open_ms <= 2, None))
        with open_snapshot(folder / "snapshot") as snapshot:
            rows.append(two_hops(snapshot, f"{shop.pairs.size:,} edges, 60,000 × 20,000"))
        dense = ExportedShop(EDGES, 6_040, 3_706)
        with build_snapshot(dense, folder / "dense") as snapshot:  # type: ignore[arg-type]
            rows.append(two_hops(snapshot, f"{dense.pairs.size:,} edges, 6,040 × 3,706 (MovieLens-1M's size)"))
        rows.append(parquet_rows(folder, num_users=50_000, num_items=20_000, spelled_out=False))
        rows.append(parquet_rows(folder, num_users=50_000, num_items=20_000, spelled_out=True))
    return rows
