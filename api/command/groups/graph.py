"""``kindred graph``: stats, export."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from api.command.export import export_parquet
from api.command.options import JsonOption, StoreOption, settings_with
from api.command.terminal import print_json, print_rows, print_stats
from api.command.workshop import opened
from graph.digest import graph_hash

graph_group = typer.Typer(no_args_is_help=True, help="The graph: stats, export.")


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
