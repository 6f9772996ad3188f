"""A corner shop whose right answers are known: people who take tea, people who take a bath, and a few loose ends."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from api.engine import Engine, Policy, engine_payload
from gnn.data import TrainingData
from gnn.data.knowledge import interactions_from, knowledge_from
from gnn.fusion import FeatureSpace, FusedRanker, FusionWeights
from gnn.models import MODELS
from gnn.operators import Operator
from graph.overlay import Overlay
from graph.records import Mutation, UpsertEdges, UpsertNodes
from graph.release import open_release, write_release
from graph.schema import EdgeType, GraphSchema
from graph.snapshot import Snapshot, build_snapshot
from graph.store import GraphStore, open_store
from graph.view import GraphView

DAY_S = 86_400
START_S = 1_704_067_200

PURCHASED: EdgeType = ("Customer", "PURCHASED", "Product")
VIEWED: EdgeType = ("Customer", "VIEWED", "Product")
RETURNED: EdgeType = ("Customer", "RETURNED", "Product")
HELD_OUT: EdgeType = ("Customer", "HELD_OUT", "Product")
HAS_BRAND: EdgeType = ("Product", "HAS_BRAND", "Brand")
IN_CATEGORY: EdgeType = ("Product", "IN_CATEGORY", "Category")
MADE_BY: EdgeType = ("Product", "MADE_BY", "Maker")
COMPLEMENTS: EdgeType = ("Product", "COMPLEMENTS", "Product")
ALSO_VIEWED: EdgeType = ("Product", "ALSO_VIEWED", "Product")

SCHEMA = GraphSchema.parse(
    {
        "nodes": [
            {"name": "Customer", "role": "user"},
            {
                "name": "Product",
                "role": "item",
                "title": "title",
                "properties": {
                    "title": "string",
                    "price": "number",
                    "hidden": "boolean",
                    "pinned": "boolean",
                    "added_at": "timestamp",
                },
            },
            {"name": "Brand", "role": "attribute", "title": "name", "properties": {"name": "string"}},
            {"name": "Category", "role": "attribute"},
            {"name": "Maker", "role": "attribute", "title": "name", "properties": {"name": "string"}},
        ],
        "edges": [
            {"source": source, "relation": relation, "target": target, **rest}
            for (source, relation, target), rest in (
                (PURCHASED, {"role": "interaction", "kind": "purchase"}),
                (VIEWED, {"role": "interaction", "kind": "view"}),
                (RETURNED, {"role": "interaction", "kind": "return", "positive": False}),
                (HELD_OUT, {"role": "interaction", "kind": "purchase", "holdout": True}),
                (HAS_BRAND, {"role": "attribute", "words": "same brand"}),
                (IN_CATEGORY, {"role": "attribute"}),
                (MADE_BY, {"role": "attribute"}),
                (COMPLEMENTS, {"role": "item_relation", "words": "goes with"}),
                (ALSO_VIEWED, {"role": "item_relation", "learn": False}),
            )
        ],
    }
)

TEA = ("tea", "pot", "cup", "saucer", "biscuit")
BATH = ("soap", "shampoo", "towel", "sponge", "duck")
OTHERS = ("mug", "cream", "lonely")
PRODUCTS = (*TEA, *BATH, *OTHERS)
TITLES = {
    "tea": "Green tea", "pot": "Tea pot", "cup": "Tea cup", "saucer": "Saucer", "biscuit": "Ginger biscuit",
    "soap": "Olive soap", "shampoo": "Shampoo", "towel": "Bath towel", "sponge": "Sponge", "duck": "Rubber duck",
    "mug": "Big mug", "cream": "Hand cream", "lonely": "Lonely lamp",
}  # fmt: skip
BRANDS = {"cup": "acme", "mug": "acme", "soap": "nivea", "shampoo": "nivea", "cream": "nivea"}
CATEGORIES = {
    **dict.fromkeys(("cup", "saucer", "mug", "pot"), "Crockery"),
    **dict.fromkeys(("tea", "biscuit"), "Food"),
    **dict.fromkeys(("soap", "shampoo", "cream"), "Care"),
}
MAKERS = {"towel": "m.0x7", "sponge": "m.0x7"}
"""A maker whose name nobody wrote down."""
MODELS_USED = ("popularity", "itemknn", "rp3beta", "next_item", "attributes", "relations")


def catalogue() -> list[Mutation]:
    """Products, attributes and curated relations."""
    return [
        UpsertNodes("Product", PRODUCTS, [{"title": TITLES[name]} for name in PRODUCTS]),
        UpsertNodes("Brand", ["acme", "nivea"], [{"name": "Acme"}, {"name": "Nivea"}]),
        UpsertNodes("Category", sorted(set(CATEGORIES.values()))),
        UpsertNodes("Maker", ["m.0x7"]),
        UpsertEdges(HAS_BRAND, list(BRANDS), list(BRANDS.values())),
        UpsertEdges(IN_CATEGORY, list(CATEGORIES), list(CATEGORIES.values())),
        UpsertEdges(MADE_BY, list(MAKERS), list(MAKERS.values())),
        UpsertEdges(COMPLEMENTS, ["tea"], ["biscuit"]),
    ]


def invoice(customer: str, products: Sequence[str], day: int, number: str) -> UpsertEdges:
    """A purchase of several products on one invoice."""
    times = [(START_S + day * DAY_S) * 1000 + at for at in range(len(products))]
    return UpsertEdges(
        PURCHASED, [customer] * len(products), list(products),
        timestamp_ms=times, qualifiers=[number] * len(products), create_missing=True,
    )  # fmt: skip


def behaviour() -> list[Mutation]:
    """Twenty customers who take tea and twenty who take a bath, each with two invoices; two who take both."""
    writes: list[Mutation] = []
    for group, products in (("t", TEA), ("b", BATH)):
        for number in range(20):
            customer = f"{group}{number:02}"
            first, second, third = (products[(number + step) % 5] for step in (0, 1, 2))
            writes.append(invoice(customer, [first, second], number, f"{customer}-1"))
            writes.append(invoice(customer, [third], number + 30, f"{customer}-2"))
    writes.append(invoice("both", ["tea", "soap"], 5, "both-1"))
    writes.append(invoice("mugger", ["tea", "mug"], 6, "mugger-1"))
    writes.append(
        UpsertEdges(RETURNED, ["t00"], ["saucer"], timestamp_ms=[(START_S + DAY_S) * 1000], create_missing=True)
    )
    writes.append(UpsertEdges(HELD_OUT, ["t00"], ["duck"], create_missing=True))
    return writes


@dataclass
class Shop:
    """The shop: its store, a snapshot of it, and an engine over both."""

    store: GraphStore
    snapshot: Snapshot
    overlay: Overlay
    view: GraphView
    operators: Mapping[str, Operator]
    weights: FusionWeights
    engine: Engine
    now_s: int

    def write(self, *mutations: Mutation) -> None:
        """Write to the store and let the overlay see it, as the server does."""
        self.store.apply(mutations, batch_id=f"batch-{self.overlay.state.version}", actor="test")
        self.overlay.apply(self.store.changes_since(self.overlay.state.watermark))

    def buy(self, customer: str, *products: str, day: int = 60, event: str = "event") -> None:
        self.write(invoice(customer, products, day, f"{event}-{customer}"))

    def index(self, product: str) -> int:
        found = self.view.index_of("Product", product)
        assert found is not None, product
        return found

    def fresh_engine(self, *, overlay: Overlay | None = None, policy: Policy | None = None) -> Engine:
        """Another engine over the same snapshot and sources."""
        return Engine(
            GraphView(self.snapshot, overlay),
            FusedRanker(self.operators, self.weights),
            overlay=overlay,
            policy=policy,
            clock=lambda: self.now_s,
        )

    def released(self, root: Path, overlay: Overlay | None = None) -> Engine:
        """The engine as it comes back from a release on disk."""
        arrays, documents = engine_payload(self.operators, self.weights)
        release = write_release(
            root,
            snapshot=self.snapshot.directory,
            arrays=arrays,
            documents=documents,
            now=datetime(2026, 1, 2, tzinfo=UTC),
        )
        return Engine.from_release(open_release(release.directory), overlay, clock=lambda: self.now_s)


def open_shop(
    directory: Path,
    writes: Sequence[Mutation] | None = None,
    models: Sequence[str] = MODELS_USED,
    *,
    url: str | None = None,
) -> Shop:
    """The corner shop, ingested, snapshotted and fitted, in the store at ``url`` or an embedded one."""
    store = open_store(url or f"sqlite:{directory / 'graph.db'}")
    store.ensure_schema(SCHEMA)
    store.apply([*catalogue(), *behaviour()] if writes is None else writes, batch_id="first", actor="test")
    snapshot = build_snapshot(store, directory / "snapshot")
    overlay = Overlay(snapshot)
    view = GraphView(snapshot, overlay)
    data = TrainingData(interactions_from(snapshot), knowledge_from(snapshot))
    operators = {name: MODELS[name].build().fit(data) for name in models}
    weights = FusionWeights.prior(FeatureSpace.over(operators))
    now_s = START_S + 100 * DAY_S
    engine = Engine(view, FusedRanker(operators, weights), overlay=overlay, clock=lambda: now_s)
    return Shop(store, snapshot, overlay, view, operators, weights, engine, now_s)
