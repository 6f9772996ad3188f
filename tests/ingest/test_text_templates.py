"""Text templates over a small hand-made graph."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import pytest

from graph.errors import SchemaError
from graph.records import Properties, UpsertEdges, UpsertNodes
from graph.schema import EdgeType, GraphSchema
from graph.snapshot import build_snapshot
from graph.store import open_store
from graph.view import GraphView
from ingest.text import item_texts, node_texts


class Neighbors(NamedTuple):
    indices: np.ndarray


NODES: dict[str, list[tuple[str, Properties]]] = {
    "Item": [
        ("i1", {"title": "Lamp", "year": 1999, "tags": ["a", "b"]}),
        ("i2", {"title": "Vase"}),
        ("gone", {"title": "Gone"}),
        ("i4", {}),
    ],
    "Brand": [("m.01", {}), ("m.02", {"name": "Acme"})],
    "Genre": [("Drama", {}), ("Comedy", {})],
    "User": [],
}
EDGES = {("HAS_BRAND", 0): [1], ("HAS_BRAND", 1): [0], ("HAS_GENRE", 0): [0, 1, 0], ("HAS_GENRE", 3): [1]}


@dataclass
class SmallGraph:
    """Two items, one deleted; brands with a title property, genres named by their id."""

    text: str | None

    @property
    def schema(self) -> GraphSchema:
        return GraphSchema.parse(
            {
                "nodes": [
                    {"name": "User", "role": "user"},
                    {
                        "name": "Item",
                        "role": "item",
                        "title": "title",
                        "text": self.text,
                        "properties": {"title": "string", "year": "integer", "tags": "strings"},
                    },
                    {"name": "Brand", "role": "attribute", "title": "name", "properties": {"name": "string"}},
                    {"name": "Genre", "role": "attribute"},
                ],
                "edges": [
                    {"source": "Item", "relation": "HAS_BRAND", "target": "Brand", "role": "attribute"},
                    {"source": "Item", "relation": "HAS_GENRE", "target": "Genre", "role": "attribute"},
                ],
            }
        )

    def num_nodes(self, node_type: str) -> int:
        return len(NODES[node_type])

    def exists(self, node_type: str, index: int) -> bool:
        return self.id_of(node_type, index) != "gone"

    def id_of(self, node_type: str, index: int) -> str:
        return NODES[node_type][index][0]

    def properties(self, node_type: str, index: int) -> Properties:
        return NODES[node_type][index][1]

    def neighbors(self, edge_type: EdgeType, index: int, direction: Literal["out", "in"] = "out") -> Neighbors:
        assert direction == "out"
        return Neighbors(np.array(EDGES.get((edge_type[1], index), []), np.int32))


@pytest.mark.parametrize(
    ("template", "texts"),
    [
        (None, ["Lamp", "Vase", "", ""]),
        ("{title}. {HAS_BRAND}. {year}", ["Lamp. Acme. 1999", "Vase", "", ""]),
        ("Brand: {HAS_BRAND}. {title} ({tags})", ["Brand: Acme. Lamp (a, b)", "Vase)", "", ""]),
        ("{HAS_GENRE}: {title}", ["Comedy, Drama: Lamp", "Vase", "", "Comedy"]),
    ],
)
def test_a_template_joins_what_is_there(template: str | None, texts: list[str]) -> None:
    assert item_texts(SmallGraph(template)) == texts


def test_bare_ids_are_not_text_where_names_exist() -> None:
    assert node_texts(SmallGraph(None), "Brand") == ["", "Acme"]
    assert node_texts(SmallGraph(None), "Genre") == ["", ""]


@pytest.mark.parametrize("template", ["{titel}", "{HAS_COLOR}", "{title"])
def test_an_unusable_template_is_named(template: str) -> None:
    with pytest.raises(SchemaError, match="template"):
        item_texts(SmallGraph(template))


def test_templates_read_a_graph_view_of_a_real_store(tmp_path: Path) -> None:
    with open_store(f"sqlite:{tmp_path / 'graph.db'}") as store:
        store.ensure_schema(SmallGraph("{title}. {HAS_BRAND}. {HAS_GENRE}").schema)
        store.apply(
            [
                UpsertNodes("Item", ["lamp", "vase"], [{"title": "Lamp"}, {"title": "Vase"}]),
                UpsertNodes("Brand", ["b1"], [{"name": "Acme"}]),
                UpsertNodes("Genre", ["Drama"]),
                UpsertEdges(("Item", "HAS_BRAND", "Brand"), ["lamp"], ["b1"]),
                UpsertEdges(("Item", "HAS_GENRE", "Genre"), ["vase"], ["Drama"]),
            ],
            batch_id="1",
            actor="test",
        )
        view = GraphView(build_snapshot(store, tmp_path / "snapshot"))
        assert item_texts(view) == ["Lamp. Acme", "Vase. Drama"]
