"""``kindred graph``: stats, export, copy, check, adopt, repair."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from api.command.options import JsonOption, StoreOption, settings_with
from api.command.terminal import Telling, output, print_json, print_problems, print_rows, print_stats, warn
from graph.errors import SettingsError, StoreError

graph_group = typer.Typer(no_args_is_help=True, help="The graph: stats, export, copy, check, adopt, repair.")


@graph_group.command("stats")
def graph_stats(store: StoreOption = None, as_json: JsonOption = False) -> None:
    """Count nodes and edges by type.

    Example: kindred graph stats
    """

    from api.command.workshop import opened
    from graph.digest import graph_hash

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

    from api.command.export import export_parquet
    from api.command.workshop import opened

    with opened(settings_with(store=store)) as graph:
        written = export_parquet(graph, folder)
    if as_json:
        print_json([{"file": str(path), "rows": rows} for path, rows in written])
    else:
        print_rows(("file", "rows"), [(str(path), f"{rows:,}") for path, rows in written])


@graph_group.command("copy")
def graph_copy(
    source: Annotated[str, typer.Argument(help="URL of the store to copy, e.g. sqlite:var/graph.db.")],
    target: Annotated[str, typer.Argument(help="URL of an empty store.")],
    into_existing: Annotated[
        bool, typer.Option("--into-existing", help="Merge into a graph that is there; the source's values win.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Copy a graph from one store into another and compare their hashes.

    Example: kindred graph copy sqlite:var/graph.db neo4j://127.0.0.1:7687 --into-existing
    """

    from graph.copying import copy_graph
    from graph.store import open_store

    with open_store(source) as original, open_store(target) as copy:
        copied = copy_graph(original, copy, into_existing=into_existing, step=Telling().step)
    if as_json:
        print_json(
            {
                "nodes": copied.nodes,
                "edges": copied.edges,
                "changed": copied.changed,
                "source_hash": copied.source_hash,
                "target_hash": copied.target_hash,
                "equal": copied.equal,
            }
        )
        return
    output.print(f"{copied.nodes:,} nodes and {copied.edges:,} edges copied, {copied.changed:,} rows changed")
    same = "the same graph" if copied.equal else "the target holds more than the source"
    output.print(f"hash {copied.source_hash[:16]} → {copied.target_hash[:16]}: {same}")


@graph_group.command("check")
def graph_check(
    store: StoreOption = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="How many problems of each kind to list.")] = 100,
    as_json: JsonOption = False,
) -> None:
    """List what does not fit the schema, with the fix; the exit code is 1 when there is anything.

    Example: kindred graph check
    """

    from api.command.workshop import opened
    from graph.problems import problems_of

    with opened(settings_with(store=store)) as graph:
        found = problems_of(graph, limit)
    if as_json:
        print_json([asdict(problem) for problem in found])
    elif found:
        print_problems(found)
    else:
        output.print("the graph fits its schema")
    if found:
        raise typer.Exit(1)


@graph_group.command("adopt")
def graph_adopt(
    mapping: Annotated[Path, typer.Option("--mapping", help="YAML: labels, keys and relationship types by role.")],
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Use a graph that is in Neo4j already, under the names it has.

    Example: kindred graph adopt --mapping shop-graph.yaml --store neo4j://127.0.0.1:7687
    """

    from api.command.workshop import opened
    from graph.digest import graph_hash
    from graph.neo4j import Neo4jStore
    from graph.neo4j.curating.adopting import adopt, read_adoption

    adoption = read_adoption(mapping)
    with opened(settings_with(store=store)) as graph:
        if not isinstance(graph, Neo4jStore):
            raise SettingsError("only a graph in Neo4j can be adopted", got=graph.url, remedy="Set KINDRED_STORE.")
        stats, unseen = adopt(graph, adoption)
        digest = graph_hash(graph)
    if as_json:
        edges = {"-".join(edge_type): count for edge_type, count in stats.edges.items()}
        print_json({"nodes": dict(stats.nodes), "edges": edges, "without_key": unseen, "hash": digest})
        return
    print_stats(stats, digest)
    for node_type, count in unseen.items():
        warn(f"{count:,} {node_type} nodes have no text in their key and are not seen; give them one, or map another.")


@graph_group.command("repair")
def graph_repair(store: StoreOption = None, as_json: JsonOption = False) -> None:
    """Make the constraints and indexes that are missing in the store.

    Example: kindred graph repair
    """

    from api.command.workshop import opened
    from graph.store import Drifting

    with opened(settings_with(store=store)) as graph:
        graph.ensure_schema(graph.schema)
        left = graph.drift() if isinstance(graph, Drifting) else []
    for line in left:
        warn(line)
    if left:
        raise StoreError("some indexes could not be made", got=left[0], remedy="See the server's log.")
    print_json({"missing": []}) if as_json else output.print("Every constraint and index is there.")
