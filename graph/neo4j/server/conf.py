"""The server's configuration: what holds everywhere is in ``settings.conf``, what is this home's is added here."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from urllib.parse import urlsplit

GUIDE = "/curator/guide.html"
DEFAULT_API = "http://127.0.0.1:8000"


def common_settings(api: str = DEFAULT_API) -> dict[str, str]:
    """The settings that hold wherever the server runs; ``api`` is where Browser finds the curators' guide."""
    settings = read_conf((files("graph.neo4j.server") / "settings.conf").read_text())
    return settings | {
        "browser.post_connect_cmd": f"play {api}{GUIDE}",
        "browser.remote_content_hostname_whitelist": urlsplit(api).hostname or api,  # Browser compares the host alone
    }


def home_settings(home: Path, bolt_port: int, http_port: int) -> dict[str, str]:
    """The settings of a server in ``home`` that only this machine can reach."""
    folders = {"data": "data", "logs": "logs", "run": "run", "plugins": "plugins", "import": "import"}
    return {f"server.directories.{name}": str(home / folder) for name, folder in folders.items()} | {
        "server.default_listen_address": "127.0.0.1",
        "server.default_advertised_address": "127.0.0.1",
        "server.bolt.listen_address": f"127.0.0.1:{bolt_port}",
        "server.bolt.advertised_address": f"127.0.0.1:{bolt_port}",
        "server.http.listen_address": f"127.0.0.1:{http_port}",
        "server.http.advertised_address": f"127.0.0.1:{http_port}",
        "server.https.enabled": "false",
    }


def compose_environment(settings: Mapping[str, str]) -> dict[str, str]:
    """The same settings as the variables that the server's Docker image reads."""
    return {
        "NEO4J_" + name.replace("_", "__").replace(".", "_"): value
        for name, value in settings.items()
        if name != "dbms.security.auth_enabled"  # NEO4J_AUTH says it there
    }


def read_conf(text: str) -> dict[str, str]:
    """Names and values of a configuration file."""
    lines = (line.strip() for line in text.splitlines())
    pairs = (line.partition("=") for line in lines if line and not line.startswith("#"))
    return {name.strip(): value.strip() for name, _, value in pairs}


def written_conf(settings: Mapping[str, str]) -> str:
    """The configuration file."""
    head = "# Written by `kindred neo4j start` at every start: edits here are lost.\n"
    return head + "".join(f"{name}={value}\n" for name, value in settings.items())
