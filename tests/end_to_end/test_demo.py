"""``kindred demo`` on films small enough to train on in a test, and what the real one left behind."""

from __future__ import annotations

import json
import random
import shutil
from pathlib import Path
from typing import Any

import pytest

from gnn.models import DEFAULT_MODELS
from graph.records import DeleteNodes
from graph.release import current_id, current_release
from graph.store import open_store
from graph.view import GraphView
from tests.command.small_shop import Ran, kindred_in

ROOT = Path(__file__).parents[2]
NUM_USERS, NUM_FILMS = 60, 60


def write_films(folder: Path) -> Path:
    """MovieLens in small: even users like even films and rate one odd film low; the directors agree."""
    rng = random.Random(4)
    ratings = []
    for user in range(1, NUM_USERS + 1):
        own = rng.sample(range(1 + user % 2, NUM_FILMS + 1, 2), 12)
        ratings += [f"{user}\t{film}\t5\t{880_000_000 + 1000 * at + user}" for at, film in enumerate(own)]
        ratings.append(f"{user}\t{rng.randrange(2 - user % 2, NUM_FILMS + 1, 2)}\t1\t{880_900_000 + user}")
    people = [f"{user}\t30\tF\twriter\t10001" for user in range(1, NUM_USERS + 1)]
    films = [f"{film}\tFilm number {film}\t1995\tDrama" for film in range(1, NUM_FILMS + 1)]
    links = [f"{film}\tm.f{film}" for film in range(1, NUM_FILMS + 1)]
    facts = [f"m.f{film}\tfilm.film.directed_by\tm.d{film % 2}" for film in range(1, NUM_FILMS + 1)]
    for part, header, lines in (
        ("inter", "user_id:token\titem_id:token\trating:float\ttimestamp:float", ratings),
        ("user", "user_id:token\tage:token\tgender:token\toccupation:token\tzip_code:token", people),
        ("item", "item_id:token\tmovie_title:token_seq\trelease_year:token\tclass:token_seq", films),
        ("link", "item_id:token\tentity_id:token", links),
        ("kg", "head_id:token\trelation_id:token\ttail_id:token", facts),
    ):
        (folder / f"ml-100k.{part}").write_text("\n".join([header, *lines]) + "\n")
    return folder


def check_result(result: dict[str, Any], releases: Path) -> None:
    """What ``var/demo.json`` has to say, and that the graph says so too."""
    assert result["seconds"].keys() == {"install", "ingest", "train", "evaluate", "first_answer"}
    assert result["gate"].keys() == {"promoted", "winner", "baseline", "difference", "interval"}
    # The demo's split is random, so the model that reads order refuses it.
    assert {row["model"] for row in result["table"]} == {*DEFAULT_MODELS, "bandfilter", "kindred"} - {"sequence"}
    assert all(row.keys() >= {"model", "served", "recall@20", "ndcg@20"} for row in result["table"])
    assert [row["model"] for row in result["table"] if row["served"]] == [result["gate"]["winner"]]
    release = current_release(releases)
    assert release.id == result["release"]
    view = GraphView(release.snapshot)
    for listed in (result["recommendations"], result["related"]):
        assert [item["rank"] for item in listed] == [1, 2, 3, 4, 5]
        for item in listed:
            assert item["title"]
            assert item["reasons"], item
            for reason in item["reasons"]:
                assert reason["text"]
                assert is_in_the_graph(view, reason["path"]), reason


def is_in_the_graph(view: GraphView, path: list[dict[str, Any]]) -> bool:
    """Whether every node and every edge of a path, in the shape of the HTTP contract, is in the graph."""
    rows = [view.index_of(*step["node"]) for step in path[::2]]
    if None in rows:
        return False
    return all(
        _joined(view, path[at], path[at + 1], path[at + 2] if at + 2 < len(path) else None)
        for at in range(0, len(path) - 1, 2)
    )


def _joined(view: GraphView, here: dict[str, Any], hop: dict[str, Any], there: dict[str, Any] | None) -> bool:
    """Whether one hop exists: an edge between two nodes, people that two items share, or people of one item."""
    first = here["node"]
    if there is not None and "direction" in hop:
        source, target = (first, there["node"]) if hop["direction"] == "out" else (there["node"], first)
        edge_type = (source[0], hop["edge"], target[0])
        return view.has_edge(edge_type, view.index_of(*source), view.index_of(*target))
    people = _people(view, hop["edge"], first)
    if there is not None:
        people &= _people(view, hop["edge"], there["node"])
    return len(people) >= hop.get("count", 1)


