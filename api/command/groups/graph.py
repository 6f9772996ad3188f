"""``kindred graph``: stats, export, check."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from api.command.export import export_parquet
from api.command.options import JsonOption, StoreOption, settings_with
from api.command.terminal import output, print_json, print_rows, print_stats
from api.command.workshop import opened
from graph.digest import graph_hash
from graph.problems import problems_of

graph_group = typer.Typer(no_args_is_help=True, help="The graph: stats, export, check.")


@graph_group.command("stats")
def graph_stats(store: StoreOption = None, as_json: JsonOption = False) -> None:
    """Count nodes and edges by type.

    Example: kindred graph stats
    """
    with opened(settings_with(store=store)) as graph:
        stats, digest = graph.stats(), graph_hash(graph)
    if not as_json:
        print_stats(stats, digest)
        return
    edges = {"-".join(edge_type): count for edge_type, count in stats.edges.items()}
    size = {"size_bytes": stats.size_bytes, "watermark": stats.watermark, "hash": digest}
    print_json({"nodes": dict(stats.nodes), "edges": edges} | size)


@graph_group.command("export")
def graph_export(
    folder: Annotated[Path, typer.Argument(help="Folder for one Parquet file per node and edge type.")],
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Export the graph as Parquet files.

    Example: kindred graph export var/export
    """
    with opened(settings_with(store=store)) as graph:
        written = export_parquet(graph, folder)
    if as_json:
        print_json([{"file": str(path), "rows": rows} for path, rows in written])
    else:
        print_rows(("file", "rows"), [(str(path), f"{rows:,}") for path, rows in written])


@graph_group.command("check")
def graph_check(
    store: StoreOption = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="How many problems of each kind to list.")] = 100,
    as_json: JsonOption = False,
) -> None:
    """List what does not fit the schema, with the fix; the exit code is 1 when there is anything.

    Example: kindred graph check
    """
    with opened(settings_with(store=store)) as graph:
        found = problems_of(graph, limit)
    if as_json:
        print_json([asdict(problem) for problem in found])
    elif found:
        print_rows(("kind", "where", "reason", "fix"), [(p.kind, p.where, p.reason, p.fix) for p in found])
    else:
        output.print("the graph fits its schema")
    if found:
        raise typer.Exit(1)
