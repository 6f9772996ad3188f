"""Loading: the same input in any order and cut gives the same graph; every language feature, end to end."""

from __future__ import annotations

import hashlib
import random
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from graph.store import GraphStore, open_store
from ingest.loading import ingest
from ingest.mapping import load_mapping
from ingest.planning import plan
from ingest.progress import RichProgress
from ingest.report import IngestReport

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


def graph_hash(store: GraphStore) -> str:
    digest = hashlib.sha256(store.schema.to_json().encode())
    for node in store.schema.nodes:
        for batch in store.export_nodes(node.name):
            digest.update(repr(batch.to_pylist()).encode())
    for edge in store.schema.edges:
        for batch in store.export_edges(edge.edge_type):
            digest.update(repr(batch.to_pylist()).encode())
    return digest.hexdigest()


def load(directory: Path, mapping: str, store: GraphStore, **options: Any) -> IngestReport:
    (directory / "shop.yaml").write_text(mapping)
    bound = load_mapping(directory / "shop.yaml", directory)
    return ingest(bound, store, work_dir=directory / "work", **options)


def edges_of(store: GraphStore, relation: str) -> list[dict[str, Any]]:
    (spec,) = (spec for spec in store.schema.edges if spec.relation == relation)
    return [row for batch in store.export_edges(spec.edge_type) for row in batch.to_pylist()]


def pairs_of(store: GraphStore, relation: str) -> list[tuple[str, str]]:
    return [(row["source_id"], row["target_id"]) for row in edges_of(store, relation)]


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


@pytest.fixture
def store(tmp_path: Path) -> Any:
    with open_store(f"sqlite:{tmp_path}/graph.db") as opened:
        yield opened


def test_the_most_frequent_value_wins_and_ties_go_to_the_smallest(tmp_path: Path, store: GraphStore) -> None:
    (tmp_path / "items.csv").write_text("id,title,tags\nA,y,\nA,x,\nA,y,\nB,n,\nB,m,\nC,,\n")
    (tmp_path / "sales.csv").write_text("user,item,bill,when,count\n")
    load(tmp_path, SHOP, store)
    titles = {key: store.node("Item", key) for key in "ABC"}
    assert [node.properties.get("title") for node in titles.values() if node] == ["y", "m", None]


TINY = """
mapping: 1
name: tiny
graph:
  nodes:
    User: {role: user}
    Item: {role: item, title: title, properties: {title: string, prices: strings}}
    Person: {title: name, properties: {name: string}}
    Category: {title: name, properties: {name: string}}
  edges:
    BOUGHT: {source: User, target: Item, role: interaction, kind: purchase, repeat: REPEAT}
    BOUGHT_LATER: {source: User, target: Item, role: interaction, kind: purchase, holdout: true}
    RETURNED: {source: User, target: Item, role: interaction, kind: return, positive: false}
    HAS_ACTOR: {source: Item, target: Person, role: knowledge}
    HAS_DIRECTOR: {source: Item, target: Person, role: knowledge}
    IN_CATEGORY: {source: Item, target: Category, role: attribute}
    CHILD_OF: {source: Category, target: Category, role: hierarchy}
    ALSO: {source: Item, target: Item, role: item_relation, learn: false}
tables:
"""


def tiny(tables: str, repeat: str = "latest") -> str:
    return TINY.replace("REPEAT", repeat) + tables


def test_triples_become_edges_by_their_relation_and_inverses_are_filtered(tmp_path: Path, store: GraphStore) -> None:
    (tmp_path / "link").write_text("item_id:token\tentity_id:token\n7\tm.1\n")
    (tmp_path / "kg").write_text(
        "head_id:token\trelation_id:token\ttail_id:token\nm.1\tfilm.film.actor\tm.9\nm.9\tfilm.actor.film\tm.1\n"
        "m.2\tfilm.film.actor\tm.9\nm.1\tfilm.film.directed_by\tm.8\nm.1\tfilm.film.color\tm.5\n"
    )
    report = load(
        tmp_path,
        tiny("""
  links: {files: link, read: {format: delimited, delimiter: tab, header: typed}}
  triples:
    files: kg
    read: {format: delimited, delimiter: tab, header: typed}
    derive: {film: {column: head_id, lookup: {table: links, key: entity_id, take: item_id}}}
    drop_if: {column: relation_id, starts_with: film.actor.}
    edges:
      by: relation_id
      when: {column: film, empty: false}
      source: film
      target: tail_id
      cases: {film.film.actor: HAS_ACTOR, film.film.directed_by: HAS_DIRECTOR}
"""),
        store,
    )
    assert pairs_of(store, "HAS_ACTOR") == [("7", "m.9")]
    assert pairs_of(store, "HAS_DIRECTOR") == [("7", "m.8")]
    assert (report.files[1].read, report.files[1].stored, report.files[1].filtered) == (5, 2, 3)


