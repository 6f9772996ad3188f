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
# # Baselines, tables and controls
# A graph network is worth what it adds to simple baselines in the same run, on the same split. This notebook fits eight
# baselines, two graph networks and their fusion on a small invented shop, and shows the table, the gate's verdict, the
# slices and the controls. Needs the training extra. `Lab.open("movielens")` does all of it on real films.

# %%
from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np

from api.lab import Lab

lab = Lab.open("invented-shop")
print(f"{lab.interactions.num_users} people, {lab.interactions.num_items} things, protocol {lab.protocol}")

# %% [markdown]
# ## One experiment
# Everything is fitted, the fusion is learned on validation, the gate decides there, and the test part is touched once.
# Tuned options come with `tuned=True`, a search of the same budget for every model with `trials=20`.

# %%
small = {"embedding_dim": 32, "threads": 1, "epochs": 30, "validate_steps": 4}
baselines = ("popularity", "itemknn", "rp3beta", "ease", "gfcf", "next_item", "attributes", "relations")
experiment = lab.experiment({name: {} for name in baselines} | {"lightgcn": small, "graphsage": small})
print(f"{'model':12} {'recall@20':>9} {'ndcg@20':>8}  95 % interval    coverage  fit s")
for row in experiment.rows:
    recall, ndcg = row.test.metrics["recall@20"], row.test.metrics["ndcg@20"]
    low, high = row.test.interval("ndcg@20")
    covered = row.test.exposure.coverage
    print(f"{row.model:12} {recall:9.3f} {ndcg:8.3f}  {low:.3f} to {high:.3f}  {covered:8.2f}  {row.fit_s:5.2f}")

# %% [markdown]
# ## The verdict
# The fused ranking goes live only if it beats the best baseline on validation by more than chance explains; otherwise
# that baseline is served. Either way the sentence says so.

# %%
print(experiment.verdict.sentence)
for source, share in experiment.fusion.weights.importance().items():
    print(f"  {source:12} {share:5.0%} of the fused ranking")

# %% [markdown]
# ## Recall against fit time
# What a model costs is part of what it is.

# %%
figure, axes = plt.subplots(figsize=(6.5, 3.2), layout="constrained")
for row in experiment.rows:
    at = (max(row.fit_s, 1e-3), row.test.metrics["recall@20"])
    axes.scatter(*at, color="tab:red" if row.served else "tab:blue", s=18)
    axes.annotate(row.model, at, fontsize=7, xytext=(4, 2), textcoords="offset points")
axes.set(xscale="log", xlabel="fit, seconds", ylabel="recall@20 on test", title="red is served")

# %% [markdown]
# ## Slices
# A mean hides who pays for it. Cold items have at most two interactions in what was learned from, unseen ones none.

# %%
shown = ("kindred", "popularity", "ease", "attributes", "graphsage")
counts = {part.name: part.num_users for part in experiment.rows[0].test.slices}
parts = [f"{name}\n{count} users" for name, count in counts.items() if count]
measured = {
    row.model: [part.metrics["recall@20"] for part in row.test.slices if part.num_users] for row in experiment.rows
}
figure, axes = plt.subplots(figsize=(7.5, 2.8), layout="constrained")
for at, name in enumerate(shown):
    axes.bar(np.arange(len(parts)) + 0.16 * at, measured[name], 0.15, label=name)
axes.set_xticks(np.arange(len(parts)) + 0.32, parts)
axes.set_ylabel("recall@20 on test")
axes.legend(fontsize=7)

# %% [markdown]
# ## Controls
# The fused ranking learned again with a part of what it knows removed, on validation. A shuffled graph is the honest
# twin of a removed one: as many edges, none of them true.

# %%
controls = lab.controls(experiment)
figure, axes = plt.subplots(figsize=(6.5, 2.2), layout="constrained")
for at, row in enumerate(row for row in controls["rows"] if "adds" in row):
    adds, (low, high) = row["adds"], row["interval"]
    axes.errorbar(adds, at, xerr=[[adds - low], [high - adds]], fmt="o", color="tab:blue", capsize=3)
    axes.annotate(row["control"], (adds, at), fontsize=7, xytext=(0, 6), textcoords="offset points")
axes.axvline(0, color="silver")
axes.set(yticks=[], ylim=(-0.5, 5), xlabel="ndcg@20 that the removed part adds, 95 % interval")
print("On validation " + controls["sentence"] + ".")

# %% [markdown]
# On the command line: `kindred evaluate --source movielens --controls`, and `kindred tables` for all data sets.