def _people(view: GraphView, relation: str, item: list[str]) -> set[int]:
    return set(view.neighbors(("User", relation, "Item"), view.index_of(*item), "in").indices.tolist())


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Ran]:
    folder = tmp_path_factory.mktemp("demo")
    (folder / "films").mkdir()
    write_films(folder / "films")
    ran = kindred_in(folder, "demo", "--no-serve", KINDRED_DATA_DIR="films", KINDRED_INSTALL_S="12.5")
    assert ran.code == 0, ran.err
    return folder, ran


@pytest.mark.slow
def test_the_demo_trains_everything_and_writes_what_it_found(demo: tuple[Path, Ran]) -> None:
    folder, ran = demo
    result = json.loads((folder / "var" / "demo.json").read_text())
    check_result(result, folder / "var" / "releases")
    assert result["seconds"]["install"] == 12.5
    assert result["nodes"] == NUM_USERS + NUM_FILMS + 1 + 2
    assert "first recommendations for user 1" in ran.out
    assert ran.out.index("first recommendations") < ran.out.index("gate: ")
    assert "recommended to user 1" in ran.out
    assert "related to Film number 50" in ran.out


@pytest.mark.slow
def test_a_second_demo_only_asks_again(demo: tuple[Path, Ran]) -> None:
    folder, _ = demo
    before = (folder / "var" / "demo.json").read_bytes()
    again = kindred_in(folder, "demo", "--no-serve", KINDRED_DATA_DIR="films")
    assert again.code == 0, again.err
    assert "asking again" in again.out
    assert "recommended to user 1" in again.out
    assert "fitting" not in again.err
    assert (folder / "var" / "demo.json").read_bytes() == before


@pytest.mark.slow
def test_what_somebody_took_out_of_the_graph_is_not_put_back(demo: tuple[Path, Ran], tmp_path: Path) -> None:
    folder = shutil.copytree(demo[0], tmp_path / "demo")
    url = f"sqlite:{folder / 'var' / 'graph.db'}"
    with open_store(url) as graph:
        graph.apply([DeleteNodes("User", ["2"])], batch_id="b", actor="curator")
    again = kindred_in(folder, "demo", "--no-serve", KINDRED_DATA_DIR="films")
    assert again.code == 0, again.err
    assert "asking again" in again.out
    with open_store(url) as graph:
        assert graph.node("User", "2") is None


@pytest.mark.slow
def test_over_a_store_that_is_empty_the_demo_does_all_of_it_again(demo: tuple[Path, Ran], tmp_path: Path) -> None:
    folder = shutil.copytree(demo[0], tmp_path / "demo")
    before = json.loads((folder / "var" / "demo.json").read_text())
    again = kindred_in(folder, "demo", "--no-serve", KINDRED_DATA_DIR="films", KINDRED_STORE="sqlite:var/another.db")
    assert again.code == 0, again.err
    assert "asking again" not in again.out
    after = json.loads((folder / "var" / "demo.json").read_text())
    assert after["release"] != before["release"]
    assert after["snapshot"] == before["snapshot"]


@pytest.mark.real_data
def test_what_the_real_demo_left_behind_is_true() -> None:
    """``make demo`` on MovieLens: at least as good as the best published closed form, every reason in the graph."""
    result_file = ROOT / "var" / "demo.json"
    if not result_file.exists():
        pytest.skip("there is no var/demo.json: run `make demo SERVE=0` first, as CI does")
    result = json.loads(result_file.read_text())
    if result["release"] != current_id(ROOT / "var" / "releases"):
        pytest.skip("another release than the demo's is live: run `make clean demo SERVE=0`")
    check_result(result, ROOT / "var" / "releases")
    assert result["nodes"] > 10_000
    assert result["edges"] > 100_000
    (served,) = (row for row in result["table"] if row["served"])
    assert served["recall@20"] >= 0.363
    assert served["ndcg@20"] >= 0.335
