"""A neighbourhood as a networkx graph."""

from __future__ import annotations

from pathlib import Path

import pytest

from graph.errors import NotFound
from graph.snapshot import build_snapshot
from graph.view import GraphView
from graph.views import neighborhood
from tests.graph.graph_in_memory import HAS_BRAND, PURCHASED, GraphInMemory


@pytest.fixture
def view(tmp_path: Path) -> GraphView:
    graph = GraphInMemory()
    graph.add_node("Item", "tea", title="Green tea")
    graph.add_node("Brand", "acme", name="Acme")
    graph.add_edge(HAS_BRAND, "tea", "acme")
    graph.add_edge(HAS_BRAND, "cup", "acme")
    for number in range(30):
        graph.add_edge(PURCHASED, f"user-{number:02}", "tea", at=number * 1000)
    graph.add_edge(PURCHASED, "user-29", "cup", at=99_000, weight=2)
    return GraphView(build_snapshot(graph, tmp_path / "snapshot"))


def test_nodes_carry_titles_and_the_distance_at_which_they_were_found(view: GraphView) -> None:
    graph = neighborhood(view, "Item", "tea", hops=2)
    assert graph.nodes["Item", "tea"] == {"node_type": "Item", "title": "Green tea", "hop": 0}
    assert graph.nodes["Brand", "acme"] == {"node_type": "Brand", "title": "Acme", "hop": 1}
    assert graph.nodes["Item", "cup"] == {"node_type": "Item", "title": "cup", "hop": 2}


def test_every_edge_between_the_nodes_is_there(view: GraphView) -> None:
    graph = neighborhood(view, "Item", "tea", hops=2)
    assert graph.number_of_nodes() == 33
    assert graph.number_of_edges() == 2 + 30 + 1
    facts = graph.get_edge_data(("User", "user-29"), ("Item", "cup"))
    assert facts == {0: {"relation": "PURCHASED", "weight": 2.0, "timestamp_s": 99}}


def test_the_limit_holds_and_leaves_no_relation_out(view: GraphView) -> None:
    graph = neighborhood(view, "Item", "tea", hops=3, limit=4)
    assert set(graph) == {("Item", "tea"), ("Brand", "acme"), ("User", "user-29"), ("User", "user-28")}


def test_an_unknown_node_is_not_found(view: GraphView) -> None:
    with pytest.raises(NotFound, match="no such Item"):
        neighborhood(view, "Item", "coffee")
