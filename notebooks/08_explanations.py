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
# # Explanations
# Why something is in a list, whether that reason is true, why something else is not, and what would change it. All of
# it comes from the engine that answers. Runs without the training extra.

# %%
from __future__ import annotations

import matplotlib.pyplot as plt
import networkx as nx

from api.engine import Request
from api.engine.questions.editing import edited
from api.engine.questions.fidelity import fidelity, path_edges
from api.engine.questions.whynot import explain
from api.lab import Lab

lab = Lab.open("invented-shop")
models = ("popularity", "rp3beta", "ease", "attributes", "relations")
lab.publish(lab.experiment({name: {} for name in models}))
engine = lab.engine()

# %% [markdown]
# ## Reasons are paths
# A sentence, and the walk in the graph that it stands on.

# %%
user = "u003"
answer = engine.recommend(Request(user, n=5, reasons=True))
for item in answer.items:
    print(f"{item.rank}. {item.title}")
    for reason in item.reasons:
        steps = " – ".join(node_id for _, node_id in reason.path.nodes)
        print(f"     {reason.text}   [{reason.kind}: {steps}]")

# %%
picture = nx.DiGraph()
for item in answer.items[:3]:
    for reason in item.reasons:
        for at, hop in enumerate(reason.path.hops[: len(reason.path.nodes) - 1]):
            picture.add_edge(reason.path.nodes[at], reason.path.nodes[at + 1], label=hop.edge_type[1])
shown = [item.item_id for item in answer.items[:3]]
view = engine.view
names = {key: view.title(key[0], view.index_of(*key)) for key in picture}
figure, axes = plt.subplots(figsize=(7, 4))
places = nx.spring_layout(picture, seed=2, k=1.2)
kind_color = {"User": "lightgray", "Item": "tab:blue", "Brand": "tab:orange", "Category": "tab:orange"}
colors = ["tab:red" if node_id in shown else kind_color[kind] for kind, node_id in picture]
nx.draw_networkx(picture, places, ax=axes, labels=names, node_color=colors, node_size=260, font_size=7)
relations = nx.get_edge_attributes(picture, "label")
nx.draw_networkx_edge_labels(picture, places, ax=axes, edge_labels=relations, font_size=5)
axes.set_axis_off()

# %% [markdown]
# ## Are they true?
# A reason is faithful if the thing's score falls when the path is taken out of the graph. Counted over some people, and
# those that do not lower the score are said as openly.

# %%
counted = fidelity(engine, [f"u{number:03d}" for number in range(0, 40, 4)], n=5)
print(f"{counted.share:.0%} of {sum(counted.shown.values())} shown reasons lower the score when their path is removed")
figure, axes = plt.subplots(figsize=(5.5, 2.2), layout="constrained")
kinds = sorted(counted.shown, key=counted.shown.get)
axes.barh(kinds, [counted.shown[kind] for kind in kinds], color="lightgray", label="shown")
axes.barh(kinds, [counted.lowering[kind] for kind in kinds], color="tab:blue", height=0.5, label="lower the score")
axes.legend(fontsize=7)

# %% [markdown]
# ## Why not?
# Something that is not in the list: its place, what each source says of it, what is missing, and the smallest change
# that was tried and brings it in.

# %%
missed = next(item for item in engine.recommend(Request(user, n=60)).items if item.rank > 25)
told = explain(engine, missed.item_id, Request(user, n=5))
print(f"{told.title}: rank {told.rank}, score {told.score:.2f}, {told.score_to_enter:.2f} would be in the first five")
for source, part in sorted(told.parts.items(), key=lambda entry: -abs(entry[1])):
    print(f"  {source:12} {part:+.3f}")
for path in told.missing[:2]:
    (_, relation, _), source, target = path.edge
    print(f"  missing: {source} {relation} {target}")
for change in told.changes:
    what = f"boosted ×{change.factor}" if change.edge is None else "{1} {0[1]} {2}".format(*change.edge.edge)
    print(f"  would be at rank {change.rank}: {what}")

# %% [markdown]
# ## What if?
# The graph with an edit that is only imagined. Here: the path of the first reason is gone; and then the reason is too.

# %%
first = answer.items[0]
reason = first.reasons[0]
without = engine.over(edited(engine.view, path_edges(engine.view, user, reason)))
after = without.recommend(Request(user, n=5, reasons=True))
print(f"removed: {reason.text}")
print("before ", answer.item_ids)
print("after  ", after.item_ids)
still = [other.path for item in after.items if item.item_id == first.item_id for other in item.reasons]
assert reason.path not in still
assert engine.recommend(Request(user, n=5)).item_ids == answer.item_ids, "the graph itself was not touched"
