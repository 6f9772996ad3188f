"""Errors of the command: one line, its remedy, the documented exit code; a traceback only with ``--debug``."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import kindred
from graph.errors import KindredError
from tests.command.conftest import Trained
from tests.command.small_shop import MAPPING, MODELS, kindred_in

ROOT = Path(__file__).parents[2]


@pytest.fixture
def taken_port() -> Iterator[int]:
    """A port on which somebody listens."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        yield listening.getsockname()[1]


@pytest.mark.parametrize(
    ("mapping", "says"),
    [
        ("graph: [", "shop.yaml"),
        (MAPPING.replace("role: user", "role: emperor"), "emperor"),
        (MAPPING.replace("source: user", "source: customer"), "customer"),
        (MAPPING.replace("files: sales.csv", "files: sales.csv\n    surprise: 1"), "surprise"),
    ],
)
def test_a_bad_mapping_is_bad_input(files: Path, mapping: str, says: str) -> None:
    (files / "shop.yaml").write_text(mapping)
    ran = kindred_in(files, "ingest", "shop.yaml")
    assert ran.code == 3
    assert says in ran.error


def test_too_many_bad_rows_stop_the_ingest_before_anything_is_written(files: Path) -> None:
    ran = kindred_in(files, "ingest", "shop.yaml", "--max-bad", "0.001")
    assert ran.code == 3
    assert "quarantine" in ran.error
    assert kindred_in(files, "graph", "stats").code == 5


@pytest.mark.parametrize(
    "arguments",
    [
        ("train", "--models", "popularity,oracle"),
        ("evaluate", "--models", "oracle"),
        ("evaluate", "--protocol", "wishful", "--models", MODELS, "--text", "none"),
        ("train", "--test-from", "next week"),
        ("train", "--models", "popularity", "--protocol", "fixed-files", "--text", "none"),
        ("evaluate", "--models", "popularity", "--output", "no/such/folder/result.json"),
        ("tables", "--only", "wishes"),
    ],
)
def test_what_cannot_be_asked_is_bad_input(trained: Trained, arguments: tuple[str, ...]) -> None:
    ran = kindred_in(trained.folder, *arguments)
    assert ran.code == 3
    assert ran.error.endswith(".") or "kindred" in ran.error


@pytest.mark.parametrize(
    ("arguments", "remedy"),
    [
        (("ingest", "nowhere.yaml"), "docs/mapping.md"),
        (("ingest", "online-retail"), "--data-dir"),
        (("release", "activate", "20261122T051200Z-0123456789abcdef"), "release list"),
        (("release", "rollback"), "release list"),
    ],
)
def test_what_is_not_there_says_what_to_do(tmp_path: Path, arguments: tuple[str, ...], remedy: str) -> None:
    ran = kindred_in(tmp_path, *arguments)
    assert ran.code == 4
    assert remedy in ran.error


def test_an_empty_graph_says_to_ingest_first(tmp_path: Path) -> None:
    for arguments in (("graph", "stats"), ("graph", "export", "out"), ("train", "--text", "none")):
        ran = kindred_in(tmp_path, *arguments)
        assert ran.code == 5
        assert "ingest" in ran.error.lower()


def test_a_broken_store_file_is_a_store_error(tmp_path: Path) -> None:
    (tmp_path / "graph.db").write_bytes(b"this was a database once\n" * 400)
    for arguments in (("graph", "stats"), ("train", "--text", "none")):
        ran = kindred_in(tmp_path, *arguments, "--store", "sqlite:graph.db")
        assert ran.code == 5
        assert "graph.db" in ran.error
    ran = kindred_in(tmp_path, "doctor", "--store", "sqlite:graph.db")
    assert ran.code == 1
    assert "PROBLEM" in ran.out


