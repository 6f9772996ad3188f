"""The quality tables: rows that stand for themselves, older ones still read, a page that says what was reached."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from api.command import tables
from api.command.datasets import data_named
from api.command.quality_page import page
from api.command.quality_rows import FIGURES, read_rows
from api.command.quality_tables import TABLES, QualityTable
from api.command.table_jobs import side_by_side
from gnn.splits.protocols import PROTOCOLS
from ingest.sources import SOURCES
from tests.command.small_shop import kindred_in, write_shop

SMALL = QualityTable(
    "corner", "shop.yaml", "leave-one-out", "A corner shop", goal={"ndcg@20": 0.001, "hr@10": 1.1}, text="none"
)


def measure(folder: Path, monkeypatch: pytest.MonkeyPatch, *options: str) -> Any:
    monkeypatch.setitem(tables.TABLES, "corner", SMALL)
    monkeypatch.setattr("api.command.recipe.DEFAULT_MODELS", ("popularity", "rp3beta", "attributes"))
    return kindred_in(folder, "tables", "--only", "corner", *options)


def rows_in(folder: Path) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads((folder / "docs" / "quality.json").read_text())
    return rows


def test_a_table_is_rows_of_json_and_a_page_and_is_not_measured_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_shop(tmp_path)
    ran = measure(folder, monkeypatch, "--seeds", "2")
    assert ran.code == 0, ran.err
    rows = rows_in(folder)
    assert [(row["model"], row["seed"]) for row in rows if row["served"]]
    assert {row["seed"] for row in rows} == {42, 43}
    for row in rows:
        assert list(row)[: 5 + len(FIGURES)] == ["data", "protocol", "model", "seed", "served", *FIGURES]
        assert (row["data"], row["protocol"]) == ("corner", "leave-one-out")
        assert all(isinstance(row[name], float) for name in FIGURES)
    text = (folder / "docs" / "quality.md").read_text()
    assert "## A corner shop" in text
    assert "Seeds 42, 43." in text
    assert " ± " in text
    assert "ndcg@20 ≥ 0.0010, is " in text
    assert "(reached), hr@10 ≥ 1.1000, is " in text
    assert "(missed)" in text
    assert "| graph shuffled |" in text
    assert "| least active users |" in text
    assert "On test, seed 42 kindred against " in text
    assert "measured already" in measure(folder, monkeypatch).out


def test_an_interrupted_table_goes_on_model_by_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write_shop(tmp_path)
    with monkeypatch.context() as broken:

        def dies(*_: object, **__: object) -> None:
            raise OSError("the machine went away")

        broken.setattr("api.command.tables.controls_on", dies)
        assert "the machine went away" in measure(folder, broken).err
    assert rows_in(folder), "the figures stand before their controls are measured"
    assert not any("controls" in row for row in rows_in(folder))
    gone_on = measure(folder, monkeypatch)
    assert gone_on.code == 0
    assert "fitting rp3beta" not in gone_on.err
    assert any("controls" in row for row in rows_in(folder))
    anew = measure(folder, monkeypatch, "--fresh")
    assert "fitting rp3beta" in anew.err


def test_tables_that_cut_alike_share_what_was_selected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write_shop(tmp_path)
    monkeypatch.setitem(tables.TABLES, "deployed", replace(SMALL, protocol="leave-one-out-deployed", controls=False))
    assert measure(folder, monkeypatch).code == 0
    deployed = kindred_in(folder, "tables", "--only", "deployed")
    assert deployed.code == 0, deployed.err
    assert "tuning rp3beta" not in deployed.err
    assert deployed.err.count("fitting rp3beta") == 1, "once more for the test, and not for the selection"
    rows = rows_in(folder)
    assert {row["protocol"] for row in rows} == {"leave-one-out", "leave-one-out-deployed"}


def test_a_default_model_that_a_protocol_leaves_out_is_named_with_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_shop(tmp_path)
    monkeypatch.setitem(tables.TABLES, "sets", replace(SMALL, protocol="random-80-20", controls=False))
    monkeypatch.setattr("api.command.recipe.DEFAULT_MODELS", ("popularity", "rp3beta", "sequence"))
    assert kindred_in(folder, "tables", "--only", "sets").code == 0
    assert "sequence was left out: where the order" in (folder / "docs" / "quality.md").read_text()
    assert not any(row["model"] == "sequence" for row in rows_in(folder))


def squared(number: int) -> int:
    print(f"squaring {number}")
    if number < 0:
        raise ValueError("no root")
    return number * number


def test_jobs_run_side_by_side_each_with_its_log_and_the_first_error_is_raised(tmp_path: Path) -> None:
    def log_of(number: int) -> Path:
        return tmp_path / "logs" / f"{number}.log"

    assert dict(side_by_side(squared, [2, 3, 4], 2, log_of)) == {2: 4, 3: 9, 4: 16}
    assert "squaring 3" in log_of(3).read_text()
    with pytest.raises(ValueError, match="no root"):
        dict(side_by_side(squared, [-1, 2], 2, log_of))
    assert dict(side_by_side(squared, [2, 3], 1, log_of)) == {2: 4, 3: 9}


@pytest.mark.parametrize("jobs", [1, 2])
def test_what_follows_a_task_comes_after_those_that_wait_and_once_its_result_is_taken(
    tmp_path: Path, jobs: int
) -> None:
    taken: list[int] = []

    def then(number: int) -> list[int]:
        assert taken[-1] == number
        return [10 * number] if number < 10 else []

    for number, result in side_by_side(squared, [2, 3, 4], jobs, lambda number: tmp_path / f"{number}.log", then):
        assert result == number**2
        taken.append(number)
    assert sorted(taken) == [2, 3, 4, 20, 30, 40]
    assert all(taken.index(10 * number) > taken.index(number) for number in (2, 3, 4))
    if jobs == 1:
        assert taken == [2, 3, 4, 20, 30, 40]


def test_tables_of_the_earlier_format_are_read_as_rows_and_shown() -> None:
    old = {
        "name": "movielens-100k-temporal",
        "protocol": "temporal",
        "command": "kindred evaluate …",
        "seed": 42,
        "gate": {"sentence": "kindred beats ease"},
        "importance": {"ease": 1.0},
        "skipped": {"sequence": "no order"},
        "table": [
            {"model": "kindred", "served": True, "recall@20": 0.25, "ndcg@20": 0.2, "hr@10": 0.5, "ndcg@10": 0.1,
             "mrr@20": 0.3, "validation_ndcg@20": 0.2, "interval": [0.1, 0.3], "slices": {}, "coverage": 0.1,
             "novelty": 8.0, "popularity_lift": 0.2, "fit_s": 1.5, "peak_mb": 100.0},
        ],
    }  # fmt: skip
    rows = read_rows([old])
    assert rows[0]["data"] == "movielens-100k"
    assert rows[0]["phr@10"] == 0.5
    assert rows[0]["recall@10"] is None
    text = "\n".join(page(rows))
    assert "| kindred | ● | 0.2500 | 0.2000 | 0.5000 | – | 0.1000 |" in text
    assert "sequence was left out: no order" in text
    assert "Not measured yet: movielens-100k, " in text


def test_what_an_earlier_version_wrote_is_written_anew_as_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = json.loads((Path(__file__).parents[2] / "docs" / "quality.json").read_text())
    (tmp_path / "quality.json").write_text(json.dumps(old))
    monkeypatch.setattr(tables, "DOCS", tmp_path)
    rows = tables.kept_rows()
    tables.write_rows(rows)
    assert json.loads((tmp_path / "quality.json").read_text()) == tables.kept_rows()
    assert {(row["data"], row["protocol"]) for row in rows} >= {("online-retail", "temporal")}
    assert all(figure in row for row in rows for figure in FIGURES)
    served = {(row["data"], row["protocol"], row["seed"]) for row in rows if row["served"]}
    assert served == {(row["data"], row["protocol"], row["seed"]) for row in rows}
    assert "## UCI Online Retail" in (tmp_path / "quality.md").read_text()


def test_every_table_names_a_source_and_a_protocol_that_exist() -> None:
    assert len({(table.data, table.protocol) for table in TABLES.values()}) == len(TABLES)
    for table in TABLES.values():
        assert table.source in SOURCES
        assert table.protocol in PROTOCOLS
        assert f"--protocol {table.protocol}" in table.command(42)


@pytest.mark.parametrize(
    ("source", "folder", "name"),
    [
        ("lightgcn", "gowalla_lightgcn", "gowalla"),
        ("lightgcn", "yelp2018", "yelp2018"),
        ("s3rec", "amazon_sports", "amazon-sports"),
        ("tafeng", "somewhere", "tafeng"),
        ("mappings/corner-shop.yaml", "data", "corner-shop"),
    ],
)
def test_a_data_set_is_called_by_what_it_is_known_by_else_by_its_folder(source: str, folder: str, name: str) -> None:
    assert data_named(source, Path("data") / folder) == name


_PEAKS = """
import mmap, sys
from gnn.experiment.memory import begin_peak, peak_mb
if not begin_peak():
    sys.exit(print(0, peak_mb(), 0))
before = peak_mb()
held = mmap.mmap(-1, 96 << 20)
for at in range(0, len(held), 4096):
    held[at] = 1
during = peak_mb()
held.close()
begin_peak()
print(before, during, peak_mb())
"""


def test_the_peak_of_a_piece_of_work_is_its_own_where_the_system_can_tell() -> None:
    # A process of its own: what other tests left in this one's heap is not given back at will.
    said = subprocess.run([sys.executable, "-c", _PEAKS], capture_output=True, text=True, check=True).stdout
    before, during, after = map(float, said.split())
    assert during - before > 60
    if before:
        assert after < during - 60
