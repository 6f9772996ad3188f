"""The front door: the ``kindred`` command, one function a command, one file in ``api/command/groups`` a group.

A command imports what it works with itself, so that help starts in half a second, and small commands in one, not three.
"""

from __future__ import annotations

import json
import sys
import traceback
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer
from rich.markup import escape

from api.command.groups.encode import RayOption, WorkersOption, encode
from api.command.groups.graph import graph_group
from api.command.groups.keys import keys_group
from api.command.groups.measure import measure_group
from api.command.groups.neo4j import neo4j_group
from api.command.groups.release import release_group
from api.command.groups.report import report
from api.command.options import DataDirOption, JsonOption, StoreOption, settings_with
from api.command.quality_tables import BUDGET_S
from api.command.terminal import (
    Telling,
    output,
    print_controls,
    print_experiment,
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

if TYPE_CHECKING:
    from api.command.recipe import Order

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
app.add_typer(release_group, name="release")
app.add_typer(graph_group, name="graph")
app.command()(report)
app.command()(encode)
app.add_typer(keys_group, name="keys")
app.add_typer(neo4j_group, name="neo4j")
app.add_typer(measure_group, name="measure")

ModelsOption = Annotated[
    str | None, typer.Option("--models", help="Models to fit, by comma, or all. Default: see docs/models.md.")
]
ProtocolOption = Annotated[
    str | None,
    typer.Option(
        "--protocol",
        help="One of temporal, leave-one-out, leave-one-out-deployed, random-80-20, fixed-files, lightgcn, "
        "next-basket, cold. Default: what suits the data.",
    ),
]
TestFromOption = Annotated[str | None, typer.Option("--test-from", help="Date the test part starts (temporal).")]
TextOption = Annotated[str, typer.Option("--text", help="Text encoder: minilm, a name or path, or none.")]
SeedOption = Annotated[int, typer.Option("--seed", help="Seed of everything random.")]
TuneOption = Annotated[bool, typer.Option("--tune/--no-tune", help="Choose options on validation first.")]
ControlsOption = Annotated[
    bool, typer.Option("--controls", help="Also without the graph, text, embeddings, walks: says what the graph adds.")
]
TrialsOption = Annotated[
    int | None, typer.Option("--trials", min=1, help="Search options of every model with so many trials (optuna).")
]
RowsFileOption = Annotated[
    Path | None, typer.Option("--output", help="Also write the table's rows to this file, as JSON.")
]
BudgetOption = Annotated[
    float,
    typer.Option("--budget", min=0, help="Seconds that each trained model may take, as in the tables; 0: no bound."),
]
DeviceOption = Annotated[str, typer.Option("--device", help="auto, cpu or cuda.")]


@app.command()
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


@app.command()
def sources(as_json: JsonOption = False) -> None:
    """List the data sources that come with Kindred.

    Example: kindred sources
    """

    from ingest.sources import SOURCES

    rows = [(name, source.title) for name, source in SOURCES.items()]
    print_json([{"name": name, "title": title} for name, title in rows]) if as_json else print_rows(
        ("source", "what it is"), rows
    )


@app.command("mapping-schema")
def print_mapping_schema() -> None:
    """Print the JSON Schema of mapping files, for editors.

    Example: kindred mapping-schema > mapping.schema.json
    """

    from ingest.mapping import mapping_schema

    print_json(mapping_schema())


@app.command()
def train(
    store: StoreOption = None,
    protocol: ProtocolOption = None,
    test_from: TestFromOption = None,
    models: ModelsOption = None,
    text: TextOption = "minilm",
    tune: TuneOption = True,
    trials: TrialsOption = None,
    seed: SeedOption = 42,
    device: DeviceOption = "auto",
    ray: RayOption = False,
    workers: WorkersOption = 2,
    as_json: JsonOption = False,
) -> None:
    """Fit models, compare them on validation, release what the gate lets through.

    Example: kindred train --protocol temporal --models rp3beta,ease,text,graphsage
    """

    from api.command.recipe import experiment_on, material_from, publish
    from api.command.workshop import opened, working_folder

    settings = settings_with(store=store)
    tell = Telling()
    order = order_from(protocol, test_from, models, text, tune, trials, seed, device, workers if ray else 0)
    with working_folder(settings) as folder, opened(settings) as graph:
        material = material_from(graph, folder, settings, text, tell, ray_workers=order.ray_workers)
        name, experiment = experiment_on(material, order, settings, tell)
        release = publish(material, experiment, name, settings, tell, ray_workers=order.ray_workers)
    if as_json:
        print_json({"release": release.id, "gate": experiment.verdict.to_document(), "table": experiment.table})
        return
    print_experiment(experiment)
    output.print(f"release {release.id} is current; `kindred serve` answers from it")


@app.command()
def evaluate(
    source: Annotated[str | None, typer.Option("--source", help="Measure this source instead of the store.")] = None,
    store: StoreOption = None,
    data_dir: DataDirOption = None,
    protocol: ProtocolOption = None,
    test_from: TestFromOption = None,
    models: ModelsOption = None,
    text: TextOption = "minilm",
    tune: TuneOption = True,
    trials: TrialsOption = None,
    seed: SeedOption = 42,
    device: DeviceOption = "auto",
    controls: ControlsOption = False,
    budget: BudgetOption = BUDGET_S,
    file: RowsFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Compare models and the fused ranking under one protocol; releases nothing.

    Example: kindred evaluate --source s3rec --data-dir data/amazon_beauty_kg --protocol leave-one-out
    """

    from api.command.datasets import data_named
    from api.command.quality_rows import rows_of
    from api.command.recipe import controls_on, experiment_on, forget_trainings, material_from
    from api.command.workshop import ingest_into, mapping_named, opened, working_folder
    from graph.store import shown_url

    settings = settings_with(store=store, data_dir=data_dir)
    if file is not None and not file.parent.is_dir():
        raise InputError("the result cannot be written", expected="a folder that exists", got=str(file.parent))
    tell = Telling()
    order = replace(order_from(protocol, test_from, models, text, tune, trials, seed, device), budget_s=budget or None)
    data = "store"
    with working_folder(settings) as folder:
        if source is not None:
            settings = settings.model_copy(update={"store": f"sqlite:{folder / 'graph.db'}"})
        with opened(settings) as graph:
            if source is not None:
                mapping = mapping_named(source, settings)
                data = data_named(source, mapping.data_dir)
                ingest_into(mapping, graph, settings)
            material = material_from(graph, folder, settings, text, tell)
        name, experiment = experiment_on(material, order, settings, tell)
        found = controls_on(material, name, experiment, order, settings, tell) if controls else None
    forget_trainings(settings)
    document = {"source": source or shown_url(settings.store), "protocol": name} | experiment.to_document()
    if found is not None:
        document["controls"] = found
    rows = rows_of(experiment, data=data, protocol=name, command=" ".join(sys.argv), controls=found)
    document["rows"] = rows
    if file is not None:
        file.write_text(json.dumps(rows, indent=1) + "\n")
    if as_json:
        print_json(document)
        return
    print_experiment(experiment)
    if found is not None:
        print_controls(found)


@app.command()
def tables(
    data_dir: DataDirOption = None,
    only: Annotated[str | None, typer.Option("--only", help="Tables to measure, by comma. Default: all.")] = None,
    seeds: Annotated[int, typer.Option("--seeds", help="How many seeds of every table.")] = 1,
    fresh: Annotated[bool, typer.Option("--fresh", help="Measure again what is already measured.")] = False,
    jobs: Annotated[int, typer.Option("--jobs", min=1, help="Data sets side by side, up to 5 GB each.")] = 1,
    controls: Annotated[bool, typer.Option(help="Measure what each part adds, after the figures.")] = True,
) -> None:
    """Measure the quality tables and write docs/quality.md and docs/quality.json.

    Example: kindred tables --data-dir data/ --only movielens-100k
    """
    from api.command.tables import run_tables

    run_tables(settings_with(data_dir=data_dir), only=only, seeds=seeds, fresh=fresh, jobs=jobs, controls=controls)


@app.command()
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


@app.command()
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


@app.command()
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


@app.command()
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


def order_from(
    protocol: str | None,
    test_from: str | None,
    models: str | None,
    text: str,
    tune: bool,
    trials: int | None,
    seed: int,
    device: str,
    ray_workers: int = 0,
) -> Order:
    """What the options ask for; :class:`InputError`, before any work, for what cannot be."""

    from api.command.recipe import Order, models_named
    from api.command.workshop import epoch_seconds
    from gnn.protocols import Cuts, protocol_named
    from graph.ray import check_ray

    if protocol is not None:
        protocol_named(protocol)
    if ray_workers:
        check_ray()
    cuts = Cuts(seed, test_from=None if test_from is None else epoch_seconds(test_from))
    return Order(protocol, cuts, models_named(models), text, device, tune, trials, ray_workers=ray_workers)


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
