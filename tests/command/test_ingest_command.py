"""``kindred ingest`` and ``kindred graph``: what goes in is accounted for, and comes out again."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.command.conftest import Trained
from tests.command.small_shop import BAD, FILTERED, SALES, kindred_in


def test_stored_filtered_and_quarantined_add_up_to_read(files: Path) -> None:
    ran = kindred_in(files, "ingest", "shop.yaml", "--json")
    assert ran.code == 0, ran.err
    report = ran.json
    assert report["read"] == 30 + SALES + FILTERED + BAD
    assert (report["stored"], report["filtered"], report["quarantined"]) == (30 + SALES, FILTERED, BAD)
    assert report["nodes"] == {"User": 40, "Item": 30, "Brand": 2}
    quarantine = (files / report["quarantine"]).read_text()
    assert "yesterday" in quarantine
    assert str(BAD + SALES + FILTERED + 1) in quarantine, "the line in the file is named"


def test_people_read_the_same_sum_and_where_the_bad_rows_are(files: Path) -> None:
    ran = kindred_in(files, "ingest", "shop.yaml")
    assert f"{30 + SALES} stored + {FILTERED} filtered + {BAD} quarantined = {30 + SALES + FILTERED + BAD} read" in (
        ran.out
    )
    assert "quarantine/small-shop.jsonl" in ran.err


def test_a_second_ingest_changes_nothing(files: Path) -> None:
    kindred_in(files, "ingest", "shop.yaml")
    before = kindred_in(files, "graph", "stats", "--json").json
    again = kindred_in(files, "ingest", "shop.yaml", "--json").json
    assert again["changed"] == 0
    assert kindred_in(files, "graph", "stats", "--json").json == before


@pytest.mark.parametrize("form", [(), ("--json",)])
def test_a_dry_run_shows_and_writes_nothing(files: Path, form: tuple[str, ...]) -> None:
    before = sorted(files.rglob("*"))
    ran = kindred_in(files, "ingest", "shop.yaml", "--dry-run", *form)
    assert ran.code == 0, ran.err
    assert sorted(files.rglob("*")) == before
    assert "Nivea thing 00" in ran.out
    if form:
        assert ran.json["nodes"] == {"Item": 30, "Brand": 30}
        assert len(ran.json["problems"]) == BAD
    else:
        assert ran.err.count("problem:") == BAD


def test_data_may_lie_beside_the_mapping_or_elsewhere(files: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    for name in ("items.csv", "sales.csv"):
        (files / name).rename(elsewhere / name)
    assert kindred_in(files, "ingest", "shop.yaml", "--data-dir", "elsewhere").code == 0
    assert kindred_in(files, "ingest", "shop.yaml", KINDRED_DATA_DIR="elsewhere").code == 0


def test_one_store_option_chooses_the_graph(files: Path) -> None:
    url = "sqlite:other/shop.db"
    (files / "other").mkdir()
    assert kindred_in(files, "ingest", "shop.yaml", "--store", url).code == 0
    assert kindred_in(files, "graph", "stats", "--store", url, "--json").json["nodes"]["Item"] == 30
    assert kindred_in(files, "graph", "stats").code == 5


def test_stats_count_by_type(trained: Trained) -> None:
    ran = kindred_in(trained.folder, "graph", "stats")
    assert "(User)-[PURCHASED]->(Item)" in ran.out
    stats = kindred_in(trained.folder, "graph", "stats", "--json").json
    assert stats["edges"] == {"User-PURCHASED-Item": SALES, "Item-HAS_BRAND-Brand": 30, "Item-COMPLEMENTS-Item": 0}
    assert len(stats["hash"]) == 64


def test_the_export_holds_every_node_and_edge(trained: Trained, tmp_path: Path) -> None:
    ran = kindred_in(trained.folder, "graph", "export", str(tmp_path / "export"), "--json")
    assert ran.code == 0, ran.err
    rows = {Path(entry["file"]).stem: entry["rows"] for entry in ran.json}
    assert rows == {
        "User": 40,
        "Item": 30,
        "Brand": 2,
        "User-PURCHASED-Item": SALES,
        "Item-HAS_BRAND-Brand": 30,
        "Item-COMPLEMENTS-Item": 0,
    }
    sales = pq.read_table(tmp_path / "export" / "User-PURCHASED-Item.parquet")
    assert sales.num_rows == SALES
    assert set(sales.column("source_id").to_pylist()) == {f"u{user:02d}" for user in range(40)}


def test_sources_and_the_schema_of_mappings_are_for_machines_too(tmp_path: Path) -> None:
    listed = kindred_in(tmp_path, "sources")
    named = kindred_in(tmp_path, "sources", "--json").json
    assert {"movielens", "online-retail", "retailrocket", "tafeng", "lightgcn", "s3rec"} <= {
        row["name"] for row in named
    }
    assert all(row["name"] in listed.out for row in named)
    schema = kindred_in(tmp_path, "mapping-schema").json
    assert {"graph", "tables"} <= set(schema["properties"])
