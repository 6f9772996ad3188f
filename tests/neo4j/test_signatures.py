"""Signed jars are kept without their signatures: what is in them stays, and no JVM has anything to check."""

from __future__ import annotations

from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile

from graph.neo4j.server import LINES, assemble
from graph.neo4j.server.assembly import jar_cache
from graph.neo4j.server.lines import DEFAULT_LINE
from graph.neo4j.server.signatures import without_signatures
from tests.neo4j_servers import TestServer

MANIFEST = "Manifest-Version: 1.0\r\nMulti-Release: true\r\n"
DIGESTS = "\r\nName: a/B.class\r\nSHA-256-Digest: abc=\r\n\r\n"
CLASS = b"\xca\xfe\xba\xbe" * 1000


def a_jar(path: Path, names: list[str]) -> Path:
    with ZipFile(path, "w", ZIP_DEFLATED) as jar:
        jar.writestr("META-INF/MANIFEST.MF", MANIFEST + DIGESTS)
        for name in names:
            jar.writestr(name, CLASS)
    return path


def content(path: Path) -> dict[str, bytes]:
    with ZipFile(path) as jar:
        assert jar.testzip() is None
        return {name: jar.read(name) for name in jar.namelist()}


def test_the_signature_goes_and_all_else_stays(tmp_path: Path) -> None:
    kept = ["a/B.class", "META-INF/versions/11/a/B.class", "META-INF/services/a.RSA", "META-INF/LICENSE.txt"]
    signed = a_jar(tmp_path / "signed.jar", [*kept, "META-INF/SOME.SF", "META-INF/SOME.RSA", "META-INF/other.ec"])
    assert without_signatures(tmp_path) == ["signed.jar"]
    assert content(signed) == dict.fromkeys(kept, CLASS) | {
        "META-INF/MANIFEST.MF": b"Manifest-Version: 1.0\nMulti-Release: true\n\n"
    }
    assert signed.stat().st_size < 2 * len(CLASS)  # still packed
    assert without_signatures(tmp_path) == []
    assert list(tmp_path.iterdir()) == [signed]


def test_a_jar_without_one_is_not_touched(tmp_path: Path) -> None:
    plain = a_jar(tmp_path / "plain.jar", ["a/B.class"])
    before = plain.read_bytes(), plain.stat().st_mtime_ns
    assert without_signatures(tmp_path) == []
    assert (plain.read_bytes(), plain.stat().st_mtime_ns) == before


def test_none_of_the_servers_jars_is_signed(neo4j_server: TestServer) -> None:
    assert neo4j_server  # its start has fetched them
    jars = assemble(LINES[DEFAULT_LINE], jar_cache(), print)
    assert len(list(jars.glob("*.jar"))) > 100
    for jar in jars.glob("*.jar"):
        with ZipFile(jar) as opened:
            assert not [name for name in opened.namelist() if name.startswith("META-INF/") and name.endswith(".SF")]
