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
# # What the knowledge graph adds
# The graph costs work: somebody has to keep brands, categories and relations true. What is it worth, which part of it,
# for whom, and would half of it do? Runs without the training extra, on a small invented shop.

# %%
from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np

from api.lab import Lab
from gnn.experiment.controls import CONTROLS, run_controls, sentence, thinned, without_each

lab = Lab.open("invented-shop")
for edge_type, matrix in {**lab.knowledge.attributes, **lab.knowledge.relations}.items():
    print(f"{' '.join(edge_type):26} {matrix.nnz:5} edges")
models = ("popularity", "rp3beta", "ease", "attributes", "relations")
experiment = lab.experiment({name: {} for name in models}, test=False)

# %% [markdown]
# ## In one sentence
# The same models and the same fusion, without the graph, and with its edges put on the wrong things.

# %%
graph_controls = {name: CONTROLS[name] for name in ("graph removed", "graph shuffled")}
found = run_controls(experiment, lab.knowledge, controls=graph_controls)
print("On validation " + sentence(found) + ".")
whole = found[0].whole

# %% [markdown]
# ## Which facts
# One kind of edge is taken out at a time. A kind whose interval reaches zero is not shown to be worth its upkeep here:
# another kind may say the same.

# %%
for result in run_controls(experiment, lab.knowledge, controls=without_each(lab.knowledge)):
    difference = result.difference
    interval = f"95 % interval {difference.low:+.4f} to {difference.high:+.4f}"
    print(f"{result.name:20} ndcg@20 {-difference.mean:+.4f}; what it adds: {interval}")

# %% [markdown]
# ## For whom
# Facts matter most where behaviour says least: among the things of the tail, that few people have chosen.

# %%
removed = found[0].evaluation
parts = [part.name for part in whole.slices if part.num_users >= 20]
figure, axes = plt.subplots(figsize=(6, 2.6), layout="constrained")
for at, (name, evaluation) in enumerate({"with its graph": whole, "without": removed}.items()):
    recall = {part.name: part.metrics.get("recall@20", 0.0) for part in evaluation.slices}
    axes.bar(np.arange(len(parts)) + 0.35 * at, [recall[part] for part in parts], 0.33, label=name)
    print(f"{name:15} " + "  ".join(f"{part} {recall[part]:.3f}" for part in parts))
axes.set_xticks(np.arange(len(parts)) + 0.17, parts)
axes.set_ylabel("recall@20 on validation")
axes.legend(fontsize=8)

# %% [markdown]
# ## Would half of it do?
# The same ranking with a growing share of the edges, drawn at random: where the curve is flat, more of the same facts
# would add little.

# %%
shares = (0.0, 0.25, 0.5, 0.75)
steps = run_controls(experiment, lab.knowledge, controls={f"{share:.0%}": thinned(share) for share in shares})
curve = [step.evaluation.metrics["ndcg@20"] for step in steps] + [whole.metrics["ndcg@20"]]
figure, axes = plt.subplots(figsize=(5, 2.6), layout="constrained")
axes.plot([*shares, 1.0], curve, marker="o")
axes.set(xlabel="share of the graph's edges", ylabel="ndcg@20 on validation", ylim=(0, None))
print("  ".join(f"{share:.0%} {value:.3f}" for share, value in zip([*shares, 1.0], curve, strict=True)))
assert curve[-1] > curve[0]
