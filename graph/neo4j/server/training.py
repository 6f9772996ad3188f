"""What a JVM is run through once so that its archive of classes holds what later runs need."""

from __future__ import annotations

import secrets
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from graph.neo4j.server.archive import is_archived, make_archive
from graph.neo4j.server.conf import common_settings, home_settings, written_conf
from graph.neo4j.server.connection import DATABASE, Connection
from graph.neo4j.server.lines import Line
from graph.neo4j.server.login import enter, log_in
from graph.neo4j.server.process import admin_command, end, launch, prepare, remember, running_pid, server_command
from graph.ports import free_ports

LIMIT_S = 180.0
_STATEMENTS = (
    "CREATE CONSTRAINT FOR (n:A) REQUIRE n.id IS UNIQUE",
    "CREATE RANGE INDEX FOR ()-[r:R]-() ON (r._seq)",
    "CREATE FULLTEXT INDEX texts FOR (n:A) ON EACH [n.title]",
    "CALL db.awaitIndexes(60)",
    "UNWIND range(1, 50) AS i CREATE (:A {id: toString(i), title: 'word ' + i, price: i / 2.0, _seq: i})",
    "UNWIND range(1, 49) AS i MATCH (s:A {id: toString(i)}) MATCH (t:A {id: toString(i + 1)})"
    " CREATE (s)-[:R {_seq: i}]->(t) RETURN count(*)",
    "UNWIND range(1, 9) AS i MERGE (s:A {id: toString(i)}) ON CREATE SET s._seq = i ON MATCH SET s._seq = -i",
    "MATCH (s:A)-[r:R]->(t:A) WHERE r._seq > 3 RETURN s.id, collect([t.id, r._seq, elementId(r)]) ORDER BY s.id",
    "CALL db.index.fulltext.queryNodes('texts', 'word') YIELD node, score RETURN node.id, score",
    "SHOW INDEXES YIELD name, state",
    "MATCH (n) CALL (n) { DETACH DELETE n } IN TRANSACTIONS OF 10 ROWS",
)
_NODES = ":ID,id,_seq:long,price:double,tags:string[]\n" + "".join(f"{n},n{n},{n},{n / 2},a\x1fb\n" for n in range(9))
_EDGES = ":START_ID,:END_ID,timestamp_ms:long,_seq:long\n" + "".join(f"{at},{at + 1},17{at},{at}\n" for at in range(8))


def make_archives(line: Line, java: Path, jars: Path, say: Callable[[str], None]) -> None:
    """Nothing; later starts of the server and of its tool take less time, where this JVM can be helped."""
    if is_archived(java, jars, "server") and is_archived(java, jars, "tool"):
        return
    say(f"preparing Neo4j {line.version} for this JDK, once (a minute or two on a busy machine)")
    make_archive(java, jars, "server", lambda options: _serve(line, java, jars, options))
    make_archive(java, jars, "tool", lambda options: _import(java, jars, options))


def _serve(line: Line, java: Path, jars: Path, options: Sequence[str]) -> None:
    with TemporaryDirectory(prefix="kindred-neo4j-") as folder:
        home = Path(folder)
        prepare(home)
        bolt, http = free_ports(2)
        connection = Connection(
            f"neo4j://127.0.0.1:{bolt}", "neo4j", secrets.token_urlsafe(24), f"http://127.0.0.1:{http}"
        )
        settings = common_settings() | home_settings(home, bolt, http)
        (home / "conf" / "neo4j.conf").write_text(written_conf(settings))
        command = server_command(java, jars, home, line, settings, options)
        remember(home, launch(command, home / "logs" / "console.log"))
        try:
            log_in(connection, new=True, alive=lambda: running_pid(home) is not None, limit_s=LIMIT_S)
            for statement in _STATEMENTS:
                enter(connection, statement)
        finally:
            end(home)


def _import(java: Path, jars: Path, options: Sequence[str]) -> None:
    with TemporaryDirectory(prefix="kindred-neo4j-") as folder:
        home = Path(folder)
        prepare(home)
        (home / "conf" / "neo4j.conf").touch()
        (home / "nodes.csv").write_text(_NODES)
        (home / "edges.csv").write_text(_EDGES)
        arguments = ["database", "import", "full", DATABASE, f"--report-file={home}/report", "--id-type=actual"]
        arguments += [f"--nodes=A={home}/nodes.csv", f"--relationships=R={home}/edges.csv", "--array-delimiter=U+001F"]
        command, places = admin_command(java, jars, home, arguments, options)
        subprocess.run(command, capture_output=True, env=places, timeout=LIMIT_S)  # noqa: S603
