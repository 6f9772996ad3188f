"""A public shop in a Neo4j of its own: ingested, trained, published, and kept until its folder is removed."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from graph.neo4j.server import ServerOrder, start, stop
from graph.neo4j.server.backup import dump, load_dump
from graph.neo4j.server.lines import DEFAULT_LINE, LINES
from tests.free_ports import free_port
from tests.neo4j_servers import TestServer

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class RealShop:
    """Where a shop's data is, and what is fitted to it: models that are quick on two cores, one of which embeds."""

    source: str
    folder: str
    """Below ``KINDRED_DATA_DIR``."""
    models: str
    protocol: str


ONLINE_RETAIL = RealShop("online-retail", "online_retail_uci", "popularity,rp3beta,als,text,attributes", "temporal")
BEAUTY = RealShop("s3rec", "amazon_beauty_kg", "popularity,rp3beta,als,text,attributes", "leave-one-out")


def environment(folder: Path) -> dict[str, str]:
    """The settings of the shop in the folder, over those of the shell that concern Kindred in no way."""
    return {name: value for name, value in os.environ.items() if not name.startswith("KINDRED_")} | {
        "KINDRED_RELEASES": str(folder / "releases"),
        "KINDRED_WORK_DIR": str(folder / "work"),
        "KINDRED_NEO4J_HOME": str(folder / "neo4j"),
        "KINDRED_AUTH": "off",
        "PYTHONPATH": str(ROOT),
    }


def open_real_shop(shop: RealShop, folder: Path) -> TestServer:
    """Its running server; what a run before this one has done is not done again."""
    folder.mkdir(parents=True, exist_ok=True)
    server = _started(folder)
    data = Path(os.environ["KINDRED_DATA_DIR"]) / shop.folder
    for name, *arguments in (
        ("ingested", "ingest", shop.source, "--data-dir", str(data), "--bulk"),
        ("trained", "train", "--no-tune", "--models", shop.models, "--protocol", shop.protocol),
        ("published", "release", "publish", "--similar-to", "10"),
    ):
        if not (folder / name).exists():
            print(kindred(folder, server, *arguments))
            (folder / name).touch()
    return server


def put_back(folder: Path) -> TestServer:
    """The running server of a shop as it was when this was first called, whatever was edited since."""
    home, kept = folder / "neo4j", folder / "published.dump"
    stop(home)
    if kept.exists():
        load_dump(home, kept, print, overwrite=True)
    else:
        dump(home, kept, print)
    return _started(folder)


def _started(folder: Path) -> TestServer:
    """The server of the folder; it runs."""
    home = folder / "neo4j"
    ports = (None, None) if (home / "connection.json").exists() else (free_port(), free_port())
    found = start(ServerOrder(home, LINES[DEFAULT_LINE], *ports, heap="1g", page_cache="256m"), say=print)
    return TestServer(home, DEFAULT_LINE, found.version, found.connection)


def kindred(folder: Path, server: TestServer, *arguments: str, code: int = 0) -> str:
    """What ``kindred ARGUMENTS`` prints for the shop in the folder."""
    print("$ kindred", *arguments, flush=True)
    settings = environment(folder) | {"KINDRED_STORE": patient(server), "COLUMNS": "160"}
    command = [sys.executable, str(ROOT / "kindred.py"), *arguments]
    done = subprocess.run(command, cwd=folder, env=settings, capture_output=True, text=True)
    if done.returncode != code:
        sys.exit(f"kindred {' '.join(arguments)} left with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout


def patient(server: TestServer) -> str:
    """The store's URL, with patience for a million edges beside whatever else the machine has to do."""
    return f"{server.store_url}?timeout_s=900"
