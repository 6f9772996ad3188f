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
# # From notebook to release to API
# The winner of an experiment becomes a release; the API answers from it. Three ways to one list, compared id by id:
# the evaluation's block ranking, the engine in this notebook, and HTTP. Runs without the training extra.

# %%
from __future__ import annotations

import json
from pathlib import Path
from tempfile import mkdtemp

import numpy as np

from api.engine import Request
from api.lab import Lab
from gnn.evaluation import ranked_lists

lab = Lab.open("invented-shop", folder=Path(mkdtemp(prefix="kindred-shop-")))  # of its own: it will be written to
models = ("popularity", "rp3beta", "ease", "next_item", "attributes", "relations")
experiment = lab.experiment({name: {} for name in models})
print(experiment.verdict.sentence)

# %% [markdown]
# ## The release
# A folder: the snapshot, the models as named arrays, and a manifest with a hash of every file, the options, the table
# and the verdict. It is written beside the others and then pointed to: a running server loses no request.

# %%
release = lab.publish(experiment)
manifest = json.loads((release.directory / "manifest.json").read_text())
print(f"{len(manifest['files'])} files, among them", ", ".join(sorted(manifest["files"])[:3]))

# %% [markdown]
# ## Three ways to a list
# `ranked_lists` ranks in blocks, as tables are measured; `Engine.recommend` reads one history out of the graph;
# `lab.serving()` runs `kindred serve` in a process of its own and asks it over HTTP.

# %%
engine = lab.engine()
user_ids = [f"u{number:03d}" for number in range(0, 60, 3)]
nodes = {kind: engine.view.snapshot.nodes(kind) for kind in ("User", "Item")}
rows = np.array([engine.view.index_of("User", user_id) for user_id in user_ids], np.int32)
lists = ranked_lists(engine, lab.interactions, rows, 10)
by_evaluation = {
    user_id: [nodes["Item"].id_of(item) for item in row] for user_id, row in zip(user_ids, lists.tolist(), strict=True)
}
by_engine = {user_id: engine.recommend(Request(user_id)).item_ids for user_id in user_ids}

# %%
with lab.serving() as shop:
    by_http = {user_id: [item.item_id for item in shop.recommendations(user_id).items] for user_id in user_ids}
    before = shop.recommendations("u003", n=5)
    # An event counts in the next answer: the store has it, then the engine.
    shop.post_events({"user_id": "u003", "item_id": before.items[0].item_id, "kind": "purchase"})
    after = shop.recommendations("u003", n=5)

assert by_evaluation == by_engine == by_http
print(f"{len(user_ids)} people: the same ids three ways, e.g. {by_http['u003'][:5]}")

# %%
print("before", [item.item_id for item in before.items])
print("after ", [item.item_id for item in after.items])
assert before.items[0].item_id not in [item.item_id for item in after.items]

# %% [markdown]
# On the command line: `kindred train`, `kindred serve`, and `kindred release rollback` when it was a mistake.
