"""The page of related items: each kind against what later baskets and shops say, measured by command."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp

from api.command.recipe import Material, material_from
from api.command.terminal import Telling, output, warn
from api.command.workshop import epoch_seconds, ingest_apart, opened, working_folder
from api.engine import RELATED_KINDS, Engine
from api.engine.connections import Connections
from api.engine.reading import learned_interactions
from api.engine.related.activity import Activity
from api.engine.related.baskets import Baskets
from api.engine.related.kinds import category_blocks
from api.settings import Settings
from gnn.data import TrainingData
from gnn.evaluation.related import (
    METRICS,
    RelatedTarget,
    counted_lists,
    measure,
    of_baskets,
    of_relation,
    overlap,
    popular_lists,
)
from gnn.fusion import FeatureSpace, FusedRanker, FusionWeights
from gnn.models import MODELS
from graph.errors import NotFound
from graph.schema import EdgeRole
from graph.snapshot import Snapshot
from graph.view import GraphView

RELATED = "related"
QUESTIONS = 2_000
SOURCES_USED = ("popularity", "itemknn", "rp3beta", "als", "next_item", "attributes", "relations", "text")
LATER, LATER_OTHER = "same later basket", "same later basket, nothing in common"
Lists = Mapping[int, list[int]]


@dataclass(frozen=True)
class RelatedTable:
    """One data set: where it is, when it is cut, and which relations of it tell what belongs together."""

    source: str
    title: str
    folder: str | None = None
    test_from: str | None = None
    relations: tuple[str, ...] = ()


RELATED_TABLES: dict[str, RelatedTable] = {
    "online-retail": RelatedTable(
        "online-retail", "UCI Online Retail, learned before 2011-11-01, asked about later invoices",
        test_from="2011-11-01",
    ),
    "tafeng": RelatedTable("tafeng", "Ta-Feng groceries, learned from histories, asked about each user's next basket"),
    "amazon-beauty": RelatedTable(
        "s3rec", "Amazon Beauty, learned from purchases, asked about the shop's own relations",
        folder="amazon_beauty_kg", relations=("ALSO_VIEWED", "BOUGHT_TOGETHER"),
    ),
}  # fmt: skip


def run_related_tables(settings: Settings, docs: Path, *, fresh: bool) -> None:
    """Measures what is not measured yet, and writes ``related.json`` and ``related.md`` after each data set."""
    kept = docs / "related.json"
    measured: dict[str, Any] = json.loads(kept.read_text()) if kept.exists() else {}
    for name, table in RELATED_TABLES.items():
        if name in measured and not fresh:
            output.print(f"{RELATED}, {name}: measured already")
            continue
        try:
            measured[name] = measured_related(table, settings)
        except NotFound as missing:
            warn(f"{name} is left out: {missing}")
            continue
        docs.mkdir(exist_ok=True)
        kept.write_text(
            json.dumps({name: measured[name] for name in RELATED_TABLES if name in measured}, indent=1) + "\n"
        )
        (docs / "related.md").write_text("\n".join(_page(measured)) + "\n")


def measured_related(table: RelatedTable, settings: Settings) -> dict[str, Any]:
    """The figures of one data set."""
    tell = Telling()
    tell.step(f"{RELATED}: {table.title}")
    data_dir = settings.data_dir / table.folder if settings.data_dir and table.folder else settings.data_dir
    with working_folder(settings) as folder:
        here = settings.model_copy(update={"store": f"sqlite:{folder / 'graph.db'}", "data_dir": data_dir})
        with opened(here) as graph:
            ingest_apart(table.source, graph, here)
            material = material_from(graph, folder, here, "minilm", tell)
        until_s = None if table.test_from is None else epoch_seconds(table.test_from)
        return figures_of(material, until_s, table.relations, tell)


def figures_of(
    material: Material, until_s: int | None, relations: tuple[str, ...], tell: Callable[[str], None] | Telling
) -> dict[str, Any]:
    """Every kind and both baselines against every target. ``until_s`` is where learning ends."""
    step = tell.step if isinstance(tell, Telling) else tell
    snapshot = material.snapshot
    learned = material.interactions
    if until_s is not None:
        learned = learned.where(learned.timestamp_s < until_s)
    data = TrainingData(learned, material.knowledge)
    names = [name for name in SOURCES_USED if name != "text" or material.knowledge.text is not None]
    step(f"fitting {', '.join(names)}")
    operators = {name: MODELS[name].build().fit(data) for name in names}
    ranker = FusedRanker(operators, FusionWeights.prior(FeatureSpace.over(operators)))
    engine = Engine(GraphView(snapshot), ranker, operators=operators, until_s=until_s)
    before, later = _baskets(snapshot, until_s)
    count = np.bincount(learned.item_index, minlength=learned.num_items)
    targets = _targets(snapshot, later, relations, count > 0)
    items = np.unique(np.concatenate([target.items for target in targets])).astype(np.int32)
    step(f"asking about {items.size:,} items")
    lists: dict[str, Lists] = {kind: _lists(engine, kind, items) for kind in RELATED_KINDS}
    lists |= {"popularity": popular_lists(count, items), "co-count": counted_lists(before, items)}
    shared = _sharing(snapshot)
    return {
        "items": int(items.size),
        "targets": {target.name: int(target.query.size) for target in targets},
        "figures": {name: {target.name: measure(target, made) for target in targets} for name, made in lists.items()},
        "in_common": {name: _in_common(made, shared) for name, made in lists.items()},
        "overlap": {f"{a} / {b}": overlap(lists[a], lists[b]) for a, b in combinations(RELATED_KINDS, 2)},
    }


def _baskets(snapshot: Snapshot, until_s: int | None) -> tuple[sp.csr_array, sp.csr_array]:
    """The baskets learned from and the later ones: after ``until_s``, or those the data set holds out."""
    num_items = len(snapshot.nodes(snapshot.schema.item_type))
    activity = Activity.of(snapshot, learned_interactions(snapshot.schema))
    if until_s is not None:
        times = activity.timestamp_s
        parts = activity.where(times < until_s), activity.where(times >= until_s)
        return Baskets.of(parts[0], num_items).items, Baskets.of(parts[1], num_items).items
    held = Activity.of(snapshot, [spec for spec in snapshot.schema.edges_with(EdgeRole.INTERACTION) if spec.holdout])
    return Baskets.of(activity, num_items).items, Baskets.of(held, num_items).items


def _targets(snapshot: Snapshot, later: sp.csr_array, relations: tuple[str, ...], known: Any) -> list[RelatedTarget]:
    targets = []
    if later.nnz:
        asked = of_baskets(LATER, later, known, questions=QUESTIONS)
        targets.append(asked)
        shared = _sharing(snapshot)
        if shared.nnz:
            other = asked.relevant.copy()
            common = sp.csr_array(other.multiply(shared[asked.query]))
            nothing = sp.csr_array(other - common)
            nothing.eliminate_zeros()
            rows = np.flatnonzero(np.diff(nothing.indptr))
            targets.append(RelatedTarget(LATER_OTHER, asked.query[rows], sp.csr_array(nothing[rows])))
    for spec in snapshot.schema.edges_with(EdgeRole.ITEM_RELATION):
        if spec.relation in relations:
            pairs = snapshot.edges(spec.edge_type).matrix()
            targets.append(of_relation(spec.relation, pairs, known, questions=QUESTIONS))
    return targets


def _sharing(snapshot: Snapshot) -> sp.csr_array:
    """Which items share a category, or where there are none, any attribute. Shape (I, I)."""
    connections = Connections.of(GraphView(snapshot))
    blocks = category_blocks(snapshot.schema, connections)
    blocks = blocks or [block for block in connections.blocks if not block.relates_items]
    columns = np.concatenate([np.empty(0, np.int64), *(np.arange(b.start, b.start + b.width) for b in blocks)])
    matrix = sp.csr_array(connections.matrix[:, columns.astype(np.int64)])
    shared = sp.csr_array(matrix @ matrix.T)
    shared.data[:] = 1.0
    return shared


def _lists(engine: Engine, kind: Any, items: Any) -> Lists:
    view = engine.view
    item_type = view.schema.item_type
    return {
        item: [listed.item_index for listed in engine.related(view.id_of(item_type, item), kind, 10).items]
        for item in items.tolist()
    }


def _in_common(lists: Lists, shared: sp.csr_array) -> float:
    """The share of listed items that share a category (or an attribute) with the item asked about."""
    if not shared.nnz:
        return 0.0
    pairs = np.array([(item, other) for item, made in lists.items() for other in made], np.int64).reshape(-1, 2)
    return float(np.asarray(shared[pairs[:, 0], pairs[:, 1]]).mean())


def _page(measured: Mapping[str, Any]) -> Iterator[str]:
    yield "# Related items"
    yield ""
    yield (
        "Generated by `kindred tables --only related`. Each kind of list, and two baselines, ten items long, against "
        "what belongs together: for an item of a later basket the other items of it, or the items that the shop itself "
        f"relates to it. Up to {QUESTIONS:,} questions a target, drawn with seed 42; only items seen while learning. "
        "*nothing in common*: only those of the basket that share no category with the item (where a shop has no "
        "categories: no attribute). *in common*: the share of listed items that do share one."
    )
    for name, document in measured.items():
        yield f"\n## {RELATED_TABLES[name].title}\n"
        targets = document["targets"]
        shown = [metric for metric in METRICS if metric in ("hr@10", "ndcg@10")]
        yield _line("list", *(f"{target}: {metric}" for target in targets for metric in shown), "in common")
        yield _line(*["---"] * (2 + len(targets) * len(shown)))
        for kind, by_target in document["figures"].items():
            figures = [f"{by_target[target][metric]:.4f}" for target in targets for metric in shown]
            yield _line(kind, *figures, f"{document['in_common'][kind]:.2f}")
        asked = ", ".join(f"{target} {count:,}" for target, count in targets.items())
        yield f"\nQuestions: {asked}; {document['items']:,} items asked about.\n"
        pairs = ", ".join(f"{pair} {share:.2f}" for pair, share in document["overlap"].items())
        yield f"Items in common of two lists, as a share: {pairs}."


def _line(*cells: str) -> str:
    return "| " + " | ".join(cells) + " |"
