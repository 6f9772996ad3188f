"""``kindred train``, ``evaluate`` and ``tables``: models fitted, compared under a protocol, released if good."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from api.command.groups.encode import RayOption, WorkersOption
from api.command.options import DataDirOption, JsonOption, StoreOption, settings_with
from api.command.quality_tables import BUDGET_S
from api.command.terminal import Telling, output, print_controls, print_experiment, print_json
from graph.errors import InputError

if TYPE_CHECKING:
    from api.command.recipe import Order

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
    from api.command.workshop import ingest_apart, opened, working_folder
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
                data = data_named(source, ingest_apart(source, graph, settings).data_dir)
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
    from gnn.splits.protocols import Cuts, protocol_named
    from graph.ray import check_ray

    if protocol is not None:
        protocol_named(protocol)
    if ray_workers:
        check_ray()
    cuts = Cuts(seed, test_from=None if test_from is None else epoch_seconds(test_from))
    return Order(protocol, cuts, models_named(models), text, device, tune, trials, ray_workers=ray_workers)