def test_cancellations_are_returns_and_weights_of_a_bill_add_up(tmp_path: Path, store: GraphStore) -> None:
    (tmp_path / "sales.csv").write_text(
        "bill,item,count,date,user\n1,a,2,01/12/2010 08:26,17850.0\n1,A,3,01/12/2010 08:26,17850\n"
        "C2,A,-1,15/06/2011 09:00,17850.0\n3,POST,1,15/06/2011 09:00,17850.0\n4,A,1,15/06/2011 09:00,\n"
    )
    report = load(
        tmp_path,
        tiny(
            """
  sales:
    files: sales.csv
    read: {format: delimited}
    derive:
      who: {column: user, clean: [trim, integer]}
      what: {column: item, clean: upper}
    drop_if: [{column: who, empty: true}, {column: what, not_matches: "^[A-Z][0-9]*$"}]
    edges:
      - type: BOUGHT
        when: {column: count, above: 0}
        source: who
        target: what
        qualifier: bill
        weight: count
        timestamp: {column: date, format: "%d/%m/%Y %H:%M", time_zone: Europe/London}
      - type: RETURNED
        when: {column: bill, starts_with: C}
        source: who
        target: what
        qualifier: bill
        timestamp: {column: date, format: "%d/%m/%Y %H:%M", time_zone: Europe/London}
""",
            repeat="sum",
        ),
        store,
    )
    (bought,), (returned,) = edges_of(store, "BOUGHT"), edges_of(store, "RETURNED")
    assert (bought["source_id"], bought["target_id"], bought["weight"]) == ("17850", "A", 5.0)
    assert bought["timestamp_ms"] == 1291191960000
    assert returned["timestamp_ms"] == 1308124800000  # nine o'clock in summer is eight UTC
    assert (report.filtered, report.merged) == (2, 1)


def test_line_aligned_files_and_rows_of_rows(tmp_path: Path, store: GraphStore) -> None:
    for name, text in {
        "product.txt": "p0\np1\np2\n",
        "person.txt": "Ann\nBob\n",
        "of.txt": "1\n\n0 1\n",
        "also.txt": "1 9\n\n0 1\n",
        "related.txt": "p2\np1\n",
    }.items():
        (tmp_path / name).write_text(text)
    names = "{format: delimited, delimiter: tab, quote: null, header: none, columns: [name]}"
    report = load(
        tmp_path,
        tiny(f"""
  products: {{files: product.txt, read: {names}, row_number: {{column: row}}, nodes: {{type: Item, id: name}}}}
  people: {{files: person.txt, read: {names}, row_number: {{column: row}}}}
  related: {{files: related.txt, read: {names}, row_number: {{column: row}}}}
  of:
    files: of.txt
    read: {{format: lists, values: rows}}
    row_number: {{column: row}}
    derive:
      item: {{column: row, lookup: {{table: products, key: row, take: name}}}}
      who: {{column: rows, lookup: {{table: people, key: row, take: name}}}}
    edges: {{type: HAS_ACTOR, source: item, target: who, empty: skip}}
  also:
    files: also.txt
    read: {{format: lists, values: rows}}
    row_number: {{column: row}}
    derive: {{item: {{column: row, lookup: {{table: products, key: row, take: name}}}}}}
    edges:
      - type: ALSO
        source: item
        target: {{column: rows, lookup: {{table: related, key: row, take: name}}}}
        empty: skip
        missing: filter
"""),
        store,
    )
    assert pairs_of(store, "HAS_ACTOR") == [("p0", "Bob"), ("p2", "Ann"), ("p2", "Bob")]
    assert pairs_of(store, "ALSO") == [("p0", "p1"), ("p2", "p1"), ("p2", "p2")]
    assert [file.filtered for file in report.files] == [0, 0, 0, 1, 1]
    assert report.quarantined == 0


def test_baskets_of_a_json_object_and_positions_as_time(tmp_path: Path, store: GraphStore) -> None:
    (tmp_path / "h.json").write_text('{"1": [[-1], [4, 5], [], [4], [-1]], "2": [[6]]}')
    report = load(
        tmp_path,
        tiny("""
  baskets:
    files: h.json
    read: {format: json_object, key: user, values: item, number: basket}
    explode: {column: item, position: place}
    drop_if: {column: item, equals: -1}
    edges: {type: BOUGHT, source: user, target: item, qualifier: basket, timestamp: {column: basket, unit: s}}
"""),
        store,
    )
    bought = [(row["target_id"], row["qualifier"], row["timestamp_ms"]) for row in edges_of(store, "BOUGHT")]
    assert bought == [("4", "1", 1000), ("4", "3", 3000), ("5", "1", 1000), ("6", "0", 0)]
    assert (report.read, report.stored, report.filtered) == (7, 4, 3)