def test_a_damaged_release_stays_out(trained: Trained, tmp_path: Path) -> None:
    folder = trained.copied(tmp_path)
    damaged = next((folder / "var" / "releases" / trained.first).rglob("out_indices.npy"))
    content = bytearray(damaged.read_bytes())
    content[-1] ^= 1
    damaged.chmod(0o644)
    damaged.write_bytes(content)
    for arguments in (("release", "activate", trained.first), ("release", "rollback")):
        ran = kindred_in(folder, *arguments)
        assert ran.code == 6, arguments
        assert "out_indices.npy" in ran.error
    listed = kindred_in(folder, "release", "list", "--json").json
    assert next(row["id"] for row in listed if row["current"]) == trained.second


@pytest.mark.parametrize(
    ("arguments", "environment", "says"),
    [
        (("doctor",), {"KINDRED_PORT": "many"}, "KINDRED_PORT"),
        (("serve", "--host", "0.0.0.0"), {"KINDRED_AUTH": "off"}, "kindred keys create"),
        (("graph", "stats", "--store", "carrier-pigeon:loft"), {}, "carrier-pigeon"),
    ],
)
def test_a_setting_that_cannot_be_used_is_named(
    tmp_path: Path, arguments: tuple[str, ...], environment: dict[str, str], says: str
) -> None:
    ran = kindred_in(tmp_path, *arguments, **environment)
    assert ran.code == 7
    assert says in ran.error


def test_a_settings_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "kindred.toml").write_text("port = = 8000")
    ran = kindred_in(tmp_path, "doctor")
    assert ran.code == 7
    assert "kindred.toml" in ran.error


@pytest.mark.parametrize("command", ["serve", "demo"])
def test_a_taken_port_is_one_clear_line_before_any_work(tmp_path: Path, command: str, taken_port: int) -> None:
    ran = kindred_in(tmp_path, command, "--port", str(taken_port))
    assert ran.code == 7
    assert f"port {taken_port} is taken" in ran.error
    assert not (tmp_path / "var").exists()


@pytest.mark.parametrize(
    "arguments",
    [("--nope",), ("ingest", "--nope"), ("ingest",), ("train", "--seed", "many"), ("release",), ("frobnicate",)],
)
def test_wrong_usage_is_told_apart_from_errors(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    ran = kindred_in(tmp_path, *arguments)
    assert ran.code == 2
    assert "Traceback" not in ran.err
    assert "Usage: kindred" in ran.out + ran.err


@pytest.mark.parametrize("arguments", [("--debug", "ingest", "nowhere.yaml"), ("ingest", "nowhere.yaml", "--debug")])
def test_debug_adds_the_traceback_and_changes_nothing_else(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    ran = kindred_in(tmp_path, *arguments)
    assert ran.code == 4
    assert "Traceback (most recent call last)" in ran.err
    assert ran.err.splitlines()[-1] == kindred_in(tmp_path, "ingest", "nowhere.yaml").error


def test_an_unforeseen_error_is_one_line_too(tmp_path: Path) -> None:
    (tmp_path / "var").write_text("a file where a folder should be")
    ran = kindred_in(tmp_path, "train", "--text", "none")
    assert ran.code in (1, 5)
    assert "var" in ran.error


def test_the_help_names_every_exit_code(tmp_path: Path) -> None:
    shown = re.search(r"Exit codes: (.*?)\.", " ".join(kindred_in(tmp_path, "--help").out.split()))
    assert shown is not None
    documented = {int(number) for number in re.findall(r"\d+", shown[1])}
    assert documented == {0, 2} | {code for _, code in kindred.EXIT_CODES}


def test_every_error_kindred_raises_has_an_exit_code() -> None:
    def below(kind: type[KindredError]) -> Iterator[type[KindredError]]:
        yield kind
        for child in kind.__subclasses__():
            yield from below(child)

    for kind in below(KindredError):
        assert any(issubclass(kind, known) for known, _ in kindred.EXIT_CODES)


def test_the_command_is_the_same_from_a_shell(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "kindred", "ingest", "nowhere.yaml"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    ran = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120)
    assert ran.returncode == 4
    assert ran.stdout == ""
    assert ran.stderr.startswith("error: no such source or mapping file")
    assert ran.stderr.count("\n") == 1
