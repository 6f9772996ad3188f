"""The front door: the ``kindred`` command, one function a command, one file in ``api/command/groups`` a group.

A command imports what it works with itself, so that help starts in half a second, and small commands in one, not three.
"""

from __future__ import annotations

import json
import sys
import traceback
from typing import Annotated, NoReturn

import typer
from rich.markup import escape

from api.command.groups.encode import encode
from api.command.groups.graph import graph_group
from api.command.groups.keys import keys_group
from api.command.groups.lab import evaluate, tables, train
from api.command.groups.measure import measure_group
from api.command.groups.neo4j import neo4j_group
from api.command.groups.release import release_group
from api.command.groups.report import report
from api.command.options import DataDirOption, JsonOption, StoreOption, settings_with
from api.command.terminal import (
    output,
    print_json,
    print_plan,
    print_report,
    print_rows,
    progress_console,
    say,
)
from graph.errors import (
    InputError,
    KindredError,
    MissingExtra,
    NotFound,
    ReleaseError,
    SchemaError,
    SettingsError,
    StoreError,
)

EXIT_CODES: tuple[tuple[type[KindredError], int], ...] = (
    (InputError, 3),
    (NotFound, 4),
    (StoreError, 5),
    (SchemaError, 5),
    (ReleaseError, 6),
    (SettingsError, 7),
    (MissingExtra, 8),
    (KindredError, 1),
)

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Knowledge-graph recommendations that show their path. An error is one line and its remedy; --debug adds "
    "the traceback.\n\nExit codes: 0 done, 1 other error, 2 wrong usage, 3 bad input, 4 not found, 5 graph store, "
    "6 release, 7 settings, 8 missing extra.",
)


def ingest(
    mapping: Annotated[str, typer.Argument(help="A source's name (see `kindred sources`) or a mapping file.")],
    store: StoreOption = None,
    data_dir: DataDirOption = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be created; write nothing.")] = False,
    max_bad: Annotated[float, typer.Option("--max-bad", help="Share of bad rows that stops the ingest.")] = 0.05,
    bulk: Annotated[
        bool, typer.Option("--bulk", help="First load of an empty Neo4j by its own import tool, while it is stopped.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Read a shop's files into the graph.

    Example: kindred ingest online-retail --data-dir data/
    """

    from api.command.workshop import ingest_in_bulk, ingest_into, mapping_named, opened
    from ingest.planning import plan

    settings = settings_with(store=store, data_dir=data_dir)
    prepared = mapping_named(mapping, settings)
    if dry_run:
        shown = plan(prepared)
        print_json(json.loads(shown.to_json())) if as_json else print_plan(shown)
        return
    if bulk:
        report, command = ingest_in_bulk(prepared, settings, max_bad=max_bad)
        if command is not None:
            say(f"The files are written. Where the server is, stopped and with them at hand:\n{command}")
    else:
        with opened(settings) as graph:
            report = ingest_into(prepared, graph, settings, max_bad=max_bad)
    print_json(json.loads(report.to_json())) if as_json else print_report(report)


def sources(as_json: JsonOption = False) -> None:
    """List the data sources that come with Kindred.

    Example: kindred sources
    """

    from ingest.sources import SOURCES

    rows = [(name, source.title) for name, source in SOURCES.items()]
    print_json([{"name": name, "title": title} for name, title in rows]) if as_json else print_rows(
        ("source", "what it is"), rows
    )


def print_mapping_schema() -> None:
    """Print the JSON Schema of mapping files, for editors.

    Example: kindred mapping-schema > mapping.schema.json
    """

    from ingest.mapping import mapping_schema

    print_json(mapping_schema())


def demo(
    port: Annotated[int | None, typer.Option(help="Port to serve on.")] = None,
    serve: Annotated[bool, typer.Option("--serve/--no-serve", help="Serve after printing.")] = True,
) -> None:
    """Ingest real MovieLens, train, evaluate, release, ask, serve.

    Example: kindred demo --no-serve
    """

    from api.command.demo import run_demo
    from api.server import check_address
    from api.server import serve as serve_http

    settings = settings_with(port=port, auth="off")  # a demo on this machine asks nobody for a key
    if serve:
        check_address(settings.host, settings.port)
    run_demo(settings)
    if serve:
        root = f"http://{settings.host}:{settings.port}"
        output.print(f"\nserving on {root}\n  {root}/\n  {root}/docs")
        output.print(f"  {root}/v1/users/1/recommendations?include=reasons,properties\nControl+C stops.")
        serve_http(settings)


def serve(
    store: StoreOption = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on.")] = None,
) -> None:
    """Answer over HTTP from the current release.

    Example: kindred serve --port 8080
    """

    from api.server import serve as serve_http

    serve_http(settings_with(store=store, host=host, port=port))


def mcp(
    url: Annotated[str, typer.Option("--url", help="Address of the API.")] = "http://127.0.0.1:8000",
    api_key: Annotated[
        str | None, typer.Option("--api-key", envvar="KINDRED_API_KEY", help="Key to ask with.", show_envvar=True)
    ] = None,
    edit: Annotated[bool, typer.Option("--edit", help="Also offer the tools that change things.")] = False,
) -> None:
    """Offer the API to an assistant over MCP, on standard input and output; it may do what the key may.

    Example: kindred mcp --url http://127.0.0.1:8000
    """

    from api.client import AsyncKindred
    from api.mcp import run_stdio

    run_stdio(AsyncKindred(url, api_key=api_key), edit=edit)


def doctor(store: StoreOption = None, as_json: JsonOption = False) -> None:
    """Check packages, the graph store and the current release; each problem with its remedy.

    Example: kindred doctor
    """

    from api.command.health import checks

    found = list(checks(settings_with(store=store)))
    if as_json:
        print_json([{"check": check.name, "ok": check.ok, "says": check.says} for check in found])
    else:
        print_rows(("", "check", ""), [("ok" if check.ok else "PROBLEM", check.name, check.says) for check in found])
    if not all(check.ok for check in found):
        raise typer.Exit(1)


for command in (ingest, sources, encode, train, evaluate, tables, demo, serve, mcp, report, doctor):
    app.command()(command)
app.command("mapping-schema")(print_mapping_schema)
app.add_typer(release_group, name="release")
app.add_typer(graph_group, name="graph")
app.add_typer(keys_group, name="keys")
app.add_typer(neo4j_group, name="neo4j")
app.add_typer(measure_group, name="measure")


def main() -> NoReturn:
    """Run the command and leave with its exit code."""
    arguments = [argument for argument in sys.argv[1:] if argument != "--debug"]
    debug = len(arguments) < len(sys.argv) - 1
    try:
        app(arguments, prog_name="kindred")
    except Exception as error:  # the outermost place: whatever went wrong becomes one line and an exit code
        if debug:
            traceback.print_exc()
        line = str(error) if isinstance(error, KindredError) else unforeseen(error)
        progress_console.print(f"[red]error:[/] {escape(line)}", soft_wrap=True)
        sys.exit(next((code for kind, code in EXIT_CODES if isinstance(error, kind)), 1))
    sys.exit(0)


def unforeseen(error: Exception) -> str:
    """One line for an error that is not Kindred's own: a full disk, a folder without permission, a bug."""
    what = " ".join(str(error).split()) or "no message"
    return what if isinstance(error, OSError) else f"{type(error).__name__}: {what}. --debug shows where."


if __name__ == "__main__":
    main()
