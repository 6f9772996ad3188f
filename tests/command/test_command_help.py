"""Every command explains itself with an example that it would accept."""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import typer

import kindred
from gnn.splits.protocols import PROTOCOLS
from tests.command.small_shop import kindred_in


def _commands(app: typer.Typer, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    found = []
    for command in app.registered_commands:
        assert command.callback is not None
        found.append((*path, command.name or command.callback.__name__.replace("_", "-")))
    for group in app.registered_groups:
        assert group.typer_instance is not None
        assert group.name is not None
        found += _commands(group.typer_instance, (*path, group.name))
    return found


COMMANDS = _commands(kindred.app)


def test_the_commands_are_those_of_the_design() -> None:
    wanted = ["ingest", "train", "evaluate", "serve", "doctor"]
    groups = [("release", name) for name in ("list", "activate", "rollback")]
    groups += [("graph", name) for name in ("stats", "export", "copy")]
    groups += [("neo4j", name) for name in ("start", "stop", "status")]
    assert {(name,) for name in wanted} | set(groups) <= set(COMMANDS)


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_help_shows_an_example_of_that_very_command(tmp_path: Path, command: tuple[str, ...]) -> None:
    ran = kindred_in(tmp_path, *command, "--help")
    assert ran.code == 0
    shown = " ".join(ran.out.split())
    _, found, example = shown.partition("Example: ")
    assert found, shown
    assert example.startswith("kindred " + " ".join(command))
    options = [word.partition("=")[0] for word in shlex.split(example.partition("╭")[0]) if word.startswith("--")]
    assert all(option in shown.partition("╭")[2] or option == "--help" for option in options)


def test_help_names_every_protocol(tmp_path: Path) -> None:
    shown = " ".join(kindred_in(tmp_path, "train", "--help", COLUMNS="300").out.split())
    assert f"One of {', '.join(PROTOCOLS)}. Default" in shown


WITHOUT_JSON = {("serve",), ("demo",), ("tables",), ("mapping-schema",), ("mcp",)}
"""They serve, write files, or print JSON in any case."""


@pytest.mark.parametrize("command", sorted({*COMMANDS} - WITHOUT_JSON), ids=" ".join)
def test_results_are_for_machines_too(tmp_path: Path, command: tuple[str, ...]) -> None:
    assert "--json" in kindred_in(tmp_path, *command, "--help").out


def test_help_loads_nothing_that_a_command_works_with() -> None:
    heavy = ("scipy", "fastapi", "neo4j", "torch", "pyarrow")
    told = subprocess.run(
        [sys.executable, "-c", f"import kindred, sys; print([name for name in {heavy} if name in sys.modules])"],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(kindred.__file__).parent,
    )
    assert told.stdout.strip() == "[]"
