"""The container files: valid and linted here, though no engine builds them here."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from graph.neo4j.server.conf import common_settings, compose_environment
from graph.neo4j.server.lines import DEFAULT_LINE, LINES
from graph.neo4j.wire.address import parsed_address

ROOT = Path(__file__).parents[2]


def compose(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    if shutil.which("docker-compose") is None:
        pytest.skip("docker-compose is not installed; on Debian: apt-get install docker-compose (it needs no engine)")
    return subprocess.run(
        ["docker-compose", "--file", str(ROOT / "docker-compose.yml"), *arguments],
        capture_output=True,
        text=True,
        env={"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/")} | environment,
        timeout=60,
    )


def test_compose_file_is_valid_and_complete() -> None:
    shown = compose("--profile", "train", "config", NEO4J_PASSWORD="not-a-secret")
    assert shown.returncode == 0, shown.stderr
    services = yaml.safe_load(shown.stdout)["services"]
    assert set(services) == {"api", "neo4j", "train"}
    release = ".".join(LINES[DEFAULT_LINE].version.split(".")[:2])
    assert services["neo4j"]["image"] == f"neo4j:{release}-community"
    assert {"api", "neo4j"} == {name for name, service in services.items() if "healthcheck" in service}
    for name, service in services.items():
        assert service["volumes"], name
        for port in service.get("ports", []):
            assert str(port).startswith("127.0.0.1:"), f"{name} listens beyond this machine: {port}"


def test_compose_runs_neo4j_with_the_settings_that_it_has_without_docker() -> None:
    shown = compose("config", NEO4J_PASSWORD="not-a-secret")
    environment = yaml.safe_load(shown.stdout)["services"]["neo4j"]["environment"]
    assert environment.pop("NEO4J_AUTH") == "neo4j/not-a-secret"
    assert environment == compose_environment(common_settings())


def test_compose_keeps_the_graph_in_its_neo4j_unless_told_otherwise() -> None:
    for chosen, store in (({}, "bolt://neo4j:7687/neo4j"), ({"KINDRED_STORE": "sqlite:a.db"}, "sqlite:a.db")):
        shown = compose("--profile", "train", "config", NEO4J_PASSWORD="not-a-secret", **chosen)
        services = yaml.safe_load(shown.stdout)["services"]
        for name in ("api", "train"):
            assert services[name]["environment"]["KINDRED_STORE"] == store
            assert services[name]["environment"]["KINDRED_NEO4J_PASSWORD"] == "not-a-secret"
    address = parsed_address("bolt://neo4j:7687/neo4j", {"KINDRED_NEO4J_PASSWORD": "not-a-secret"})
    assert (address.uri, address.user, address.database) == ("bolt://neo4j:7687", "neo4j", "neo4j")


def test_a_setting_becomes_the_variable_that_the_image_reads() -> None:
    assert compose_environment({"server.memory.heap.max_size": "2g", "dbms.security.auth_enabled": "true"}) == {
        "NEO4J_server_memory_heap_max__size": "2g"
    }


def test_compose_refuses_to_start_neo4j_without_a_password() -> None:
    shown = compose("config")
    assert shown.returncode != 0
    assert "NEO4J_PASSWORD" in shown.stderr


def test_dockerfile_passes_its_linter() -> None:
    linter = Path(sys.executable).with_name("hadolint")
    assert linter.exists(), "hadolint comes with the dev extra: pip install -e '.[dev]'"
    linted = subprocess.run([linter, ROOT / "Dockerfile"], capture_output=True, text=True, timeout=60)
    assert linted.returncode == 0, linted.stdout


def test_dockerfile_copies_every_package() -> None:
    copied = (ROOT / "Dockerfile").read_text()
    for package in ("graph", "gnn", "ingest", "api", "kindred.py"):
        assert package in copied
