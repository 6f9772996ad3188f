"""Ray with two workers on this machine: the same vectors, and the same model as one process makes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from gnn.data import Interactions, ItemKnowledge, TrainingData
from gnn.evaluation import evaluate
from gnn.experiment.fitting import fit_models
from gnn.operators import EmbeddingOperator, OperatorRanker
from gnn.operators.foldin import ItemFoldIn
from gnn.splits import Split, leave_one_out
from gnn.training.on_ray import OnRay
from gnn.training.record import RunRecord
from gnn.training.run import TrainingRun
from graph.errors import InputError
from graph.ray import ray_with
from ingest.text import TextModel, encode_items

pytestmark = [
    pytest.mark.skipif(find_spec("ray") is None, reason="NOT TESTED: Ray is not installed (extra scale)"),
    # Ray and its dependencies warn of their own affairs while they are imported.
    pytest.mark.filterwarnings("default"),
]
WORKERS = 2
WIDTH = 8


@pytest.fixture(scope="module", autouse=True)
def two_workers() -> Iterator[None]:
    """One connection for all tests; what is tested finds it and keeps it."""
    with ray_with(WORKERS):
        yield


class HashEncoder:
    """Vectors that follow from the text alone."""

    width = WIDTH

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        rows = [np.frombuffer(hashlib.sha256(text.encode()).digest(), np.uint8)[:WIDTH] for text in texts]
        vectors = np.array(rows, np.float32) + 1.0
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def opened(_: TextModel) -> HashEncoder:
    return HashEncoder()


@pytest.fixture(scope="module")
def text_model(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("model")
    (folder / "model.safetensors").write_bytes(b"weights")
    return str(folder)


def test_two_workers_encode_the_same_vectors_and_leave_the_same_cache(text_model: str, tmp_path: Path) -> None:
    texts = [f"thing {number} " + "of a kind " * (number % 7) for number in range(400)] + [""]
    plain = encode_items(texts, model=text_model, cache_dir=tmp_path / "plain", batch_tokens=256, open_encoder=opened)
    heard: list[tuple[int, int]] = []
    shared = encode_items(
        texts,
        model=text_model,
        cache_dir=tmp_path / "shared",
        batch_tokens=256,
        open_encoder=opened,
        progress=lambda done, total: heard.append((done, total)),
        ray_workers=WORKERS,
    )
    np.testing.assert_array_equal(shared, plain)
    assert not shared[-1].any()
    assert heard[-1] == (400, 400)
    assert len(heard) > 10, "told batch by batch"

    def refusing(_: TextModel) -> HashEncoder:
        raise AssertionError("everything is in the cache")

    again = encode_items(texts, model=text_model, cache_dir=tmp_path / "shared", open_encoder=refusing)
    np.testing.assert_array_equal(again, plain)


def brands_and_people() -> Split:
    """Everybody buys from the brand of their number."""
    rng = np.random.default_rng(1)
    people = np.repeat(np.arange(120), 8)
    things = np.concatenate([rng.choice(np.arange(person % 5, 60, 5), 8, replace=False) for person in range(120)])
    return leave_one_out(
        Interactions.of(people, things, num_users=120, num_items=60, timestamp_s=np.tile(np.arange(8), 120))
    )


def test_two_workers_train_the_model_that_one_process_trains(tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="NOT TESTED: training needs torch")
    split = brands_and_people()
    data = split.training_data(seed=5)
    options = {"epochs": 6, "embedding_dim": 8, "batch_users": 50, "threads": 1, "validate_steps": 3}
    finished: list[RunRecord] = []

    def on_ray(stage: str, model: str, options: object) -> TrainingRun:
        return TrainingRun(checkpoint=tmp_path / "run", finished=finished.append, ray_workers=WORKERS)

    alone = fit_models({"lightgcn": options}, data)
    together = fit_models({"lightgcn": options}, data, runs=on_ray)
    assert not together.skipped
    one, other = alone.operators["lightgcn"], together.operators["lightgcn"]
    assert isinstance(one, EmbeddingOperator)
    assert isinstance(other, EmbeddingOperator)
    # A step's gradient is that of the whole block; what differs is the order in which floats are added.
    np.testing.assert_allclose(other.item_embedding, one.item_embedding, atol=2e-3)
    np.testing.assert_allclose(other.user_residual, one.user_residual, atol=2e-2)
    figures = [
        evaluate(OperatorRanker(operator), split.train, split.validation, metrics=["ndcg@20"]).metrics["ndcg@20"]
        for operator in (one, other)
    ]
    assert figures[1] == pytest.approx(figures[0], abs=0.01)
    records = [RunRecord.model_validate(fitted.records["lightgcn"]) for fitted in (alone, together)]
    losses = [[entry.loss for entry in record.epochs] for record in records]
    np.testing.assert_allclose(losses[1], losses[0], rtol=1e-3)
    assert finished == [records[1]], "the listener of the run hears of it, here"
    assert (tmp_path / "run").exists(), "the first worker keeps the checkpoint"
    assert together.options["lightgcn"]["epochs"] == records[1].best_epoch


def test_a_refusal_of_the_model_is_told_as_its_own(tmp_path: Path) -> None:
    """Workers hand it over as they hand over a result."""
    (tmp_path / "result.json").write_text(json.dumps({"refused": "GraphSAGE cannot be trained", "record": None}))
    with pytest.raises(InputError, match="GraphSAGE cannot be trained"):
        OnRay("graphsage", {}, TrainingRun())._read(tmp_path)


def test_what_embeds_new_items_comes_back_from_the_workers() -> None:
    pytest.importorskip("torch_geometric", reason="NOT TESTED: GraphSAGE needs torch-geometric")
    split = brands_and_people()
    text = np.eye(5, dtype=np.float32)[np.arange(60) % 5]
    data = TrainingData(split.train, ItemKnowledge(text=text), seed=5)
    runs = lambda stage, model, options: TrainingRun(ray_workers=WORKERS)  # noqa: E731
    options = {"graphsage": {"epochs": 8, "embedding_dim": 8, "threads": 1}}
    fitted = fit_models(options, data, runs=runs)
    fold_in = ItemFoldIn.from_arrays(fitted.fold_in["graphsage"])
    rows = fold_in.apply(np.eye(5, dtype=np.float32), {}).item_embedding
    items = fitted.operators["graphsage"].item_embedding
    of_brand = np.stack([items[brand::5].mean(axis=0) for brand in range(5)])
    np.testing.assert_array_equal((rows @ of_brand.T).argmax(axis=1), np.arange(5))
