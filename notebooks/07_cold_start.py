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
# # Cold start
# Things that nobody has bought yet, and people of whom nothing is known. Both get an answer at once, without training:
# new things are folded into the model by what is known of them, newcomers say what they like. Needs the training extra.

# %%
from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np

from api.engine import Interest, Request
from api.engine.questions.editing import edited
from api.lab import Lab
from gnn.data import ItemKnowledge, TrainingData
from gnn.models import MODELS
from gnn.operators.foldin import ItemFoldIn
from graph.records import UpsertEdges, UpsertNodes

lab = Lab.open("invented-shop")
interactions, knowledge = lab.interactions, lab.knowledge

# %% [markdown]
# ## Things nobody has bought
# We hide a fifth of the things: all their purchases, and their attributes too. GraphSAGE learns from the rest.

# %%
rng = np.random.default_rng(5)
hidden = np.zeros(interactions.num_items, bool)
hidden[rng.choice(interactions.num_items, interactions.num_items // 5, replace=False)] = True
known_facts = {kind: matrix.multiply(~hidden[:, None]).tocsr() for kind, matrix in knowledge.attributes.items()}
train = interactions.where(~hidden[interactions.item_index])
model = MODELS["graphsage"].build(embedding_dim=32, epochs=40, threads=1)
operator = model.fit(TrainingData(train, ItemKnowledge(known_facts)))

# %% [markdown]
# The model's fold-in is numpy: a few arrays, kept in the release, that turn a brand and a category into a vector.

# %%
fold_in = ItemFoldIn.from_arrays(model.fold_in_weights())
new = np.flatnonzero(hidden)
folded = fold_in.apply(None, {kind: matrix[new] for kind, matrix in knowledge.attributes.items()})

# %% [markdown]
# Do they land where they belong? For everybody who did buy one of them: where does it rank among all the new ones?
# Half-way down would be chance.

# %%
histories = train.matrix()
bought_new = interactions.where(hidden[interactions.item_index])
people = operator.user_embedding(histories[bought_new.user_index])
scores = people @ folded.item_embedding.T
mine = scores[np.arange(len(bought_new)), np.searchsorted(new, bought_new.item_index)]
share_above = (scores > mine[:, None]).mean(axis=1)
print(f"a new thing that was bought ranks at {share_above.mean():.0%} from the top of the new things, chance 50%")
assert share_above.mean() < 0.35

# %% [markdown]
# ## The map
# Two main directions of the item vectors. Dots were learned from purchases, stars were folded in from facts alone.

# %%
category = knowledge.attributes["Item", "IN_CATEGORY", "Category"].indices
known = operator.item_embedding[~hidden]
center = known.mean(axis=0)
directions = np.linalg.svd(known - center, full_matrices=False)[2][:2].T
figure, axes = plt.subplots(figsize=(6, 4.2), layout="constrained")
for at, name in enumerate(lab.view.title("Category", row) for row in range(category.max() + 1)):
    axes.scatter(*((known - center) @ directions)[category[~hidden] == at].T, s=12, color=f"C{at}", label=name)
    stars = ((folded.item_embedding - center) @ directions)[category[hidden] == at]
    axes.scatter(*stars.T, s=70, marker="*", color=f"C{at}", edgecolors="black", linewidths=0.4)
axes.legend(fontsize=7, ncols=2)
axes.set(xticks=[], yticks=[])

# %% [markdown]
# ## In the engine
# A thing put into the graph after the release is recommended by the same fold-in. Here it is only imagined: an edited
# view of the graph, over which the engine answers; nobody else sees it.

# %%
sage = {"embedding_dim": 32, "epochs": 30, "threads": 1}
lab.publish(lab.experiment({"popularity": {}, "rp3beta": {}, "attributes": {}, "graphsage": sage}))
engine = lab.engine()
imagined = edited(
    engine.view,
    [
        UpsertNodes("Item", ["new"], [{"title": "Hazel conditioner", "price": 7.5}]),
        UpsertEdges(("Item", "HAS_BRAND", "Brand"), ["new"], ["hazel"]),
        UpsertEdges(("Item", "IN_CATEGORY", "Category"), ["new"], ["hair"]),
    ],
)
tomorrow = engine.over(imagined)
for item in tomorrow.related("new", n=4, reasons=True).items:
    print(f"{item.title:20} {item.reasons[0].text}")

# %% [markdown]
# Whom is it for, and does it reach them?

# %%
audience = [imagined.id_of("User", row) for row in tomorrow.audience("new", n=20).user_index.tolist()]
lists = [tomorrow.recommend(Request(user_id, n=100)).item_ids for user_id in audience]
reached = sum("new" in ids for ids in lists)
print(f"the new thing is among the first hundred of {reached} of its {len(audience)} likeliest buyers")

# %% [markdown]
# ## People of whom nothing is known
# Without a word a newcomer gets what everybody likes, and the answer says so. Two picks change that, one event more.


# %%
def titles(request: Request) -> str:
    answer = engine.recommend(request)
    return f"{', '.join(item.title for item in answer.items)}  [fallback: {answer.fallback_used}]"


picks = (Interest("hair", "Category"), Interest("hazel", "Brand"))
print("nobody:        ", titles(Request(n=4)))
print("hair and Hazel:", titles(Request(interests=picks, n=4)))
answer = engine.recommend(Request(interests=picks, n=4, reasons=True))
print("because:       ", "; ".join(reason.text for reason in answer.items[0].reasons))
first = engine.recommend(Request(interests=picks, n=1)).item_ids
print("and one event: ", titles(Request(interests=picks, items=tuple(first), n=4)))
