"""A first import through the server's own tool gives the graph that Bolt gives; it never replaces one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

import kindred
from graph.digest import graph_hash
from graph.errors import Conflict, InputError, NotFound
from graph.neo4j import Neo4jStore
from graph.neo4j.cypher.names import Names
from graph.neo4j.first_import.files import ImportFiles
from graph.neo4j.first_import.importing import SHORT_RUN, import_first
from graph.neo4j.server import LINES, admin
from graph.records import DeleteNodes, Mutation, UpsertEdges, UpsertNodes
from graph.store import FirstLoad, open_store
from tests.graph.store_contract_model import HAS_BRAND, HOSTILE, NEXT, PURCHASED, WORLD
from tests.neo4j_servers import LINES_UNDER_TEST, TestServers

TEXTS = [*HOSTILE, 'quote " inside', "comma, semicolon; pipe |", "tab\there", "back\\slash", "'single'", "a\r\nb"]


def mutations() -> Iterator[Mutation]:
    titles = [{"title": text, "tags": [text, "tag"], "price": number / 3} for number, text in enumerate(TEXTS)]
    yield UpsertNodes("Item", TEXTS, titles)
    yield UpsertNodes("Item", ["i1", "i2"], [{"stock": -(2**63), "sold": False, "since": 2**42}, {"title": ""}])
    yield UpsertNodes("Item", ["i1"], [{"stock": None, "price": 1e-300}])
    qualifiers = [*TEXTS[:3], "", ""]
    yield UpsertEdges(
        PURCHASED,
        ["u1", "u1", "u2", "u1", "u1"],
        [TEXTS[0], TEXTS[0], "i1", "i1", "i1"],
        [1.0, 0.1, 2.0, 5.0, 1.0],
        [1, None, 1_600_000_000_000, -5, 7],
        qualifiers,
        [{"note": TEXTS[1]}, {}, {"count": 2}, {"note": "kept"}, {"count": 3}],
        create_missing=True,
    )
    yield UpsertEdges(HAS_BRAND, ["i1", "i2"], ["b", "ü"], create_missing=True)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_an_imported_graph_is_the_graph_that_bolt_writes(neo4j_servers: TestServers, tmp_path: Path) -> None:
    assert neo4j_servers.of("5")  # skips, loudly, where no server can be had
    server = neo4j_servers.new("5")
    url = f"{server.store_url}?timeout_s=60"

    def fill(target: FirstLoad) -> int:
        target.ensure_schema(WORLD)
        return target.bulk_load(mutations(), batch_id="first", actor="import").changed

    changed, imported = import_first(url, server.home, tmp_path / "files", fill, lambda _: None)
    assert imported.command is None
    with open_store(f"sqlite:{tmp_path}/same.db") as twin, open_store(url) as store:
        twin.ensure_schema(WORLD)
        twin.apply(mutations(), batch_id="first", actor="import")
        assert isinstance(store, Neo4jStore)
        assert graph_hash(store) == graph_hash(twin)
        assert store.drift() == []
        feed = list(store.changes_since("0"))
        assert len(feed) == changed == int(store.watermark())
        assert {(change.batch_id, change.actor) for change in feed} == {("first", "import")}
        assert store.apply(mutations(), batch_id="again", actor="a").changed == 4  # i1, and the edge that came twice
        assert [hit.node.node_id for hit in store.search_nodes("手机")] == [TEXTS[9]]
        store.apply([UpsertNodes("Brand", ["new"])], batch_id="later", actor="a")
        assert store.neighbors("Item", "i1").neighbors
    with pytest.raises(Conflict, match="holds a graph"):
        import_first(url, server.home, tmp_path / "files", fill, lambda _: None)


@pytest.mark.slow
@pytest.mark.timeout(200)
@pytest.mark.parametrize("line", LINES_UNDER_TEST)
def test_the_import_tool_of_every_line_takes_the_files(line: str, neo4j_servers: TestServers, tmp_path: Path) -> None:
    neo4j_servers.can_run(line)  # skips, loudly, where there is no JDK for it
    files = ImportFiles(tmp_path / "files", Names())
    files.ensure_schema(WORLD)
    files.bulk_load(mutations(), batch_id="first", actor="import")
    home = tmp_path / "home"
    (home / "conf").mkdir(parents=True)
    (home / "conf" / "neo4j.conf").touch()
    (home / "version").write_text(LINES[line].version)
    arguments = ["database", "import", "full", "neo4j", f"--report-file={tmp_path}/import.report", *files.arguments]
    said = admin(home, arguments, lambda _: None, jvm_options=SHORT_RUN)
    assert "IMPORT DONE" in said
    assert "31 nodes" in said
    assert "6 relationships" in said


def test_files_for_a_server_elsewhere_come_with_the_command(tmp_path: Path) -> None:
    url = "neo4j://neo4j:secret-word@elsewhere:7687/shop"

    def fill(target: FirstLoad) -> int:
        target.ensure_schema(WORLD)
        return target.bulk_load(mutations(), batch_id="first", actor="import").changed

    _, imported = import_first(url, tmp_path / "no home", tmp_path / "files", fill, lambda _: None)
    assert imported.command is not None
    assert imported.command.startswith("neo4j-admin database import full shop")
    assert "secret-word" not in imported.command
    for name in ("User", "Item", "User-PURCHASED-Item", "KindredMeta", "KindredBatch"):
        assert (tmp_path / "files" / f"{name}.csv").is_file()
        assert f"{name}.csv" in imported.command


@pytest.mark.parametrize(
    ("mutation", "error"),
    [
        (DeleteNodes("Item", ["i"]), InputError),
        (UpsertNodes("Item", ["i"], expected_version=[0]), InputError),
        (UpsertNodes("Item", ["i"], [{"tags": []}]), InputError),
        (UpsertNodes("Item", ["i"], [{"tags": ["a\x1fb"]}]), InputError),
        (UpsertEdges(NEXT, ["i"], ["j"]), NotFound),
        (UpsertNodes("Item", [""]), InputError),
    ],
)
def test_what_files_cannot_say_is_refused(tmp_path: Path, mutation: Mutation, error: type[Exception]) -> None:
    files = ImportFiles(tmp_path, Names())
    files.ensure_schema(WORLD)
    with pytest.raises(error):
        files.bulk_load([mutation], batch_id="b", actor="a")


def test_bulk_is_for_neo4j(tmp_path: Path) -> None:
    mapping = tmp_path / "m.yaml"
    mapping.write_text("name: x\n")
    done = CliRunner().invoke(kindred.app, ["ingest", "movielens", "--bulk", "--store", f"sqlite:{tmp_path}/g.db"])
    assert done.exit_code != 0
