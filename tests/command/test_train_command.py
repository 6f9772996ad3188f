"""``kindred train``, ``evaluate`` and ``release``: what is measured, what goes live, and back."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gnn.experiment.controls import CONTROLS
from tests.command.conftest import Trained
from tests.command.small_shop import MODELS, kindred_in, train

ROW_FIGURES = ("recall@20", "ndcg@20", "hr@10", "recall@10", "ndcg@10", "phr@10", "fit_s", "peak_mb")
FIGURES = {"model", "served", "recall@20", "ndcg@20", "hr@10", "validation_ndcg@20", "fit_s", "interval", "slices"}


def test_training_tells_the_release_the_gates_verdict_and_the_table(trained: Trained) -> None:
    document = trained.run.json
    assert {row["model"] for row in document["table"]} == {*MODELS.split(","), "kindred"}
    assert all(row.keys() >= FIGURES for row in document["table"])
    (served,) = (row["model"] for row in document["table"] if row["served"])
    gate = document["gate"]
    assert served == gate["winner"]
    assert gate["promoted"] == (gate["winner"] == "kindred")
    assert gate["baseline"] in MODELS.split(",")
    assert (trained.folder / "var" / "releases" / document["release"] / "manifest.json").is_file()


def test_a_person_reads_table_and_verdict(trained: Trained, tmp_path: Path) -> None:
    ran = train(trained.copied(tmp_path), "--protocol", "random-80-20")
    assert ran.code == 0, ran.err
    assert "ndcg@20" in ran.out
    assert "gate: " in ran.out
    assert "is current" in ran.out
    assert "fitting rp3beta" in ran.err


def test_no_figure_is_cut_where_there_is_no_window(trained: Trained) -> None:
    models = ("--models", "popularity,attributes", "--text", "none", "--no-tune")
    shown = kindred_in(trained.folder, "evaluate", *models, COLUMNS="40").out
    assert "validation_ndcg@20" in shown
    assert "popularity" in shown
    assert "…" not in shown


def test_a_run_leaves_no_working_files(trained: Trained) -> None:
    assert not list((trained.folder / "var").glob("run-*"))


def test_evaluation_is_written_to_a_file_and_releases_nothing(trained: Trained, tmp_path: Path) -> None:
    result = tmp_path / "result.json"
    before = kindred_in(trained.folder, "release", "list", "--json").json
    options = ("--models", MODELS, "--text", "none", "--no-tune", "--protocol", "leave-one-out")
    ran = kindred_in(trained.folder, "evaluate", *options, "--output", str(result), "--json")
    assert ran.code == 0, ran.err
    document = ran.json
    rows = json.loads(result.read_text())
    assert rows == document["rows"]
    assert all(list(row)[:5] == ["data", "protocol", "model", "seed", "served"] for row in rows)
    assert all(isinstance(row[name], float) for row in rows for name in ROW_FIGURES)
    assert all(row["phr@10"] == row["hr@10"] for row in rows)
    (fused,) = (row for row in rows if row["model"] == "kindred")
    assert fused["against_baseline"]["baseline"] == document["gate"]["baseline"]
    assert document["protocol"] == "leave-one-out"
    assert document["seed"] == 42
    assert document["gate"]["sentence"]
    assert {row["measured_on"] for row in document["table"]} == {"test"}
    assert sum(document["importance"].values()) == pytest.approx(1.0)
    assert kindred_in(trained.folder, "release", "list", "--json").json == before


def test_a_source_is_evaluated_without_touching_the_store(files: Path) -> None:
    options = ("--models", "popularity,rp3beta", "--text", "none", "--no-tune", "--json")
    ran = kindred_in(files, "evaluate", "--source", "shop.yaml", *options)
    assert ran.code == 0, ran.err
    assert ran.json["source"] == "shop.yaml"
    assert not (files / "var" / "graph.db").exists()
    assert not (files / "var" / "releases").exists()


def test_options_are_tuned_unless_told_otherwise(trained: Trained) -> None:
    options = ("--models", "popularity,rp3beta", "--text", "none", "--json")
    tuned = kindred_in(trained.folder, "evaluate", *options)
    plain = kindred_in(trained.folder, "evaluate", *options, "--no-tune")
    assert "tuning rp3beta" in tuned.err
    assert "tuning" not in plain.err
    assert all(row["options"] == {} for row in plain.json["table"])


def test_the_same_seed_gives_the_same_figures(trained: Trained) -> None:
    options = ("--models", "popularity,rp3beta,ease", "--text", "none", "--no-tune", "--protocol", "random-80-20")
    timed = {"fit_s", "peak_mb"}
    first, second = (
        [
            {name: value for name, value in row.items() if name not in timed}
            for row in kindred_in(trained.folder, "evaluate", *options, "--json").json["table"]
        ]
        for _ in range(2)
    )
    assert first == second


def test_releases_are_listed_activated_and_rolled_back(trained: Trained, tmp_path: Path) -> None:
    folder = trained.copied(tmp_path)

    def current() -> str:
        return next(row["id"] for row in kindred_in(folder, "release", "list", "--json").json if row["current"])

    assert current() == trained.second
    back = kindred_in(folder, "release", "rollback", "--json")
    assert back.json == {"current": trained.first}
    assert current() == trained.first
    assert kindred_in(folder, "release", "activate", trained.second).code == 0
    assert current() == trained.second
    listed = kindred_in(folder, "release", "list").out
    assert trained.first in listed
    assert "current" in listed


def test_doctor_is_content_with_a_trained_shop(trained: Trained) -> None:
    ran = kindred_in(trained.folder, "doctor", "--json")
    assert ran.code == 0
    assert all(check["ok"] for check in ran.json)
    assert any(trained.second in check["says"] for check in ran.json)


def test_doctor_tells_a_newcomer_what_to_do_next(tmp_path: Path) -> None:
    ran = kindred_in(tmp_path, "doctor")
    assert ran.code == 0
    assert "kindred ingest" in ran.out
    assert "kindred train" in ran.out


def test_controls_say_what_the_graph_adds(trained: Trained) -> None:
    options = ("--models", MODELS, "--text", "none", "--no-tune", "--controls")
    found = kindred_in(trained.folder, "evaluate", *options, "--json").json["controls"]
    assert [row["control"] for row in found["rows"]] == list(CONTROLS)
    assert "the graph" in found["sentence"]
    shown = kindred_in(trained.folder, "evaluate", *options).out
    assert "graph shuffled" in shown
    assert found["sentence"][:30] in shown


def test_a_search_has_its_budget_and_is_kept(trained: Trained, tmp_path: Path) -> None:
    folder = trained.copied(tmp_path)
    options = ("--models", "popularity,rp3beta,ease", "--text", "none", "--trials", "3", "--json")
    first = kindred_in(folder, "evaluate", *options)
    assert first.code == 0, first.err
    kept = sorted((folder / "var" / "searches").rglob("*.json"))
    assert [file.stem for file in kept] == ["ease", "rp3beta"]
    assert all(len(json.loads(file.read_text())["trials"]) == 3 for file in kept)
    assert kindred_in(folder, "evaluate", "--trials", "0").code == 2
