"""The file of the SQLite store: whose it is, who may write, and what happens when it cannot be used."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
from contextlib import ExitStack
from pathlib import Path

import pytest

from graph.errors import NotFound, SettingsError, StoreError, StoreUnavailable
from graph.records import DeleteNodes, UpsertEdges, UpsertNodes
from graph.sqlite import SqliteStore, open_sqlite
from graph.sqlite.layout import drop_edge_indexes
from graph.store import BulkLoad, open_store
from tests.graph.store_contract_model import PURCHASED, WORLD

ROOT = Path(__file__).resolve().parents[2]
INDEXES = "SELECT count(*) FROM sqlite_master WHERE type = 'index' AND name LIKE 'edges\\_by%' ESCAPE '\\'"


def made(path: Path) -> SqliteStore:
    store = open_sqlite(f"sqlite:{path}", timeout_s=0.2)
    store.ensure_schema(WORLD)
    return store


def test_a_url_opens_the_file_it_names_and_makes_its_folder(tmp_path: Path) -> None:
    with open_store(f"sqlite:{tmp_path}/deep/er/graph.db") as store:
        store.ensure_schema(WORLD)
        assert isinstance(store, BulkLoad)
        assert store.url == f"sqlite:{tmp_path}/deep/er/graph.db"
        assert store.stats().size_bytes > 0
    with open_store(f"sqlite://{tmp_path}/deep/er/graph.db") as again:
        assert again.schema == WORLD


@pytest.mark.parametrize("url", ["sqlite:", "sqlite::memory:", "sqlite:a\0b", "neo4j:x"])
def test_a_url_without_a_file_is_refused(url: str) -> None:
    with pytest.raises(SettingsError):
        open_sqlite(url)


def test_a_foreign_database_is_refused_and_left_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "foreign.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE theirs (x)")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(StoreError, match="another program's"):
        open_sqlite(f"sqlite:{path}")
    assert path.read_bytes() == before
    assert sorted(tmp_path.iterdir()) == [path]


def test_a_newer_format_is_refused_with_the_remedy(tmp_path: Path) -> None:
    made(tmp_path / "graph.db").close()
    connection = sqlite3.connect(tmp_path / "graph.db")
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(StoreError, match="expected format 1, got format 99") as caught:
        made(tmp_path / "graph.db")
    assert caught.value.remedy is not None


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("these are my notes, do not touch them\n" * 100)
    with pytest.raises(StoreError, match="not a graph"):
        open_sqlite(f"sqlite:{path}")
    assert path.read_text().startswith("these are my notes")


def test_a_path_that_cannot_be_opened_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreUnavailable):
        open_sqlite(f"sqlite:{tmp_path}/file/graph.db")
    with pytest.raises(StoreUnavailable):
        open_sqlite(f"sqlite:{tmp_path}")


def test_a_locked_file_is_unavailable_for_writing_within_the_deadline_and_readable_all_the_time(tmp_path: Path) -> None:
    with made(tmp_path / "graph.db") as store:
        store.apply([UpsertNodes("Item", ["i"])], batch_id="b", actor="a")
        other = sqlite3.connect(tmp_path / "graph.db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreUnavailable, match="locked"):
            store.apply([UpsertNodes("Item", ["j"])], batch_id="b", actor="a")
        assert store.node("Item", "i") is not None
        other.execute("ROLLBACK")
        other.close()
        assert store.apply([UpsertNodes("Item", ["j"])], batch_id="b", actor="a").changed == 1


def test_a_thread_that_waits_too_long_for_its_turn_is_told_so(tmp_path: Path) -> None:
    with made(tmp_path / "graph.db") as store:
        inside, done = threading.Event(), threading.Event()

        def hold() -> None:
            with store._writing():
                inside.set()
                done.wait(30)

        thread = threading.Thread(target=hold)
        thread.start()
        inside.wait(30)
        with pytest.raises(StoreUnavailable, match="locked"):
            store.apply([UpsertNodes("Item", ["j"])], batch_id="b", actor="a")
        done.set()
        thread.join()
        assert store.apply([UpsertNodes("Item", ["j"])], batch_id="b", actor="a").changed == 1


def test_a_closed_store_says_so(tmp_path: Path) -> None:
    store = made(tmp_path / "graph.db")
    half = store.export_nodes("Item")
    store.close()
    store.close()
    for use in (
        lambda: store.watermark(),
        lambda: store.apply([], batch_id="b", actor="a"),
        lambda: next(half),
        lambda: store.ensure_schema(WORLD),
    ):
        with pytest.raises(StoreError, match="closed"):
            use()


def test_closing_while_an_iterator_is_open_is_harmless(tmp_path: Path) -> None:
    store = made(tmp_path / "graph.db")
    store.apply([UpsertNodes("Item", ["i", "j", "k"])], batch_id="b", actor="a")
    half = store.changes_since("0")
    next(half)
    store.close()
    with pytest.raises(StoreError):
        list(half)


def test_indexes_lost_in_a_killed_load_are_built_on_opening(tmp_path: Path) -> None:
    with made(tmp_path / "graph.db") as store:
        edge = UpsertEdges(PURCHASED, ["u"], ["i"], create_missing=True)
        store.apply([edge], batch_id="b", actor="a")
    connection = sqlite3.connect(tmp_path / "graph.db", isolation_level=None)
    drop_edge_indexes(connection)
    # While another process holds the file, it is the load itself, which will build them.
    connection.execute("BEGIN IMMEDIATE")
    with open_sqlite(f"sqlite:{tmp_path}/graph.db", timeout_s=0.1) as store:
        assert [change.record for change in store.changes_since("2")] != []
    connection.execute("ROLLBACK")
    with made(tmp_path / "graph.db"):
        assert connection.execute(INDEXES).fetchone() == (2,)
    connection.close()


def test_a_damaged_file_is_a_store_error_not_a_crash(tmp_path: Path) -> None:
    path = tmp_path / "graph.db"
    with made(path) as store:
        rows = UpsertEdges(PURCHASED, [f"u{n}" for n in range(500)], ["i"] * 500, create_missing=True)
        store.apply([rows], batch_id="b", actor="a")
    damaged = bytearray(path.read_bytes())
    damaged[4096 : len(damaged)] = bytes(len(damaged) - 4096)
    path.write_bytes(damaged)
    with pytest.raises((StoreError, NotFound)), open_sqlite(f"sqlite:{path}") as store:
        store.apply([rows], batch_id="b", actor="a")


def test_deleted_texts_are_overwritten_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "graph.db"
    with made(path) as store:
        secret = "unrepeatable secret"
        store.apply(
            [UpsertEdges(PURCHASED, ["u"], ["i"], properties=[{"note": secret}], create_missing=True)],
            batch_id="b",
            actor="a",
        )
        store.apply([UpsertNodes("Item", ["i"], [{"title": None}])], batch_id="b", actor="a")
        store.apply([UpsertEdges(PURCHASED, ["u"], ["i"], properties=[{"note": None}])], batch_id="b", actor="a")
    assert secret.encode() not in path.read_bytes()


PROCESS = """
import sys
from graph.records import UpsertEdges
from graph.sqlite import open_sqlite
from tests.graph.store_contract_model import PURCHASED, WORLD

