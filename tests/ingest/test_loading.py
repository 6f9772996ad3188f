"""Loading: the same input in any order and cut gives the same graph, and the account of it."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from graph.store import GraphStore, open_store
from ingest.mapping import load_mapping
from ingest.planning import plan
from ingest.progress import RichProgress
from tests.ingest.loaded import edges_of, graph_hash, load

SHOP = """
mapping: 1
name: shop
graph:
  nodes:
    User: {role: user}
    Item: {role: item, title: title, properties: {title: string, tags: strings}}
    Tag: {title: name, properties: {name: string}}
  edges:
    BOUGHT: {source: User, target: Item, role: interaction, kind: purchase}
    HAS_TAG: {source: Item, target: Tag, role: attribute}
tables:
  items:
    files: "items*.csv"
    read: {format: delimited}
    nodes:
      - {type: Item, id: id, properties: {title: title, tags: {column: tags, split: "|"}}}
      - type: Tag
        id: {column: tags, split: "|", clean: lower}
        empty: skip
        properties: {name: {column: tags, split: "|"}}
    edges: {type: HAS_TAG, source: id, target: {column: tags, split: "|", clean: lower}, empty: skip}
  sales:
    files: "sales*.csv"
    read: {format: delimited}
    edges:
      type: BOUGHT
      source: user
      target: item
      qualifier: bill
      timestamp: {column: when, unit: s}
      weight: count
derive: {next: {}}
"""


item = st.sampled_from("ABCDEF")
sale = st.tuples(st.sampled_from("xyz"), item, st.sampled_from(["", "b1"]), st.integers(0, 6), st.integers(1, 3))
product = st.tuples(item, st.sampled_from(["lamp", "Lamp", "bed", ""]), st.sampled_from(["red|big", "Red", "big", ""]))


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(sale, max_size=25), st.lists(product, max_size=10), st.integers(0, 2**32), st.integers(1, 4))
def test_twice_shuffled_or_in_chunks_it_is_the_same_graph(
    tmp_path_factory: pytest.TempPathFactory,
    sales: list[tuple[str, str, str, int, int]],
    products: list[tuple[str, str, str]],
    seed: int,
    chunks: int,
) -> None:
    products += [(name, name, "") for name in "ABCDEF"]
    hashes = []
    for variant in ("plain", "shuffled in chunks, and every row twice"):
        directory = tmp_path_factory.mktemp("shop")
        parts, rows, wares = 1, list(sales), list(products)
        if variant != "plain":
            parts, rows, wares = chunks, rows * 2, wares * 2
            random.Random(seed).shuffle(rows)
            random.Random(seed).shuffle(wares)
        for part in range(parts):
            lines = [",".join(map(str, row)) for row in rows[part::parts]]
            (directory / f"sales{part}.csv").write_text("\n".join(["user,item,bill,when,count", *lines]) + "\n")
        (directory / "items.csv").write_text("\n".join(["id,title,tags", *map(",".join, wares)]) + "\n")
        with open_store(f"sqlite:{directory}/graph.db") as store:
            report = load(directory, SHOP, store)
            hashes.append(graph_hash(store))
            if variant != "plain":
                again = load(directory, SHOP, store)
                assert (again.changed, graph_hash(store)) == (0, hashes[-1])
            assert report.stored == report.read
            naive = naive_next(sales)
            assert {(row["source_id"], row["target_id"]): row["weight"] for row in edges_of(store, "NEXT")} == naive
    assert hashes[0] == hashes[1]


def naive_next(sales: list[tuple[str, str, str, int, int]]) -> dict[tuple[str, str], float]:
    latest: dict[tuple[str, str, str], int] = {}
    for user, name, bill, when, _ in sales:
        latest[user, name, bill] = max(when, latest.get((user, name, bill), when))
    by_user: dict[str, list[tuple[int, str, str]]] = defaultdict(list)
    for (user, name, bill), when in latest.items():
        by_user[user].append((when, name, bill))
    sixths: Counter[tuple[str, str]] = Counter()
    for events in by_user.values():
        names = [name for _, name, _ in sorted(events)]
        for place, first in enumerate(names):
            for gap, second in enumerate(names[place + 1 : place + 4], start=1):
                if first != second:
                    sixths[first, second] += 6 // gap
    return {pair: count / 6 for pair, count in sixths.items()}


def test_the_most_frequent_value_wins_and_ties_go_to_the_smallest(tmp_path: Path, store: GraphStore) -> None:
    (tmp_path / "items.csv").write_text("id,title,tags\nA,y,\nA,x,\nA,y,\nB,n,\nB,m,\nC,,\n")
    (tmp_path / "sales.csv").write_text("user,item,bill,when,count\n")
    load(tmp_path, SHOP, store)
    titles = {key: store.node("Item", key) for key in "ABC"}
    assert [node.properties.get("title") for node in titles.values() if node] == ["y", "m", None]


def test_a_dry_run_shows_rows_and_problems_and_writes_nothing(tmp_path: Path) -> None:
    (tmp_path / "items.csv").write_text("id,title,tags\nA,Lamp,red|big\n,x,\n")
    (tmp_path / "shop.yaml").write_text(SHOP)
    dry = plan(load_mapping(tmp_path / "shop.yaml", tmp_path))
    assert (dry.nodes, dry.edges) == ({"Item": 1, "Tag": 2}, {"Item-HAS_TAG->Tag": 2})
    assert dry.tables[0].rows[0]["title"] == "Lamp"
    assert [problem.get("line", problem.get("table")) for problem in dry.problems] == [3, "sales"]
    assert '"samples"' in dry.to_json()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["items.csv", "shop.yaml"]


def test_progress_is_drawn_and_the_report_is_json(tmp_path: Path, store: GraphStore) -> None:
    (tmp_path / "items.csv").write_text("id,title,tags\nA,Lamp,red|big\n")
    (tmp_path / "sales.csv").write_text("user,item,bill,when,count\n1,A,,1,1\n")
    with RichProgress() as progress:
        report = load(tmp_path, SHOP, store, progress=progress)
    assert '"read": 2' in report.to_json()
    assert report.watermark == store.watermark()
