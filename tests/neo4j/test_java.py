"""Finding a JDK and Maven, and saying how to get them."""

from __future__ import annotations

from pathlib import Path

import pytest

from graph.errors import MissingExtra, SettingsError
from graph.neo4j.server import assemble, java, line_named
from graph.neo4j.server.lines import LINES


def a_jdk(home: Path, version: str) -> Path:
    """A ``java`` that says what a JDK of the version says."""
    path = home / "bin" / "java"
    path.parent.mkdir(parents=True)
    path.write_text(f"#!/bin/sh\necho 'openjdk version \"{version}\" 2026-01-01' >&2\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def bare_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of JDKs, the only one there is; no Java and no Maven on the path."""
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setattr(java, "USUAL_FOLDERS", (f"{tmp_path}/jvm/*",))
    return tmp_path


def test_the_oldest_jdk_that_is_new_enough_is_taken(bare_machine: Path) -> None:
    a_jdk(bare_machine / "jvm" / "a", "1.8.0_402")
    newest = a_jdk(bare_machine / "jvm" / "b", "25.0.3")
    lts = a_jdk(bare_machine / "jvm" / "c", "21.0.1")
    old = a_jdk(bare_machine / "jvm" / "d", "17.0.15")
    (bare_machine / "jvm" / "e" / "bin").mkdir(parents=True)
    broken = bare_machine / "jvm" / "e" / "bin" / "java"
    broken.write_text("#!/bin/sh\nexit 1\n")
    broken.chmod(0o755)
    assert java.find_java(17) == old
    assert java.find_java(21) == lts
    assert java.find_java(22) == newest


def test_java_home_wins_where_it_is_new_enough(bare_machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lts = a_jdk(bare_machine / "jvm" / "a", "17.0.1")
    chosen = a_jdk(bare_machine / "elsewhere", "21.0.1")
    monkeypatch.setenv("JAVA_HOME", str(bare_machine / "elsewhere"))
    assert java.find_java(17) == chosen
    assert java.find_java(11) == chosen
    monkeypatch.setenv("JAVA_HOME", str(bare_machine / "nowhere"))
    assert java.find_java(17) == lts


def test_without_a_jdk_one_line_says_how_to_get_it(bare_machine: Path) -> None:
    with pytest.raises(MissingExtra, match=r"no java at all.*apt-get install openjdk-17-jre-headless"):
        java.find_java(17)
    a_jdk(bare_machine / "jvm" / "old", "11.0.2")
    with pytest.raises(MissingExtra, match=r"got 11 in .*apt-get install openjdk-21-jre-headless") as caught:
        java.find_java(21)
    assert "\n" not in str(caught.value)


def test_without_maven_one_line_says_how_to_get_it(bare_machine: Path) -> None:
    with pytest.raises(MissingExtra, match="apt-get install maven"):
        assemble(LINES["5"], bare_machine / "cache", print)


def test_jars_that_are_there_need_no_maven(bare_machine: Path) -> None:
    there = bare_machine / "cache" / f"lib-{LINES['5'].version}-unsigned"
    there.mkdir(parents=True)
    assert assemble(LINES["5"], bare_machine / "cache", print) == there


def test_a_line_that_there_is_not_is_one_clear_line() -> None:
    with pytest.raises(SettingsError, match=r"expected one of 5, 2026, got 4"):
        line_named("4")
