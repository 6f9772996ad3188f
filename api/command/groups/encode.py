"""``kindred encode``: the catalogue's texts as vectors, ahead of a training."""

from __future__ import annotations

from typing import Annotated

import typer

from api.command.options import JsonOption, StoreOption, settings_with
from api.command.terminal import Telling, encoding_bar, output, print_json
from graph.errors import InputError

RayOption = Annotated[bool, typer.Option("--ray", help="Share the work among Ray's workers (extra scale).")]
WorkersOption = Annotated[int, typer.Option("--workers", min=1, help="Ray workers, with --ray.")]


def encode(
    store: StoreOption = None,
    text: Annotated[str, typer.Option("--text", help="Text encoder: minilm, a name or a path.")] = "minilm",
    ray: RayOption = False,
    workers: WorkersOption = 2,
    as_json: JsonOption = False,
) -> None:
    """Encode the texts of all items into the cache that `kindred train` reads.

    Example: kindred encode --ray --workers 4
    """

    from api.command.workshop import opened, working_folder
    from graph.ray import check_ray
    from graph.snapshot import build_snapshot
    from graph.view import GraphView
    from ingest.text import encode_items, item_texts

    if ray:
        check_ray()
    settings = settings_with(store=store)
    tell = Telling()
    with working_folder(settings) as folder, opened(settings) as graph:
        tell.step("taking a snapshot of the graph")
        texts = item_texts(GraphView(build_snapshot(graph, folder / "snapshot")))
        if not any(texts):
            raise InputError("no item has a text", remedy="Ingest a source first, or give the item type a text.")
        tell.step(f"encoding the texts of {len(texts):,} items with {text}" + (f" on {workers} workers" if ray else ""))
        with encoding_bar() as progress:
            vectors = encode_items(
                texts,
                model=text,
                cache_dir=settings.work_dir / "text",
                progress=progress,
                ray_workers=workers if ray else 0,
            )
    filled = sum(map(bool, texts))
    if as_json:
        print_json({"items": len(texts), "with_text": filled, "width": vectors.shape[1]})
        return
    output.print(f"{filled:,} of {len(texts):,} items have a vector of width {vectors.shape[1]}")
