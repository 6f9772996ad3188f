"""Start with a million items, a swap under load, memory per worker, and growth by factors of ten."""

from __future__ import annotations

import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from api.engine import engine_payload
from api.serving.releases import FolderReleases
from gnn.fusion import FeatureSpace, FusionWeights
from gnn.operators import ConstantOperator, EmbeddingOperator
from graph.release import activate, write_release
from graph.snapshot import Snapshot, build_snapshot, open_snapshot
from graph.sqlite import open_sqlite
from graph.view import GraphView
from graph.walks import co_interaction
from tests.benchmarks.bench_snapshot import BOUGHT, ROUNDS, ExportedShop, seconds
from tests.benchmarks.load import Asked, load
from tests.benchmarks.served import serving
from tests.benchmarks.shop_log import BATCH_ROWS
from tests.benchmarks.shops import publish, synthetic

ITEMS, WIDTH, GROWTH = 1_000_000, 64, (1_000_000, 10_000_000)
PROJECTED = 100_000_000


def measure(items: int = ITEMS, growth: tuple[int, ...] = GROWTH) -> list[dict[str, Any]]:
    """Rows of ``name, ours, peer, ratio, unit, goal, met``."""
    with tempfile.TemporaryDirectory() as directory:
        folder = Path(directory)
        rows = [*_million(folder / "million", items), *_swap(folder / "shop")]
        return [*rows, *_growth(folder, growth)]


def _million(folder: Path, items: int) -> list[dict[str, Any]]:
    """How soon a release of many items answers, and what it takes in memory."""
    root, release_id, count = _release_of(folder / "many", 1_000_000, 60_000, items)
    releases = FolderReleases(root)
    start_s = statistics.median(seconds(lambda: releases.take(release_id)) for _ in range(3))
    python_mb, _ = _memory(*_release_of(folder / "few", 100, 10, 100)[:2])
    own_mb, resident_mb = _memory(root, release_id)
    private = own_mb - python_mb
    return [
        _row(f"a release of {count:,} items × {WIDTH} taken into service", start_s, "s", "≤ 1", start_s <= 1),
        _row(
            f"memory of a worker that has answered from it, maps not counted, beyond the {python_mb:,.0f} MB of one "
            "that has answered from a hundred items",
            private, "MB", "≤ 160", private <= 160,
        ),
        _row("its whole resident memory, maps counted, which workers share", resident_mb, "MB", "–", None),
    ]  # fmt: skip


def _release_of(folder: Path, edges: int, users: int, items: int) -> tuple[Path, str, int]:
    """The folder of one release of random vectors, its id, and how many items it has."""
    folder.mkdir(parents=True)
    shop = ExportedShop(edges, users, items)
    snapshot = build_snapshot(shop, folder / "snapshot")  # type: ignore[arg-type]
    count = len(snapshot.nodes("Item"))
    random = np.random.default_rng(5)
    table = random.standard_normal((count, WIDTH), dtype=np.float32)
    operators = {
        "als": EmbeddingOperator(table, table),
        "popularity": ConstantOperator(random.random(count, dtype=np.float32)),
    }
    arrays, documents = engine_payload(operators, FusionWeights.prior(FeatureSpace.over(operators)))
    root = folder / "releases"
    release = write_release(
        root, snapshot=snapshot.directory, arrays=arrays, documents=documents, now=datetime.now(UTC)
    )
    activate(root, release.id)
    return root, release.id, count


def _memory(root: Path, release_id: str) -> tuple[float, float]:
    """MB of a process of its own that has answered: what is its alone, and what is resident, maps counted."""
    script = (
        "import sys; from pathlib import Path\n"
        "from api.serving.releases import FolderReleases; from api.engine import Request\n"
        "def mb(name):\n"
        "    status = open('/proc/self/status')\n"
        "    return next(int(line.split()[1]) for line in status if line.startswith(name)) / 1024\n"
        "live = FolderReleases(Path(sys.argv[1])).take(sys.argv[2])\n"
        "items = live.view.snapshot.nodes('Item'); users = live.view.snapshot.nodes('User')\n"
        "for row in range(20):\n"
        "    at = row % min(len(items), len(users))\n"
        "    live.engine.related(items.id_of(at)); live.engine.recommend(Request(users.id_of(at)))\n"
        "print(mb('RssAnon'), mb('VmRSS'))\n"
    )
    command = [sys.executable, "-c", script, str(root), release_id]
    printed = subprocess.run(command, capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2]).stdout
    own, resident = (float(word) for word in printed.split()[-2:])
    return own, resident


def _swap(folder: Path) -> list[dict[str, Any]]:
    """Twenty swaps under 200 requests a second, beside the same load without any.

    Nobody is asked for twice, so that both loads are computed: a swap forgets what is kept, and without one half of
    the answers would be.
    """
    folder.mkdir()
    shop = synthetic(
        folder, users=5_000, items=3_000, purchases=100_000, sources=("popularity", "itemknn", "attributes")
    )
    names = [path.name for path in shop.releases.iterdir() if path.is_dir()]
    names.append(publish(shop.snapshot, shop.releases, ("popularity", "rp3beta", "attributes"), hour=2))
    asked = [Asked(f"/v1/users/user-{number}/recommendations") for number in range(5_000)]
    with serving(shop, poll_interval_s=0.1) as (port, key):
        ask = partial(load, port, connections=20, key=key, wait_ms=98)
        ask(asked[:600], seconds=2)
        still = ask(asked[600:2_800], seconds=8)
        with _activating(shop.releases, names) as swaps:
            moving = ask(asked[2_800:], seconds=8)
    moved = f"{len(swaps)} swaps under {moving.requests_per_s:,.0f} requests/s"
    return [
        _row(f"failed requests of {moved}", moving.failed, "requests", "0", moving.failed == 0),
        _row(
            f"p99 while swapping; peer: without swaps, {still.p99_ms:.2f} ms",
            moving.p99_ms, "ms", "≤ 2 × peer", moving.p99_ms <= 2 * still.p99_ms,
        )
        | {"peer": still.p99_ms, "ratio": round(moving.p99_ms / still.p99_ms, 2)},
    ]  # fmt: skip


