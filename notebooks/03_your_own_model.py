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
# # Write your own model
# One file with a configuration, a reference and a `fit`; one line in the registry; and the conformance suite, which
# every model of this project passes, says whether it can be served. Here with a model too simple to be in the zoo:
# items are near when their neighbourhoods overlap (Jaccard). Runs without the training extra.

# %% [markdown]
# ## 1. The file
# `fit` sees `TrainingData` and returns an operator: numpy that turns weighted histories into scores of all items. In a
# checkout this text is `gnn/models/jaccard.py`; the notebook writes it to a temporary folder.

# %%
from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from tempfile import mkdtemp

import numpy as np

from gnn.data import Interactions
from gnn.evaluation import evaluate
from gnn.models import MODELS, ModelEntry
from gnn.operators import OperatorRanker
from gnn.splits import leave_one_out
from graph.errors import InputError

folder = Path(mkdtemp(prefix="kindred-own-model-"))
(folder / "jaccard.py").write_text('''
"""Jaccard neighbours: items are near when the same people chose both."""

from typing import ClassVar

import numpy as np
import scipy.sparse as sp
from pydantic import Field

from gnn.baselines.neighbors import strongest
from gnn.data import TrainingData
from gnn.models.model import ModelConfig
from gnn.operators import Operator, SparseOperator


class Jaccard:
    """Scores by the share of common users among all users of two items.

    Reference: Jaccard, "The distribution of the flora in the alpine zone", 1912.
    """

    class Config(ModelConfig):
        neighbors: int = Field(100, ge=1)

    reference: ClassVar[str] = "Jaccard 1912, coefficient of community"

    def __init__(self, config: Config) -> None:
        self.config = config

    def fit(self, data: TrainingData) -> Operator:
        matrix = data.train.matrix()
        users_of = np.bincount(matrix.indices, minlength=data.train.num_items).astype(np.float32)
        return SparseOperator(
            strongest(
                sp.csr_array(matrix.T),
                matrix,
                self.config.neighbors,
                reweight=lambda common, one, other: common / (users_of[one] + users_of[other] - common),
            )
        )
''')

# %% [markdown]
# ## 2. The registry line
# In a checkout it is one line in `gnn/models/__init__.py`. `default=False` keeps it out of `kindred train` until
# somebody asks for it with `--models jaccard` or `--models all`.

# %%
sys.path.insert(0, str(folder))
MODELS["jaccard"] = ModelEntry("jaccard:Jaccard", "baseline", "overlapping neighbourhoods", default=False)
MODELS["jaccard"].build(neighbors=20)

# %% [markdown]
# A mistake in the options is told at once, before any work:

# %%
try:
    MODELS["jaccard"].build(neighbours=20)
except InputError as refused:
    print(refused)

# %% [markdown]
# ## 3. The conformance suite
# The suite reads the registry, so the line is all it needs. It asks, on a world whose right answer is known: are
# newcomers served, does an event count in the next answer, are all scores finite, does the same seed give the same
# bytes, can the arrays be kept in a release and rebuilt? Here it is run for this one model, in a process of its own.

# %%
places = (Path.cwd(), *Path.cwd().parents, *map(Path, sys.path))
root = next(place for place in places if (place / "tests" / "gnn").is_dir())
plugin = f"""
import sys
sys.path[:0] = [{str(folder)!r}, {str(root)!r}]
from gnn.models import MODELS, ModelEntry
MODELS["jaccard"] = ModelEntry("jaccard:Jaccard", "baseline", "overlapping neighbourhoods", default=False)
"""
(folder / "registry_line.py").write_text(plugin)
start = "import sys; sys.path.insert(0, sys.argv.pop(1)); import pytest; sys.exit(pytest.main(sys.argv[1:]))"
plugins = ["-p", "registry_line", "-p", "no:cacheprovider"]
suite = ["-q", "-k", "jaccard", "tests/gnn/test_model_conformance.py"]
command = [sys.executable, "-c", start, str(folder), *plugins, *suite]
ran = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
print(ran.stdout.strip().splitlines()[-1])
assert ran.returncode == 0, ran.stdout + ran.stderr

# %% [markdown]
# ## 4. Beside the others
# And how good is it? Measured as every model is: full ranking, seen items left out, the last choice hidden.

# %%
rng = np.random.default_rng(3)
people = np.repeat(np.arange(200), 8)
things = np.concatenate([(rng.choice(30, 8, replace=False) * 4 + person % 4) for person in range(200)])
moments = np.arange(people.size)
split = leave_one_out(Interactions.of(people, things, num_users=200, num_items=120, timestamp_s=moments))
for name in ("popularity", "itemknn", "jaccard"):
    operator = MODELS[name].build().fit(split.training_data())
    measured = evaluate(OperatorRanker(operator), split.train, split.validation, metrics=["recall@20"]).metrics
    print(f"{name:12} recall@20 {measured['recall@20']:.3f}")
