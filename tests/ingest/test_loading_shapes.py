"""Loading: every feature of the mapping language, end to end on files of its shape."""

from __future__ import annotations

from pathlib import Path

from graph.store import GraphStore
from tests.ingest.loaded import edges_of, load, pairs_of

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