@contextmanager
def _activating(releases: Path, names: list[str]) -> Iterator[list[int]]:
    """Activates the releases in turn, every .4 s, from a process of its own; afterwards how often, in the list."""
    script = (
        "import sys, time; from pathlib import Path; from graph.release import activate\n"
        "swaps = 0\n"
        "while True:\n"
        "    time.sleep(0.4); activate(Path(sys.argv[1]), sys.argv[2 + swaps % (len(sys.argv) - 2)])\n"
        "    swaps += 1; print(swaps, flush=True)\n"
    )
    command, swaps = [sys.executable, "-c", script, str(releases), *names], list[int]()
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]) as process:
        assert process.stdout is not None
        process.stdout.readline()  # it has come up
        yield swaps
        process.terminate()
        swaps += [int(line) for line in process.stdout]


def _growth(folder: Path, sizes: tuple[int, ...]) -> list[dict[str, Any]]:
    """Power-law graphs ten times as large each: what grows in proportion, and what a hundred times would take.

    Builds are medians of :data:`ROUNDS`, after a small one that loads the compiled loops: the first to use so much
    memory waits for the machine beneath to give it.
    """
    rows, per_edge = [], dict[str, list[float]]()
    build_snapshot(ExportedShop(1_000, 60, 20), folder / "loops")  # type: ignore[arg-type]
    for edges in sizes:
        shop = ExportedShop(edges, edges * 60 // 1_000, edges * 20 // 1_000)
        count = shop.pairs.size
        load_s, stored_mb = _loaded(shop, folder / f"growth-{edges}.db")
        place = folder / f"growth-{edges}"
        build = partial(build_snapshot, shop, place)  # type: ignore[arg-type]
        build_s = statistics.median(seconds(build) for _ in range(ROUNDS))
        size_mb = sum(path.stat().st_size for path in place.rglob("*") if path.is_file()) / 1e6
        with open_snapshot(place) as snapshot:
            opened_ms = 1e3 * statistics.median(seconds(lambda place=place: open_snapshot(place)) for _ in range(9))  # type: ignore[misc]
            walk_ms = _walk_ms(snapshot)
        shutil.rmtree(place)
        name = f"{count:,} edges"
        rows += [
            _row(f"{name}: loaded into SQLite, in order of time", load_s, "s", "–", None),
            _row(f"{name}: SQLite's file, indexes and all", stored_mb, "MB", "–", None),
            _row(f"{name}: snapshot built from an export", build_s, "s", "–", None),
            _row(f"{name}: snapshot on disk, mapped by every worker", size_mb, "MB", "–", None),
            _row(f"{name}: snapshot opened", opened_ms, "ms", "≤ 2", opened_ms <= 2),
            _row(f"{name}: 2-hop walk, p50", walk_ms, "ms", "–", None),
        ]
        for what, figure in (("loaded", load_s), ("built", build_s), ("on disk", size_mb)):
            per_edge.setdefault(what, []).append(figure / count)
    for what, unit in (("loaded", "s"), ("built", "s"), ("on disk", "MB")):
        first, last = per_edge[what][0], per_edge[what][-1]
        rows.append(_row(f"per edge, {what}: largest over smallest", last / first, "×", "≤ 1.2", last <= 1.2 * first))
        rows.append(_row(f"{PROJECTED:,} edges, {what}: projected, not measured", last * PROJECTED, unit, "–", None))
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    rows.append(_row("peak memory of this benchmark", peak_mb, "MB", "–", None))
    return rows


def _loaded(shop: ExportedShop, path: Path) -> tuple[float, float]:
    """Seconds until a new SQLite store holds the shop, indexed and durable, and the MB of its file."""
    with open_sqlite(f"sqlite:{path}") as store:
        store.ensure_schema(shop.schema)
        load_s = seconds(lambda: store.bulk_load(shop.upserts(BATCH_ROWS), batch_id="growth", actor="bench"))
    size_mb = path.stat().st_size / 1e6
    path.unlink()
    return load_s, size_mb


def _walk_ms(snapshot: Snapshot) -> float:
    view = GraphView(snapshot)
    seeds = np.random.default_rng(2).choice(snapshot.edges(BOUGHT).out.indices, 200).tolist()
    co_interaction(view, BOUGHT, seeds[0])
    return 1e3 * statistics.median(seconds(partial(co_interaction, view, BOUGHT, seed)) for seed in seeds)


def _row(name: str, ours: float, unit: str, goal: str, met: bool | None) -> dict[str, Any]:
    shown = ours if isinstance(ours, int) else round(ours, 3)
    return {"name": name, "ours": shown, "peer": None, "ratio": None, "unit": unit, "goal": goal, "met": met}
