"""A small shop behind the API: the embedded store, a snapshot of it, and an engine simple enough to know by heart."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import numpy as np

from api.app import create_app
from api.engine import Engine
from api.engine.answer import Answer, RankedItem, Reason, ReasonPath
from api.engine.request import Request, window_seconds
from api.engine.steering import NO_STEERING, Steering
from api.parts import StoreHolder
from api.serving.live import Live
from api.serving.serving import ReleaseRow
from api.settings import Settings
from gnn.fusion import FusedRanker, FusionWeights
from gnn.operators import ConstantOperator
from graph.courtesy import is_courteous
from graph.errors import NotFound, ReleaseError, StoreUnavailable
from graph.overlay import Overlay
from graph.records import Applied, Change, Mutation, Node, UpsertEdges, UpsertNodes
from graph.schema import EdgeRole, GraphSchema
from graph.snapshot import build_snapshot
from graph.store import GraphStore, open_store
from graph.view import GraphView

SHOP = GraphSchema.parse(
    {
        "nodes": [
            {"name": "User", "role": "user"},
            {
                "name": "Item",
                "role": "item",
                "title": "title",
                "properties": {"title": "string", "price": "number", "tags": "strings"},
            },
            {"name": "Brand", "role": "attribute", "title": "name", "properties": {"name": "string"}},
        ],
        "edges": [
            {"source": "User", "relation": "PURCHASED", "target": "Item", "role": "interaction", "kind": "purchase"},
            {"source": "User", "relation": "LIKED", "target": "Item", "role": "interaction", "kind": "rating"},
            {
                "source": "User",
                "relation": "RATED",
                "target": "Item",
                "role": "interaction",
                "kind": "rating",
                "positive": False,
            },
            {"source": "Item", "relation": "HAS_BRAND", "target": "Brand", "role": "attribute", "words": "same brand"},
        ],
    }
)
PURCHASED = ("User", "PURCHASED", "Item")
ODD_ITEMS = ("bag/red", "100%", "a related/related", "袋", "x?y#z", " spaced ")


def fill(store: GraphStore) -> None:
    """Six plain items and the odd ones, three users who bought, two brands."""
    items = [f"i{at}" for at in range(6)] + list(ODD_ITEMS)
    store.ensure_schema(SHOP)
    store.apply(
        [
            UpsertNodes("Item", items, [{"title": f"Title of {item}", "price": 1.5} for item in items]),
            UpsertNodes("Brand", ["nivea", "dove"], [{"name": "Nivea"}, {"name": "Dove"}]),
            UpsertNodes("User", ["u0", "u1", "u2"]),
            UpsertEdges(
                PURCHASED, ["u0", "u0", "u1", "u2"], ["i0", "i1", "i0", "i2"], timestamp_ms=[1000, 2000, 3000, None]
            ),
            UpsertEdges(("Item", "HAS_BRAND", "Brand"), items, ["nivea", "dove"] * (len(items) // 2)),
        ],
        batch_id="fill",
        actor="test",
    )


class CountingEngine(Engine):
    """Ranks items by how many interactions they have; leaves out what the user has."""

    def __init__(self, view: GraphView, release_id: str) -> None:
        operators = {"popularity": ConstantOperator(np.zeros(len(view.snapshot.nodes("Item")), np.float32))}
        ranker = FusedRanker(operators, FusionWeights.only(operators, "popularity"))
        super().__init__(view, ranker, overlay=view.overlay, release_id=release_id)
        self.delay_s = 0.0

    def recommend(self, request: Request) -> Answer:
        time.sleep(self.delay_s)
        user = None if request.user_id is None else self.view.index_of("User", request.user_id)
        known = {*request.items, *(event.item_id for event in request.events)}
        unknown = [item_id for item_id in (*known, *request.exclude) if self.view.index_of("Item", item_id) is None]
        seen = set() if user is None else set(self._bought(user))
        leave_out = seen | known | set(request.exclude)
        return self._answer(leave_out, request.n, None if seen or known else "popularity", tuple(sorted(unknown)))

    def related(
        self,
        item_id: str,
        kind: str = "similar",
        n: int = 10,
        *,
        user_id: str | None = None,
        reasons: bool = False,
        language: str = "en",
        steering: Steering = NO_STEERING,
    ) -> Answer:
        if self.view.index_of("Item", item_id) is None:
            raise NotFound("there is no such item", got=item_id)
        return self._answer({item_id}, n, None, ())

    def trending(
        self,
        window: str = "7d",
        n: int = 10,
        *,
        reasons: bool = False,
        language: str = "en",
        steering: Steering = NO_STEERING,
    ) -> Answer:
        window_seconds(window)
        return self._answer(set(), n, None, ())

    def search(self, query: str, n: int = 10, *, user_id=None, reasons=False, language="en", steering=None) -> Answer:
        return self._answer(set(), n, None, ())

    def suggest(self, text: str, n: int = 10) -> list[Any]:
        return []

    def refresh(self) -> bool:
        return False

    def settle(self) -> bool:
        return False

    def _bought(self, user: int) -> Iterator[str]:
        for spec in SHOP.edges_with(EdgeRole.INTERACTION):
            for item in self.view.neighbors(spec.edge_type, user).indices.tolist():
                yield self.view.id_of("Item", item)

    def _answer(self, leave_out: set[str], n: int, fallback: str | None, unknown: tuple[str, ...]) -> Answer:
        counts = {
            row: sum(
                self.view.neighbors(spec.edge_type, row, "in").indices.size
                for spec in SHOP.edges_with(EdgeRole.INTERACTION)
            )
            for row in range(self.view.num_nodes("Item"))
        }
        best = sorted(counts, key=lambda row: (-counts[row], row))
        best = [row for row in best if self.view.id_of("Item", row) not in leave_out][:n]
        items = tuple(
            RankedItem(
                self.view.id_of("Item", row),
                row,
                self.view.title("Item", row),
                float(counts[row]),
                rank,
                ("popularity",),
                (Reason("popular", ReasonPath((("Item", self.view.id_of("Item", row)),)), 1.0, "popularity"),),
            )
            for rank, row in enumerate(best, 1)
        )
        return Answer(items, fallback, unknown, self.release_id, None, self.view.watermark)


@dataclass
class FakeReleases:
    """Releases cut from a store on demand; ``current`` is the pointer, ``broken`` ones do not verify."""

    folder: Path
    store: GraphStore
    current: str | None = "r1"
    before: str | None = None
    broken: set[str] = field(default_factory=set)
    taken: list[str] = field(default_factory=list)
    beside_answers: dict[str, bool] = field(default_factory=dict)
    """Of each release, whether the thread that took it last stood back for answers."""

    def current_id(self) -> str | None:
        return self.current

    def take(self, release_id: str) -> Live:
        self.taken.append(release_id)
        self.beside_answers[release_id] = is_courteous()
        if release_id in self.broken:
            raise ReleaseError("the release is damaged", where=release_id)
        snapshot = build_snapshot(self.store, self.folder / release_id)
        overlay = Overlay(snapshot)
        view = GraphView(snapshot, overlay)
        return Live(
            release_id, "2026-11-22T00:00:00+00:00", CountingEngine(view, release_id), view, overlay, snapshot.watermark
        )

    def activate(self, release_id: str) -> None:
        if release_id not in ("r1", "r2"):
            raise NotFound("there is no such release", got=release_id)
        if release_id in self.broken:
            raise ReleaseError("the release is damaged", where=release_id)
        self.before, self.current = self.current, release_id

    def roll_back(self) -> str:
        if self.before is None:
            raise NotFound("no earlier release to go back to")
        self.before, self.current = self.current, self.before
        return self.current

    def rows(self) -> list[ReleaseRow]:
        rows = [("r1", {"promoted": True}), ("r2", {"promoted": False})]
        return [
            ReleaseRow(name, "2026-11-22T00:00:00+00:00", name == self.current, {"ndcg@20": 0.1}, gate)
            for name, gate in rows
        ]


class FaultyStore:
    """The store behind a line that can be cut (``down``) or slowed (``delay_s``)."""

    def __init__(self, store: GraphStore) -> None:
        self.inside = store
        self.down = False
        self.delay_s = 0.0
        self.applied: list[int] = []
        self.feeds_read = 0

    def _pass(self) -> GraphStore:
        time.sleep(self.delay_s)
        if self.down:
            raise StoreUnavailable("the line is cut")
        return self.inside

    @property
    def schema(self) -> GraphSchema:
        return self._pass().schema

    def node(self, node_type: str, node_id: str) -> Node | None:
        return self._pass().node(node_type, node_id)

    def watermark(self) -> str:
        return self._pass().watermark()

    def reading(self) -> Any:
        return self._pass().reading()

    def changes_since(self, watermark: str, *, limit: int | None = None) -> Iterator[Change]:
        self.feeds_read += 1
        return self._pass().changes_since(watermark, limit=limit)

    def apply(self, mutations: Iterable[Mutation], *, batch_id: str, actor: str) -> Applied:
        rows = list(mutations)
        self.applied.append(sum(len(row.source_ids) for row in rows if isinstance(row, UpsertEdges)))
        return self._pass().apply(rows, batch_id=batch_id, actor=actor)

    def close(self) -> None:
        self.inside.close()


@dataclass
class World:
    """One running application and what is behind it."""

    app: Any
    client: httpx2.AsyncClient
    store: FaultyStore
    releases: FakeReleases

    @property
    def parts(self) -> Any:
        return self.app.state.parts

    async def get(self, path: str) -> Any:
        return await self.client.get(path)

    async def post(self, path: str, document: Any) -> Any:
        return await self.client.post(path, json=document)

    async def until(self, reached: Any, timeout_s: float = 20.0) -> None:
        ends = time.monotonic() + timeout_s
        while not reached():
            assert time.monotonic() < ends, "it did not happen in time"
            await asyncio.sleep(0.02)


@asynccontextmanager
async def running(folder: Path, *, url: str | None = None, ready: bool = True, filled: bool = True, **settings: Any):
    """A world whose application runs in this process, over the store at ``url`` or an embedded one."""
    inside = open_store(url or f"sqlite:{folder / 'graph.db'}")
    if filled:
        fill(inside)
    store = FaultyStore(inside)
    releases = FakeReleases(folder, inside, "r1" if ready else None)
    chosen = {
        "work_dir": folder / "work",
        "poll_interval_s": 0.05,
        "read_deadline_s": 5.0,
        "write_deadline_s": 5.0,
        **settings,
    }
    app = create_app(Settings(**chosen), releases=releases, store=StoreHolder("", lambda _: store))
    transport = httpx2.ASGITransport(app, raise_app_exceptions=True)
    async with (
        app.router.lifespan_context(app),
        httpx2.AsyncClient(transport=transport, base_url="http://shop") as client,
    ):
        world = World(app, client, store, releases)
        if ready:
            await world.until(lambda: app.state.parts.serving.found is not None)
        yield world


def run(scenario: Any) -> None:
    """Runs an async test without a plugin."""
    asyncio.run(scenario)
