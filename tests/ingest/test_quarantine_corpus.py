"""The hostile corpus: every bad row is quarantined exactly, and stored + filtered + quarantined = read."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from threading import Event, Thread, Timer
from typing import Any

import pytest

from graph.errors import Conflict, InputError, MappingError, TooManyBadRows
from graph.store import GraphStore, open_store
from ingest.loading import _alone_in, ingest
from ingest.mapping import load_mapping
from ingest.progress import NoProgress, Unit
from ingest.report import IngestReport

MAPPING = """
mapping: 1
name: corpus
graph:
  nodes:
    User: {role: user}
    Item: {role: item, title: title, properties: {title: string, price: number, stock: integer, added: timestamp}}
    Tag: {title: name, properties: {name: string}}
  edges:
    BOUGHT: {source: User, target: Item, role: interaction, kind: purchase}
    HAS_TAG: {source: Item, target: Tag, role: attribute}
tables:
  items:
    files: items.csv
    optional: true
    read: {format: delimited}
    nodes: {type: Item, id: id, properties: {title: title, price: price, stock: stock, added: added}}
    edges: {type: HAS_TAG, source: id, target: {column: tags, split: "|"}, empty: skip}
  sales:
    files: sales.csv
    optional: true
    read: {format: delimited}
    drop_if: {column: user, equals: test}
    edges:
      type: BOUGHT
      source: {column: user, clean: [nfkc, integer]}
      target: item
      timestamp: {column: when, unit: s}
      weight: amount
