"""``kindred neo4j``: a real Neo4j Community server on this machine, without Docker."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from api.command.options import JsonOption, settings_with
from api.command.terminal import output, print_json, say
from graph.neo4j.server.conf import DEFAULT_API
from graph.neo4j.server.lines import DEFAULT_LINE, LINES

if TYPE_CHECKING:
    from graph.neo4j.server import Status

neo4j_group = typer.Typer(no_args_is_help=True, help="A Neo4j server on this machine: start, stop, status, dump, load.")

HomeOption = Annotated[
    Path | None, typer.Option("--home", help="Folder of the server; default KINDRED_NEO4J_HOME, or var/neo4j.")
]


@neo4j_group.command("start")
def neo4j_start(
    home: HomeOption = None,
    line: Annotated[
        str, typer.Option("--line", envvar="NEO4J_LINE", help="Line of releases: " + " or ".join(LINES) + ".")
    ] = DEFAULT_LINE,
    bolt_port: Annotated[
        int | None, typer.Option(min=1, max=65535, envvar="NEO4J_BOLT_PORT", help="Port of Bolt; default 7687.")
    ] = None,
    http_port: Annotated[
        int | None, typer.Option(min=1, max=65535, envvar="NEO4J_HTTP_PORT", help="Port of Browser; default 7474.")
    ] = None,
    api: Annotated[str, typer.Option("--api", help="Where Kindred's API serves the curators' guide.")] = DEFAULT_API,
    heap: Annotated[str | None, typer.Option("--heap", help="Heap, e.g. 1g; default 512m to 2g.")] = None,
    page_cache: Annotated[str | None, typer.Option("--page-cache", help="Page cache, e.g. 1g; default 512m.")] = None,
    upgrade: Annotated[bool, typer.Option("--upgrade", help="Let a newer line take over the data, for good.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Start a Neo4j Community server, fetched at the first start; one that runs is left alone.

    Example: kindred neo4j start --home var/neo4j
    """

    from graph.neo4j.server import ServerOrder, line_named, start

    order = ServerOrder(
        _home(home),
        line_named(line),
        bolt_port=bolt_port,
        http_port=http_port,
        api=api.rstrip("/"),
        heap=heap,
        page_cache=page_cache,
        upgrade=upgrade,
    )
    _show(start(order, say), order.home, as_json=as_json)


@neo4j_group.command("stop")
def neo4j_stop(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Stop the server; what was committed stays.

    Example: kindred neo4j stop
    """

    from graph.neo4j.server import stop

    folder = _home(home)
    ran = stop(folder)
    if as_json:
        print_json({"home": str(folder), "ran": ran})
    else:
        output.print(f"the server in {folder} {'has stopped' if ran else 'was not running'}")


@neo4j_group.command("status")
def neo4j_status(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Say whether the server runs, and where it listens; exit code 1 when it does not run.

    Example: kindred neo4j status
    """

    from graph.neo4j.server import status

    folder = _home(home)
    found = status(folder)
    _show(found, folder, as_json=as_json)
    if found.pid is None:
        raise typer.Exit(1)


@neo4j_group.command("dump")
def neo4j_dump(
    file: Annotated[Path, typer.Argument(help="File to write, e.g. var/backup/monday.dump.")],
    home: HomeOption = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a file that is there.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Back up the graph of a stopped server into one file.

    Example: kindred neo4j dump var/monday.dump
    """

    from graph.neo4j.server import dump

    size = dump(_home(home), file, say, overwrite=overwrite)
    print_json({"file": str(file), "bytes": size}) if as_json else output.print(f"{file}: {size / 1e6:.1f} MB")


@neo4j_group.command("load")
def neo4j_load(
    file: Annotated[Path, typer.Argument(help="A file that `kindred neo4j dump` wrote.")],
    home: HomeOption = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the graph that is there.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Restore the graph of a stopped server from a dump.

    Example: kindred neo4j load var/monday.dump --overwrite
    """

    from graph.neo4j.server import load_dump

    folder = _home(home)
    load_dump(folder, file, say, overwrite=overwrite)
    print_json({"home": str(folder)}) if as_json else output.print(f"{folder} holds the graph of {file}")


def _home(home: Path | None) -> Path:
    return settings_with(neo4j_home=home).neo4j_home


def _show(found: Status, home: Path, *, as_json: bool) -> None:
    connection = found.connection
    if as_json:
        document = asdict(connection) | {"version": found.version, "pid": found.pid, "browser": connection.browser}
        document.pop("password")
        print_json(document)
        return
    if found.pid is None:
        output.print(f"Neo4j {found.version} in {home} is not running; `kindred neo4j start` starts it")
        return
    output.print(f"Neo4j {found.version} Community runs as process {found.pid}")
    output.print(f"  Bolt     {connection.uri}")
    output.print(f"  Browser  {connection.browser}")
    output.print(f"  user     {connection.user}, password in {home / 'connection.json'}")
    output.print(f"  logs     {home / 'logs'}")
