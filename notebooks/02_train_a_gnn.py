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
# # Train a GNN variant in twenty lines
# A small shop, a split, graph networks beside a baseline, a learning curve, and a control. Needs the training extra.

# %%
from __future__ import annotations

import os
from pathlib import Path
from tempfile import mkdtemp

import matplotlib.pyplot as plt
import numpy as np
import scipy.sparse as sp

from gnn.data import Interactions, ItemKnowledge
from gnn.evaluation import evaluate
from gnn.experiment import Recipe, run_experiment
from gnn.experiment.controls import run_controls, sentence
from gnn.models import MODELS
from gnn.operators import OperatorRanker
from gnn.splits import leave_one_out
from gnn.training import TrainingRun
from gnn.training.tracking import EXPERIMENT, track, tracking_is_on

# %% [markdown]
# ## A shop to learn from
# 300 people, 150 things of 15 brands. Each person buys from two brands they like, and now and then anything; the last
# ten things are new: their brand is known, and hardly anybody has them. With your own data this cell is
# `interactions_from(snapshot)` and `knowledge_from(snapshot)`, see the first notebook.

# %%
rng = np.random.default_rng(7)
brand = np.arange(150) % 15
people, things, moments = [], [], []
for person in range(300):
    liked = rng.choice(15, 2, replace=False)
    weight = np.where(np.isin(brand, liked), 1.0, 0.02) * np.where(np.arange(150) >= 140, 0.1, 1.0)
    bought = rng.choice(150, 10, replace=False, p=weight / weight.sum())
    people += [person] * 10
    things += bought.tolist()
    moments += (1_700_000_000 + np.arange(10)).tolist()
interactions = Interactions.of(people, things, num_users=300, num_items=150, timestamp_s=moments)
knowledge = ItemKnowledge(
    attributes={("Item", "HAS_BRAND", "Brand"): sp.csr_array(np.eye(15, dtype=np.float32)[brand])}
)

# %% [markdown]
# ## Twenty lines
# A split, a model, a fit, a measurement. `MODELS` lists the variants; options are fields of the model's `Config`, and
# a wrong name is refused. Training stops when validation stops improving.

# %%
split = leave_one_out(interactions)
data = split.training_data(knowledge)
figures, curves = {}, {}
small = {"embedding_dim": 16, "threads": 1, "validate_steps": 2}
for name, options in {"popularity": {}, "lightgcn": small, "rgcn": small, "gat": small}.items():
    model = MODELS[name].build(**options)
    operator = model.fit(data)
    figures[name] = evaluate(OperatorRanker(operator), split.train, split.validation, metrics=["ndcg@10"]).metrics
    if name != "popularity":
        curves[name] = model.record.epochs
for name, measured in figures.items():
    print(f"{name:12} ndcg@10 on validation {measured['ndcg@10']:.3f}")
assert max(figures, key=lambda name: figures[name]["ndcg@10"]) != "popularity"

# %% [markdown]
# ## The learning curve
# The run record has every epoch: its loss, its seconds, and what validation said.

# %%
for name, epochs in curves.items():
    seen = [entry.validation["ndcg@20"] for entry in epochs if entry.validation]
    bars = "".join("▁▂▃▄▅▆▇█"[int(7 * value / max(seen))] for value in seen)
    print(f"{name:12} {bars}  best ndcg@20 {max(seen):.3f} after {len(epochs)} epochs")

# %%
figure, (losses, validation) = plt.subplots(1, 2, figsize=(8, 2.8), layout="constrained")
for name, epochs in curves.items():
    losses.plot([entry.epoch for entry in epochs], [entry.loss / epochs[0].loss for entry in epochs], label=name)
    measured = [(entry.epoch, entry.validation["ndcg@20"]) for entry in epochs if entry.validation]
    validation.plot(*zip(*measured, strict=True), marker=".")
losses.set(xlabel="epoch", ylabel="loss, of the first epoch's")
losses.legend()
validation.set(xlabel="epoch", ylabel="ndcg@20 on validation")

# %% [markdown]
# ## The run in MLflow
# With MLflow installed (`pip install 'kindred[track]'`) and `MLFLOW_TRACKING_URI` set, `kindred train` records every
# training: options, loss and validation of every epoch, the best one. From a notebook the listener is named, like here.

# %%
os.environ.setdefault("MLFLOW_TRACKING_URI", f"file:{Path(mkdtemp(prefix='kindred-runs-'))}")
os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")  # a folder will do here; a team has a server
if tracking_is_on():
    from mlflow import MlflowClient

    model = MODELS["lightgcn"].build(**small)
    model.run = TrainingRun(finished=track)
    model.fit(data)
    client = MlflowClient()
    (run, *_) = client.search_runs([client.get_experiment_by_name(EXPERIMENT).experiment_id])
    recorded = client.get_metric_history(run.info.run_id, "loss")
    print(f"MLflow: {run.info.run_name}, {run.info.status}, {len(recorded)} losses,", end=" ")
    print(f"best epoch {run.data.metrics['best_epoch']:.0f}, best ndcg@20 {run.data.metrics['best_ndcg_at_20']:.3f}")
    assert len(recorded) == len(model.record.epochs)
else:
    print("MLflow is not installed: no run was recorded")

# %% [markdown]
# ## Did it need the graph?
# The fused ranking again with the graph removed and shuffled; one sentence says what the graph adds, also when it is
# nothing. On the command line: `kindred evaluate --controls`.

# %%
recipe = Recipe({"popularity": {}, "rp3beta": {}, "attributes": {}, "rgcn": small}, tuned=False)
experiment = run_experiment(split, knowledge, recipe, test=False)
print("On validation " + sentence(run_controls(experiment, knowledge)) + ".")