"""

ITEMS = "id,title,price,stock,added,tags\nA,Lamp,1.5,3,2025-01-01,red|blue\nB,Chair,,,,\n"
SALES = "user,item,when,amount\n"


def load(
    tmp_path: Path, store: GraphStore, *, items: bytes | str = ITEMS, sales: bytes | str = SALES, **options: Any
) -> IngestReport:
    for name, content in (("items.csv", items), ("sales.csv", sales)):
        (tmp_path / name).write_bytes(content.encode() if isinstance(content, str) else content)
    (tmp_path / "shop.yaml").write_text(options.pop("mapping", MAPPING))
    mapping = load_mapping(tmp_path / "shop.yaml", tmp_path)
    return ingest(mapping, store, work_dir=tmp_path / "work", **{"max_bad": 1.0, **options})


def with_missing(policy: str) -> str:
    return MAPPING.replace("weight: amount", f"weight: amount\n      missing: {policy}")


def quarantine(report: IngestReport) -> list[dict[str, Any]]:
    if report.quarantine is None:
        return []
    return [json.loads(line) for line in Path(report.quarantine).read_text(encoding="utf-8").splitlines()]


def balanced(report: IngestReport) -> bool:
    return all(file.stored + file.filtered + file.quarantined == file.read for file in report.files)


@pytest.mark.parametrize(
    ("row", "column", "reason"),
    [
        ("1,A,nan,1", "when", "not a time"),
        ("1,A,NaT,1", "when", "not a time"),
        ("1,A,-5,1", "when", "not a time"),
        ("1,A,10413792000,1", "when", "not a time"),  # the year 2300
        ("1,A,1e400,1", "when", "not a time"),
        ("1,A,1,nan", "amount", "not a finite number"),
        ("1,A,1,inf", "amount", "not a finite number"),
        ("1,A,1,1e999", "amount", "not a finite number"),
        ("1,A,1,0x10", "amount", "not a finite number"),
        ("1,A,1,1_000", "amount", "not a finite number"),
        ("1,Z,1,1", "item", "there is no Item"),
        (",A,1,1", "user", "the id is empty"),
        ("  ,A,1,1", "user", "the id is empty"),
        ("1,,1,1", "item", "the id is empty"),
        (f"{'9' * 513},A,1,1", "user", "longer than 512"),
        ("a\x01b,A,1,1", "user", "control character"),
        ("a\ufeffb,A,1,1", "user", "control character"),
        ("1,A,1", "", "the row has 3 cells, not 4"),
        ("1,A,1,1,1", "", "the row has 5 cells, not 4"),
        ("1,A,1,\x00", "", "NUL"),
        ('1,"A,1,1', "", "never closes"),
    ],
)
def test_a_bad_row_is_quarantined_with_its_place(
    tmp_path: Path, store: GraphStore, row: str, column: str, reason: str
) -> None:
    report = load(tmp_path, store, sales=f"{SALES}1,A,1,2\n{row}\n2,B,2,1\n")
    (entry,) = quarantine(report)
    assert (entry["line"], entry["column"]) == (3, column)
    assert reason in entry["reason"]
    assert entry["what_to_do"]
    assert entry["file"].endswith("sales.csv")
    assert len(entry["value"]) < 120
    assert report.edges["User-BOUGHT->Item"] == 2
    assert (report.read, report.quarantined) == (5, 1)
    assert balanced(report)


@pytest.mark.parametrize(
    ("row", "column"),
    [
        ("C,Lamp,dear,1,,", "price"),
        ("C,Lamp,1,1.5,,", "stock"),
        ("C,Lamp,1,1,2025-02-30,", "added"),
        ("C,Lamp,1,1,2300-01-01,", "added"),
        ("C,Lamp,1,1,yesterday,", "added"),
        ("C,Lamp,1,1,1969-12-31T23:59:59Z,", "added"),
    ],
)
def test_a_bad_property_keeps_the_whole_row_out(tmp_path: Path, store: GraphStore, row: str, column: str) -> None:
    report = load(tmp_path, store, items=f"{ITEMS}{row}\n")
    assert [entry["column"] for entry in quarantine(report)] == [column]
    assert store.node("Item", "C") is None
    assert balanced(report)


def test_full_width_and_padded_ids_are_one_id(tmp_path: Path, store: GraphStore) -> None:
    report = load(tmp_path, store, sales=f"{SALES}１２,A,1,1\n 12 ,A,1,1\n12.0,A,1,1\n")
    assert (report.nodes["User"], report.edges["User-BOUGHT->Item"], report.merged) == (1, 1, 2)


def test_a_byte_order_mark_and_dos_line_ends_change_nothing(tmp_path: Path, store: GraphStore) -> None:
    content = "\ufeff" + f"{SALES}1,A,1,1\n2,B,2,1\n".replace("\n", "\r\n")
    report = load(tmp_path, store, sales=content.encode())
    assert (report.quarantined, report.edges["User-BOUGHT->Item"]) == (0, 2)


def test_wrong_bytes_cost_their_line_only(tmp_path: Path, store: GraphStore) -> None:
    report = load(tmp_path, store, sales=SALES.encode() + b"1,A,1,1\n\xff\xfe,A,1,1\n2,B,1,1\n")
    assert [entry["line"] for entry in quarantine(report)] == [3]
    assert report.edges["User-BOUGHT->Item"] == 2


def test_duplicate_ids_are_resolved_the_same_in_any_order(tmp_path: Path, store: GraphStore) -> None:
    rows = ["A,Lamp,1,,,", "A,Lamp,3,,,", "A,Desk lamp,2,,,", "A,Big lamp,2,,,", "B,b,,,,", "B,a,,,,"]
    for order in (rows, rows[::-1]):
        load(tmp_path, store, items="id,title,price,stock,added,tags\n" + "\n".join(order) + "\n")
        lamp, tie = store.node("Item", "A"), store.node("Item", "B")
        assert lamp is not None
        assert tie is not None
        assert lamp.properties == {"title": "Lamp", "price": 2.0}
        assert tie.properties["title"] == "a"


def test_filtered_rows_are_counted_apart_and_may_be_bad(tmp_path: Path, store: GraphStore) -> None:
    report = load(tmp_path, store, sales=f"{SALES}test,A,never,x\n1,A,1,1\n")
    sales = report.files[1]
    assert (sales.read, sales.stored, sales.filtered, sales.quarantined) == (2, 1, 1, 0)


def test_too_many_bad_rows_stop_before_anything_is_committed(tmp_path: Path, store: GraphStore) -> None:
    with pytest.raises(TooManyBadRows, match=r"nothing was committed: expected at most 5\.0% of 4 rows, got 2"):
        load(tmp_path, store, sales=f"{SALES}1,Z,1,1\n1,A,x,1\n", max_bad=0.05)
    with open_store(f"sqlite:{tmp_path}/other.db") as empty:
        assert store.watermark() == empty.watermark()


def test_the_limit_is_a_share_of_all_rows(tmp_path: Path, store: GraphStore) -> None:
    sales = SALES + "".join(f"{user},A,1,1\n" for user in range(97)) + "x,A,bad,1\n"
    assert load(tmp_path, store, sales=sales, max_bad=0.01).quarantined == 1


def test_dangling_edges_may_be_filtered_or_created(tmp_path: Path, store: GraphStore) -> None:
    sales = f"{SALES}1,A,1,1\n1,Z,1,1\n"
    filtered = load(
        tmp_path, store, sales=sales, mapping=MAPPING.replace("weight: amount", "weight: amount\n      missing: filter")
    )
    assert (filtered.files[1].filtered, filtered.quarantined, filtered.nodes["Item"]) == (1, 0, 2)
    created = load(
        tmp_path, store, sales=sales, mapping=MAPPING.replace("weight: amount", "weight: amount\n      missing: create")
    )
    assert (created.files[1].stored, created.nodes["Item"]) == (2, 3)
    assert balanced(filtered)
    assert balanced(created)


def test_a_wrong_column_name_is_a_mapping_error_that_lists_the_columns(tmp_path: Path, store: GraphStore) -> None:
    with pytest.raises(MappingError, match=r"no column 'amount': expected one of user, item, when, qty"):
        load(tmp_path, store, sales="user,item,when,qty\n1,A,1,1\n")


def test_empty_files_and_header_only_files_are_fine(tmp_path: Path, store: GraphStore) -> None:
    report = load(tmp_path, store, sales="", items=ITEMS.splitlines()[0])
    assert (report.read, report.quarantine) == (0, None)


def test_two_ingests_do_not_share_a_work_directory(tmp_path: Path, store: GraphStore) -> None:
    (tmp_path / "work").mkdir()
    with _alone_in(tmp_path / "work", 0.0, NoProgress()), pytest.raises(Conflict, match="another ingest"):
        load(tmp_path, store)


class _Told(NoProgress):
    """Remembers the stages."""

    def __init__(self) -> None:
        self.stages: list[str] = []

    def start(self, what: str, total: int | None, unit: Unit) -> None:
        self.stages.append(what)


def test_an_ingest_that_may_wait_says_so_and_goes_on_when_the_other_has_ended(tmp_path: Path) -> None:
    began, ended, told = Event(), Event(), _Told()

    def other() -> None:
        with _alone_in(tmp_path, 0.0, NoProgress()):
            began.set()
            ended.wait(10)

    thread = Thread(target=other)
    thread.start()
    assert began.wait(10)
    Timer(0.3, ended.set).start()
    with _alone_in(tmp_path, 10.0, told):
        assert ended.is_set()
    assert told.stages == [f"waiting for another ingest in {tmp_path}"]
    thread.join()


def test_a_damaged_file_stops_everything(tmp_path: Path, store: GraphStore) -> None:

    with pytest.raises(InputError, match="damaged"):
        load(tmp_path, store, sales=gzip.compress(b"user,item,when,amount\n" + b"1,A,1,1\n" * 999)[:-12])
    assert not (tmp_path / "work" / "staging").exists()


def test_names_that_look_like_sql_are_only_names(tmp_path: Path, store: GraphStore) -> None:
    name = '\'; DROP TABLE "known_Item"; --'
    report = load(tmp_path, store, items=f'{ITEMS}"{name.replace(chr(34), chr(34) * 2)}",x,,,,\n')
    assert report.quarantined == 0
    assert store.node("Item", name) is not None
