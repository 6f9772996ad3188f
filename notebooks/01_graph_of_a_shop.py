# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # The graph of a shop
# What is in it, what lies around one thing, and the way from a handful of purchases to an answer with its reason, with
# the same parts that `kindred train` and `kindred serve` use. Runs in seconds and needs no training extra.

# %%
from __future__ import annotations

from pathlib import Path
from tempfile import mkdtemp

import matplotlib.pyplot as plt
import networkx as nx

from api.engine import Engine, Request
from gnn.data import TrainingData
from gnn.data.knowledge import interactions_from, knowledge_from
from gnn.evaluation import evaluate
from gnn.fusion import FeatureSpace, FusedRanker, FusionWeights
from gnn.models import MODELS
from gnn.operators import OperatorRanker
from gnn.splits import leave_one_out
from graph.records import UpsertEdges, UpsertNodes
from graph.schema import GraphSchema
from graph.snapshot import build_snapshot
from graph.store import open_store
from graph.view import GraphView
from graph.views import neighborhood

folder = Path(mkdtemp(prefix="kindred-first-look-"))

# %% [markdown]
# ## 1. A graph
# The schema says what there is: one node type has the role *user*, one *item*; an *interaction* leads from one to the
# other, an *attribute* from an item to what it has in common with others. `words` is how a reason will say it.

# %%
PURCHASED, HAS_BRAND = ("User", "PURCHASED", "Item"), ("Item", "HAS_BRAND", "Brand")
schema = GraphSchema.parse(
    {
        "nodes": [
            {"name": "User", "role": "user"},
            {"name": "Item", "role": "item", "title": "title", "properties": {"title": "string"}},
            {"name": "Brand", "role": "attribute", "title": "name", "properties": {"name": "string"}},
        ],
        "edges": [
            {
                "source": "User",
                "relation": "PURCHASED",
                "target": "Item",
                "role": "interaction",
                "kind": "purchase",
                "words": "bought",
            },
            {"source": "Item", "relation": "HAS_BRAND", "target": "Brand", "role": "attribute", "words": "same brand"},
        ],
    }
)

# %% [markdown]
# Twenty people shop for tea, twenty for the bath; each buys a few things in some order. The duck is new: nobody has it.

# %%
shelves = {
    "tea": ["assam", "darjeeling", "sencha", "teapot", "strainer", "honey"],
    "bath": ["soap", "shampoo", "towel", "sponge", "cream", "duck"],
}
brand_of = dict.fromkeys(shelves["tea"], "Leaf & Co") | dict.fromkeys(shelves["bath"], "Bubbles")
purchases = []
for number in range(40):
    shelf = shelves["tea"] if number % 2 else [item for item in shelves["bath"] if item != "duck"]
    for step in range(4):
        item = shelf[(number // 2 + step * (1 + number % 3)) % len(shelf)]
        purchases.append((f"u{number:02d}", item, 1_700_000_000_000 + (number * 10 + step) * 60_000))

store = open_store(f"sqlite:{folder / 'graph.db'}")
store.ensure_schema(schema)
people, bought, moments = (list(column) for column in zip(*purchases, strict=True))
store.apply(
    [
        UpsertNodes("Item", list(brand_of), [{"title": item.capitalize()} for item in brand_of]),
        UpsertNodes("Brand", ["Leaf & Co", "Bubbles"], [{"name": "Leaf & Co"}, {"name": "Bubbles"}]),
        UpsertNodes("User", sorted(set(people))),
        UpsertEdges(PURCHASED, people, bought, timestamp_ms=moments),
        UpsertEdges(HAS_BRAND, list(brand_of), list(brand_of.values())),
    ],
    batch_id="first-look",
    actor="notebook",
)

# %% [markdown]
# What is there, by the role it plays:

# %%
stats = store.stats()
for node in schema.nodes:
    print(f"{node.role:12} {node.name:12} {stats.nodes[node.name]:4} nodes")
for edge in schema.edges:
    print(f"{edge.role:12} {edge.relation:12} {stats.edges[edge.edge_type]:4} edges  “{edge.words}”")

# %% [markdown]
# ## 2. A snapshot
# The graph as memory-mapped arrays. Models, evaluation and the engine all read this; ids become row numbers.

# %%
snapshot = build_snapshot(store, folder / "snapshot")
interactions, knowledge = interactions_from(snapshot), knowledge_from(snapshot)
print(f"{interactions.num_users} users × {interactions.num_items} items, {len(interactions)} interactions")

# %% [markdown]
# A thing and what lies around it: who bought it, its brand, and what else has that brand.

# %%
view = GraphView(snapshot)
around = neighborhood(view, "Item", "sencha", hops=2, limit=30)
colors = {"Item": "tab:blue", "Brand": "tab:orange", "User": "lightgray"}
figure, axes = plt.subplots(figsize=(6.5, 4.5))
nx.draw_networkx(
    around,
    nx.spring_layout(around, seed=4, k=0.5),
    ax=axes,
    labels={key: data["title"] or key[1] for key, data in around.nodes(data=True)},
    node_color=[colors[data["node_type"]] for _, data in around.nodes(data=True)],
    node_size=220,
    font_size=7,
    edge_color="silver",
    arrowsize=6,
)
axes.set_axis_off()

# %% [markdown]
# ## 3. Models, measured
# Each user's last item is the test, the one before it the validation. A fitted model is an *operator*: numpy that
# scores all items from a history.

# %%
split = leave_one_out(interactions)
data = TrainingData(split.train, knowledge, split.validation)
sources = {name: MODELS[name].build().fit(data) for name in ("popularity", "rp3beta", "attributes")}
figures = {
    name: evaluate(OperatorRanker(operator), split.refit, split.test, metrics=["recall@5", "ndcg@5"]).metrics
    for name, operator in sources.items()
}
for name, measured in figures.items():
    print(f"{name:12} recall@5 {measured['recall@5']:.3f}  ndcg@5 {measured['ndcg@5']:.3f}")

# %% [markdown]
# ## 4. Answers with reasons
# The engine fuses the sources and answers over the graph. With so few users the weights are not learned, they are the
# prior that learning starts from; `kindred train` learns them on validation.

# %%
final = {name: MODELS[name].build().fit(TrainingData(interactions, knowledge)) for name in sources}
weights = FusionWeights.prior(FeatureSpace.over(final))
engine = Engine(view, FusedRanker(final, weights))
answer = engine.recommend(Request("u00", n=3, reasons=True))
for item in answer.items:
    print(f"{item.rank}. {item.title}")
    for reason in item.reasons:
        print("     " + reason.text)

# %% [markdown]
# What goes with soap? The duck too, although nobody ever bought it: its brand leads there.

# %%
related = engine.related("soap", n=5, reasons=True)
for item in related.items:
    print(f"{item.rank}. {item.title}: {'; '.join(reason.text for reason in item.reasons)}")

# %% [markdown]
# ## 5. The same engine, measured
# `evaluate` takes anything that ranks, the engine as well: what is measured is what is served.

# %%
in_one_block = engine.rank(engine.histories(["u00"]), 3)[0].tolist()
assert in_one_block == [item.item_index for item in answer.items]

# %%
store.close()