def test_adjacency_lines_explode_into_rows_with_positions(tmp_path: Path, store: GraphStore) -> None:
    (tmp_path / "train.txt").write_text("0 10 11\n1\n2 10\n")
    (tmp_path / "test.txt").write_text("0 12\n")
    table = """
  {name}:
    files: {name}.txt
    read: {{format: lists, key: user, values: item}}
    explode: {{column: item, position: place}}
    edges: {{type: {type}, source: user, target: item, timestamp: {{column: place, unit: s}}}}
"""
    train, test = table.format(name="train", type="BOUGHT"), table.format(name="test", type="BOUGHT_LATER")
    report = load(tmp_path, tiny(train + test + "derive: {next: {}}\n"), store)
    assert [row["timestamp_ms"] for row in edges_of(store, "BOUGHT")] == [1000, 2000, 1000]
    assert pairs_of(store, "NEXT") == [("10", "11")]  # held-out interactions have no part in it
    assert (report.files[0].read, report.files[0].filtered) == (4, 1)


def test_a_path_column_becomes_a_hierarchy(tmp_path: Path, store: GraphStore) -> None:
    (tmp_path / "items.csv").write_text("id,path\nA,Home> Kitchen >Mugs\nB,Home\nC,\n")
    load(
        tmp_path,
        tiny("""
  items:
    files: items.csv
    read: {format: delimited}
    nodes: {type: Item, id: id}
    hierarchies: {type: Category, edge: CHILD_OF, path: {column: path, path: {levels: all}}, title: name}
    edges: {type: IN_CATEGORY, source: id, target: {column: path, path: {separator: ">"}}, empty: skip}
"""),
        store,
    )
    assert pairs_of(store, "CHILD_OF") == [("Home > Kitchen", "Home"), ("Home > Kitchen > Mugs", "Home > Kitchen")]
    assert pairs_of(store, "IN_CATEGORY") == [("A", "Home > Kitchen > Mugs"), ("B", "Home")]
    mugs = store.node("Category", "Home > Kitchen > Mugs")
    assert mugs is not None
    assert mugs.properties == {"name": "Mugs"}


def test_words_of_a_title_become_attributes(tmp_path: Path, store: GraphStore) -> None:
    (tmp_path / "items.csv").write_text("id,title\nA,SET OF RED MUGS\nB,\n")
    load(
        tmp_path,
        tiny("""
  items:
    files: items.csv
    read: {format: delimited}
    derive: {words: {column: title, clean: lower, split: {pattern: "[^a-z]+", min_length: 3, stop: [set]}}}
    nodes: {type: Item, id: id, properties: {title: title}}
    edges: {type: HAS_ACTOR, source: id, target: words, empty: skip}
"""),
        store,
    )
    assert pairs_of(store, "HAS_ACTOR") == [("A", "mugs"), ("A", "red")]


def test_json_lines_parquet_templates_and_maps(tmp_path: Path, store: GraphStore) -> None:
    (tmp_path / "s.jsonl").write_text('{"u": {"id": 5}, "i": "a", "k": "buy", "t": "2025-01-01T00:00:00+01:00"}\n')
    load(
        tmp_path,
        tiny("""
  sales:
    files: s.jsonl
    read: {format: jsonl, columns: [u.id, i, k, t]}
    derive:
      who: {template: "u{u.id}"}
      kind: {column: k, map: {buy: BOUGHT}, otherwise: empty}
      what: {first_of: [i, k], clean: upper}
    edges: {by: kind, cases: {BOUGHT: BOUGHT}, source: who, target: what, timestamp: t}
"""),
        store,
    )
    (row,) = edges_of(store, "BOUGHT")
    assert (row["source_id"], row["target_id"], row["timestamp_ms"]) == ("u5", "A", 1735686000000)


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


def test_next_joins_interactions_with_different_properties(tmp_path: Path, store: GraphStore) -> None:
    (tmp_path / "a.csv").write_text("u,i,t,note\n1,A,1,hello\n")
    (tmp_path / "b.csv").write_text("u,i,t,stars\n1,B,2,5\n")
    load(
        tmp_path,
        """
mapping: 1
name: two
graph:
  nodes: {User: {role: user}, Item: {role: item}}
  edges:
    NOTED: {source: User, target: Item, role: interaction, kind: note, properties: {note: string}}
    RATED: {source: User, target: Item, role: interaction, kind: rating, properties: {stars: integer}}
tables:
  a:
    files: a.csv
    read: {format: delimited}
    edges: {type: NOTED, source: u, target: i, timestamp: {column: t, unit: s}, properties: {note: note}}
  b:
    files: b.csv
    read: {format: delimited}
    edges: {type: RATED, source: u, target: i, timestamp: {column: t, unit: s}, properties: {stars: stars}}
derive: {next: {relation: THEN, max_gap: 1}}
""",
        store,
    )
    assert pairs_of(store, "THEN") == [("A", "B")]
    assert edges_of(store, "RATED")[0]["properties"] == '{"stars":5}'
