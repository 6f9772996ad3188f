"""``kindred ingest --bulk``: a first load by the import tool gives what an ingest into SQLite gives."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from graph.snapshot import build_snapshot
from graph.store import open_store
from tests.command.small_shop import SALES, kindred_in, write_shop
from tests.free_ports import free_port
from tests.neo4j_servers import TestServers

ELSEWHERE = {"KINDRED_STORE": "neo4j://neo4j:secret-word@elsewhere:7687/shop"}


def digest(url: str, folder: Path) -> str:
    with open_store(url) as store, build_snapshot(store, folder) as snapshot:
        return snapshot.digest


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_bulk_ingest_makes_the_snapshot_of_an_ingest_into_sqlite(neo4j_servers: TestServers, tmp_path: Path) -> None:
    assert neo4j_servers.of("5")  # skips, loudly, where no server can be had
    folder, port = write_shop(tmp_path), free_port()
    server = {"KINDRED_NEO4J_HOME": "home", "KINDRED_STORE": f"neo4j://127.0.0.1:{port}/neo4j?timeout_s=60"}
    ports = ["--bolt-port", str(port), "--http-port", str(free_port())]
    try:
        ran = kindred_in(folder, "neo4j", "start", *ports, "--heap", "512m", "--page-cache", "64m", **server)
        assert ran.code == 0, ran.err
        loaded = kindred_in(folder, "ingest", "shop.yaml", "--bulk", "--json", **server)
        assert loaded.code == 0, loaded.err
        assert loaded.json["edges"] == {"User-PURCHASED->Item": SALES, "Item-HAS_BRAND->Brand": 30}
        assert "server.memory.heap.max_size=512m" in (folder / "home" / "conf" / "neo4j.conf").read_text()
        twice = kindred_in(folder, "ingest", "shop.yaml", "--bulk", **server)
        assert "holds a graph" in twice.error
        again = kindred_in(folder, "ingest", "shop.yaml", "--json", **server)
        assert again.json["changed"] == 0
        embedded = kindred_in(folder, "ingest", "shop.yaml", "--store", f"sqlite:{folder}/twin.db")
        assert embedded.code == 0, embedded.err
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("KINDRED_NEO4J_HOME", str(folder / "home"))
            stores = (server["KINDRED_STORE"], f"sqlite:{folder}/twin.db")
            ours, expected = (digest(url, folder / str(at)) for at, url in enumerate(stores))
            assert ours == expected
    finally:
        kindred_in(folder, "neo4j", "stop", **server)


def test_for_a_server_elsewhere_it_leaves_the_files_and_says_what_to_run(tmp_path: Path) -> None:
    folder = write_shop(tmp_path)
    ran = kindred_in(folder, "ingest", "shop.yaml", "--bulk", **ELSEWHERE)
    assert ran.code == 0, ran.err
    said = ran.out + ran.err
    assert "secret-word" not in said
    (command,) = (line for line in said.splitlines() if line.startswith("neo4j-admin "))
    words = shlex.split(command)
    assert words[1:5] == ["database", "import", "full", "shop"]
    files = [Path(word.rpartition("=")[2]) for word in words if word.startswith(("--nodes=", "--relationships="))]
    for name in ("User", "Item", "Brand", "User-PURCHASED-Item", "Item-HAS_BRAND-Brand", "KindredMeta"):
        assert f"{name}.csv" in [file.name for file in files]
    assert all((folder / file).is_file() for file in files)
    sales = next(file for file in files if file.name == "User-PURCHASED-Item.csv")
    assert len((folder / sales).read_text().splitlines()) == SALES + 1