with open_sqlite(sys.argv[1], timeout_s=60) as store:
    store.ensure_schema(WORLD)
    for number in range(40):
        users, items = [sys.argv[2], "shared"], [f"i{number}", f"{sys.argv[2]} {number}"]
        edges = UpsertEdges(PURCHASED, users, items, create_missing=True)
        assert store.apply([edges], batch_id=f"{sys.argv[2]} {number}", actor=sys.argv[2]).changed
"""


OPENING = """
import sys
from pathlib import Path
from graph.sqlite import open_sqlite

for number in range(int(sys.argv[2])):
    sys.stdin.readline()
    open_sqlite(f"sqlite:{sys.argv[1]}/graph{number}.db", timeout_s=60).close()
    print(number, flush=True)
"""


def test_processes_that_make_the_same_file_at_once_all_open_it(tmp_path: Path) -> None:
    rounds = 100
    with ExitStack() as stack:
        processes = [
            stack.enter_context(
                subprocess.Popen(
                    [sys.executable, "-c", OPENING, str(tmp_path), str(rounds)],
                    cwd=ROOT,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    text=True,
                )
            )
            for _ in range(3)
        ]
        for number in range(rounds):
            for process in processes:
                assert process.stdin is not None
                process.stdin.write("\n")
                process.stdin.flush()
            for process in processes:
                assert process.stdout is not None
                assert process.stdout.readline() == f"{number}\n"
    assert [process.returncode for process in processes] == [0, 0, 0]


def test_two_processes_write_to_one_file(tmp_path: Path) -> None:
    url = f"sqlite:{tmp_path}/graph.db"
    processes = [subprocess.Popen([sys.executable, "-c", PROCESS, url, name], cwd=ROOT) for name in ("one", "two")]
    assert [process.wait() for process in processes] == [0, 0]
    with open_sqlite(url) as store:
        assert store.stats().edges[PURCHASED] == 2 * 40 * 2
        changes = list(store.changes_since("0"))
        assert len({change.watermark for change in changes}) == len(changes) == 2 * 40 * 2 + 3 + 40 + 80
        by_actor = {change.batch_id.split()[0] == change.actor for change in changes}
        assert by_actor == {True}


def test_a_write_trusts_what_the_one_before_knew_only_when_nobody_wrote_between(tmp_path: Path) -> None:
    def bought(store: SqliteStore, user: str, item: str) -> tuple[str | None, str]:
        applied = store.apply([UpsertEdges(PURCHASED, [user], [item])], batch_id="b", actor="t")
        return applied.since, applied.watermark

    with made(tmp_path / "graph.db") as one, made(tmp_path / "graph.db") as other:
        one.apply([UpsertNodes("User", ["u"]), UpsertNodes("Item", ["i", "j"])], batch_id="a", actor="t")
        first = bought(one, "u", "i")
        assert first == ("3", "4")
        assert bought(one, "u", "i") == ("4", "4"), "nothing changed, so nothing is between"
        assert bought(one, "u", "j") == ("4", "5")
        other.apply([DeleteNodes("Item", ["j"]), UpsertNodes("User", ["v"])], batch_id="a", actor="t")
        with pytest.raises(NotFound):
            bought(one, "u", "j")
        since = other.watermark()
        assert bought(one, "v", "i") == (since, str(int(since) + 1))
        assert {change.batch_id for change in one.changes_since("0")} == {"a", "b"}
        one.apply([DeleteNodes("Item", ["i"])], batch_id="a", actor="t")
        with pytest.raises(NotFound):
            bought(one, "v", "i")
        assert one.watermark() == other.watermark()
