"""Every saved query over graphs of other names: a delivered source's, an adopted one's, one of several in one place."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import httpx2
import numpy as np
import pytest

from api.app import create_app
from api.curator import Spelling, examples_from, guide_page, saved_queries, style_sheet
from api.settings import Settings
from graph.embeddings import LearnedNeighbors, NodeEmbeddings, Publication
from graph.neo4j import CuratedStore
from graph.neo4j.curating.adopting import Adoption, adopt
from graph.records import UpsertEdges, UpsertNodes
from graph.snapshot import build_snapshot
from graph.store import GraphStore, open_store
from graph.view import GraphView
from ingest.loading import ingest
from ingest.mapping import load_mapping
from ingest.sources import open_source
from tests.ingest.small_sources import write_online_retail
from tests.neo4j_servers import TestServer

ADOPTION = {
    "nodes": {
        "User": {"label": "Customer", "key": "customerNo", "role": "user"},
        "Item": {
            "label": "Product `2024`",
            "key": "sku",
            "role": "item",
            "title": "title",
            "properties": {"title": {"from": "product.name"}},
        },
        "Brand": {
            "label": "Made.By",
            "key": "code",
            "role": "attribute",
            "title": "name",
            "properties": {"name": "string"},
        },
    },
    "edges": [
        {
            "source": "User",
            "relation": "PURCHASED",
            "target": "Item",
            "type": "BOUGHT",
            "role": "interaction",
            "kind": "purchase",
        },
        {"source": "Item", "relation": "HAS_BRAND", "target": "Brand", "type": "made by", "role": "attribute"},
    ],
}
FOREIGN = """
    CREATE (a:Customer {customerNo: 'c1'}), (b:Customer {customerNo: 'c2'}), (:Elsewhere {id: 1}),
           (p:`Product ``2024``` {sku: 's1', `product.name`: 'Red bag'}),
           (q:`Product ``2024``` {sku: 's2', `product.name`: 'Blue bag'}), (n:`Made.By` {code: 'n', name: 'Nivea'}),
           (a)-[:BOUGHT]->(p), (b)-[:BOUGHT]->(q), (a)-[:BOUGHT]->(q), (p)-[:`made by`]->(n), (q)-[:`made by`]->(n)
"""
UNRECOGNIZED = ("01N50", "01N51")
"""What the server says of a label, and of a relationship type, that is nowhere in the database."""


def online_retail(store: GraphStore, folder: Path) -> None:
    write_online_retail(folder)
    data = open_source("online-retail", folder, folder / "cache")
    ingest(load_mapping(data.mapping_path, data.data_dir, variables=data.variables), store, work_dir=folder / "work")
    store.apply(
        [
            UpsertNodes("Item", ["22086"], [{"hidden": False}]),
            UpsertEdges(("Item", "COMPLEMENTS", "Item"), ["85123A"], ["71053"]),
        ],
        batch_id="by hand",
        actor="test",
    )


def adopted(store: GraphStore, folder: Path) -> None:
    assert isinstance(store, CuratedStore)
    store.line.command(FOREIGN)
    adopt(store, Adoption.model_validate(ADOPTION))
    store.apply([UpsertNodes("Item", ["s2"], [{"title": "Blue bag "}])], batch_id="ours", actor="test")


GRAPHS: dict[str, tuple[Callable[[GraphStore, Path], None], str, str]] = {
    "online retail": (online_retail, "", "Item"),
    "adopted": (adopted, "", "Product `2024`"),
    "one of several": (online_retail, "&graph=gifts", "gifts_Item"),
}
"""A way to make it, what to add to the store's URL, and the label of its items."""


def published(store: CuratedStore, view: GraphView) -> None:
    """Nothing; a release with random vectors and a few learned neighbours is there to be asked."""
    rng = np.random.default_rng(3)

    def embedded(node_type: str) -> NodeEmbeddings:
        ids = [view.id_of(node_type, row) for row in range(view.num_nodes(node_type))]
        return NodeEmbeddings(node_type, ids, rng.normal(size=(len(ids), 8)).astype(np.float32))

    items = embedded(store.schema.item_type)
    ends = [(a, b) for a in items.node_ids for b in items.node_ids if a != b]
    near = LearnedNeighbors([a for a, _ in ends], [b for _, b in ends], np.full(len(ends), 0.5, np.float32))
    store.publish(Publication("release-1", "als", items, embedded(store.schema.user_type), near))


@pytest.mark.parametrize("kind", GRAPHS)
def test_every_saved_query_runs_under_the_names_the_graph_has(
    empty_neo4j: TestServer, tmp_path: Path, kind: str
) -> None:
    make, more, item_label = GRAPHS[kind]
    with open_store(f"{empty_neo4j.store_url}?timeout_s=60{more}") as store:
        assert isinstance(store, CuratedStore)
        if more:  # a neighbour in the same database, of which no query may tell
            with open_store(f"{empty_neo4j.store_url}?timeout_s=60&graph=other") as other:
                online_retail(other, tmp_path / "other")
        make(store, tmp_path)
        with build_snapshot(store, tmp_path / "snapshot") as snapshot:
            view = GraphView(snapshot)
            published(store, view)
            spelling = Spelling(store.schema, store.stored_names())
            examples = examples_from(view)
        assert store.problems() == []
        queries = saved_queries(spelling, examples)
        with empty_neo4j.driver() as driver:
            for query in queries:
                found = driver.execute_query(query.text, database_="neo4j")
                told = {status.gql_status for status in found.summary.gql_status_objects}
                assert not told & set(UNRECOGNIZED), f"{query.title}\n{query.text}\n{told}"
                answered = query.group == "look" or (query.group == "repair" and "DUPLICATE ID" not in query.text)
                # Adding and taking away come in this order for each relation, so the second finds the first's.
                assert found.records or not answered, f"{query.title}\n{query.text}"
                assert "other_" not in str(found.records), query.title
        assert store.problems() == []
        told_of = {query.title for query in queries}
        assert {"Hide an item", "Pin an item", "Add the relation COMPLEMENTS"} <= told_of
        assert f"node.{item_label} {{" in style_sheet(spelling)
        guide = guide_page(spelling, queries, examples, "http://127.0.0.1:8000")
        assert f"(:{spelling.label(store.schema.item_type)})" in guide


def test_the_guide_that_is_served_has_the_names_of_the_graph(empty_neo4j: TestServer, tmp_path: Path) -> None:
    url = f"{empty_neo4j.store_url}?timeout_s=60"
    with open_store(url) as store:
        adopted(store, tmp_path)

    async def scenario() -> None:
        app = create_app(Settings(store=url, releases=tmp_path / "releases", read_deadline_s=20.0, auth="off"))
        transport = httpx2.ASGITransport(app)
        async with (
            app.router.lifespan_context(app),
            httpx2.AsyncClient(transport=transport, base_url="http://shop") as client,
        ):
            guide = await client.get("/curator/guide.html")
            assert guide.status_code == 200, guide.text
            assert "(:Customer)-[:BOUGHT]-&gt;(:`Product ``2024```)" in guide.text
            assert "customerNo" in guide.text
            style = await client.get("/curator/style.grass")
            assert r"node.Made\.By {" in style.text

    asyncio.run(scenario())
