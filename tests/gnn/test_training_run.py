"""The trainer: repeatable, resumable, stopped by validation or time, and on record."""

from __future__ import annotations

import io
import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from rich.console import Console

from gnn.data import Interactions, ItemKnowledge, TrainingData
from gnn.models import MODELS
from gnn.splits import leave_one_out
from gnn.training import RichTrainingProgress, RunRecord, SupportsTrainingRun, TrainingRun
from gnn.training.checkpoint import Checkpoint
from gnn.training.device import device_named, threads
from graph.errors import InputError

OPTIONS = {"embedding_dim": 8, "epochs": 6, "batch_users": 16, "threads": 1, "validate_steps": 1, "patience": 100}
trained_models = pytest.mark.parametrize("name", ["lightgcn", "graphsage", "rgcn", "xsimgcl"])


class Interrupted(Exception):
    """The process was killed."""


class KilledAfter:
    """Progress that ends the run after some epochs, as a kill would: nothing more is written."""

    def __init__(self, epochs: int) -> None:
        self.epochs = epochs

    def start(self, model: str, done: int, total: int) -> None: ...

    def epoch(self, epoch: int, loss: float, validation: object) -> None:
        if epoch > self.epochs:
            raise Interrupted

    def stop(self, reason: str) -> None: ...


@pytest.fixture
def data(checkerboard) -> TrainingData:
    """The checkerboard with one interaction of every third user kept for validation."""
    train = checkerboard.data.train
    last = np.r_[train.user_index[1:] != train.user_index[:-1], True] & (train.user_index % 3 == 0)
    return replace(checkerboard.data, train=train.where(~last), validation=train.where(last))


def fitted(name: str, data: TrainingData, run: TrainingRun | None = None, **options: object):
    model = MODELS[name].build(**{**OPTIONS, **options})
    if run is not None:
        model.run = run
    return model, model.fit(data)


@trained_models
def test_one_thread_and_one_seed_give_bit_equal_embeddings(name, data) -> None:
    _, first = fitted(name, data)
    _, second = fitted(name, data)
    for key, array in first.arrays().items():
        assert array.tobytes() == second.arrays()[key].tobytes()
    _, other = fitted(name, replace(data, seed=12))
    assert other.arrays()["item_embedding"].tobytes() != first.arrays()["item_embedding"].tobytes()


@pytest.mark.parametrize("name", ["graphsage", "sequence"])
def test_several_threads_give_bit_equal_embeddings_too(name) -> None:
    """Large enough that torch shares its sums out among threads, which add in any order unless told otherwise."""
    rng = np.random.default_rng(4)
    pairs = np.unique(rng.integers(0, 900 * 1600, 50_000))
    users, items, times = pairs // 1600, pairs % 1600, rng.integers(0, 1 << 30, pairs.size)
    many = Interactions.of(users, items, num_users=900, num_items=1600, timestamp_s=times)
    data = leave_one_out(many).training_data(ItemKnowledge())
    options = {"epochs": 3, "threads": 2, "embedding_dim": 64}
    arrays = [MODELS[name].build(**options).fit(data).arrays() for _ in range(3)]
    for again in arrays[1:]:
        for key, array in arrays[0].items():
            assert array.tobytes() == again[key].tobytes(), key


@trained_models
def test_a_killed_run_goes_on_where_it_was(name, data, tmp_path) -> None:
    straight, expected = fitted(name, data)
    path = tmp_path / "run.safetensors"
    with pytest.raises(Interrupted):
        fitted(name, data, TrainingRun(path, checkpoint_every_s=0, progress=KilledAfter(3)))
    assert len(Checkpoint.read(path).record.epochs) == 3
    resumed, operator = fitted(name, data, TrainingRun(path))
    assert resumed.record.resumed == 1
    losses = [[entry.loss for entry in model.record.epochs] for model in (straight, resumed)]
    np.testing.assert_allclose(losses[1], losses[0], rtol=1e-6)
    assert resumed.record.best_epoch == straight.record.best_epoch
    for key, array in expected.arrays().items():
        np.testing.assert_array_equal(operator.arrays()[key], array)


def test_a_finished_run_is_not_trained_again(data, tmp_path) -> None:
    run = TrainingRun(tmp_path / "run.safetensors")
    first, expected = fitted("lightgcn", data, run)
    again, operator = fitted("lightgcn", data, replace(run, progress=KilledAfter(0)))
    assert again.record == first.record
    np.testing.assert_array_equal(operator.arrays()["fold_in"], expected.arrays()["fold_in"])


def test_a_checkpoint_of_another_run_is_refused(data, tmp_path) -> None:
    run = TrainingRun(tmp_path / "run.safetensors")
    fitted("lightgcn", data, run)
    with pytest.raises(InputError, match="another run: expected the same config"):
        fitted("lightgcn", data, run, learning_rate=0.5)
    fewer = replace(data, train=data.train.where(np.arange(len(data.train)) > 5))
    with pytest.raises(InputError, match="expected the same data"):
        fitted("lightgcn", fewer, run)


@pytest.mark.parametrize("damage", [b"", b"not a checkpoint", b"\x08\x00\x00\x00\x00\x00\x00\x00{}      "])
def test_a_damaged_checkpoint_is_refused_with_the_remedy(damage, data, tmp_path) -> None:
    path = tmp_path / "run.safetensors"
    path.write_bytes(damage)
    with pytest.raises(InputError, match="Delete it to start over"):
        fitted("lightgcn", data, TrainingRun(path))


def test_a_checkpoint_cut_anywhere_is_refused(data, tmp_path) -> None:
    path = tmp_path / "run.safetensors"
    fitted("lightgcn", data, TrainingRun(path), epochs=1)
    whole = path.read_bytes()
    for size in np.linspace(1, len(whole) - 1, 7, dtype=int):
        path.write_bytes(whole[:size])
        with pytest.raises(InputError, match="cannot be read"):
            Checkpoint.read(path)


def test_a_checkpoint_leaves_no_other_file_behind(data, tmp_path) -> None:
    fitted("lightgcn", data, TrainingRun(tmp_path / "run.safetensors", 0, tmp_path / "record.json"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["record.json", "run.safetensors"]


def test_training_stops_when_validation_stops_improving(data) -> None:
    model, _ = fitted("lightgcn", data, epochs=500, patience=2)
    record = model.record
    assert record.stopped == "patience"
    assert len(record.epochs) == record.best_epoch + 2
    best = max(entry.validation["ndcg@20"] for entry in record.epochs)
    assert record.best_validation["ndcg@20"] == best
    assert model.best_epochs == record.best_epoch


def test_the_best_epoch_is_what_is_served_not_the_last(data) -> None:
    long, operator = fitted("lightgcn", data, epochs=60, patience=3)
    _, expected = fitted("lightgcn", data, epochs=long.best_epochs)
    np.testing.assert_array_equal(operator.arrays()["fold_in"], expected.arrays()["fold_in"])


def test_without_validation_all_epochs_are_trained(data) -> None:
    model, _ = fitted("lightgcn", replace(data, validation=None))
    assert model.record.stopped == "epochs"
    assert model.best_epochs == OPTIONS["epochs"]
    assert all(entry.validation is None for entry in model.record.epochs)


def test_a_time_budget_ends_training_after_the_epoch_that_crosses_it(data) -> None:
    model, _ = fitted("lightgcn", data, max_seconds=1e-6)
    assert model.record.stopped == "time"
    assert len(model.record.epochs) == 1


def test_the_record_says_what_happened(data, tmp_path) -> None:
    path = tmp_path / "records" / "lightgcn.json"
    model, _ = fitted("lightgcn", data, TrainingRun(record=path))
    document = json.loads(path.read_text())
    assert document["config"]["embedding_dim"] == 8
    assert document["seed"] == data.seed
    assert document["device"] == "cpu"
    assert document["threads"] == 1
    assert {"torch", "numpy", "python"} <= document["versions"].keys()
    assert [entry["epoch"] for entry in document["epochs"]] == [1, 2, 3, 4, 5, 6]
    assert document["epochs"][-1]["loss"] < document["epochs"][0]["loss"]
    assert document["seconds"] > 0
    assert document["peak_memory_mb"] > 0
    assert RunRecord.model_validate(document) == model.record


def test_progress_is_shown_on_a_terminal(data) -> None:
    out = io.StringIO()
    progress = RichTrainingProgress(Console(file=out, force_terminal=True, width=120))
    fitted("lightgcn", data, TrainingRun(progress=progress))
    assert "train LightGCN" in out.getvalue()
    assert "6/6" in out.getvalue()
    assert "ndcg@20" in out.getvalue()


@trained_models
def test_models_say_that_they_can_be_followed(name) -> None:
    assert isinstance(MODELS[name].build(), SupportsTrainingRun)
    assert not isinstance(MODELS["popularity"].build(), SupportsTrainingRun)


@trained_models
def test_nothing_to_learn_from_is_refused(name) -> None:
    empty = TrainingData(Interactions.of([], [], num_users=3, num_items=4))
    with pytest.raises(InputError, match="at least one interaction"):
        fitted(name, empty)


def test_a_diverging_run_is_refused_with_the_remedy(data) -> None:
    with pytest.raises(InputError, match="smaller learning_rate"):
        fitted("lightgcn", data, learning_rate=1e25, loss="bpr")


@trained_models
def test_training_leaves_the_caller_s_random_state_and_threads_alone(name, data) -> None:
    torch.manual_seed(5)
    before, count = torch.get_rng_state(), torch.get_num_threads()
    fitted(name, data)
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.get_num_threads() == count


def test_auto_is_a_device_that_is_there() -> None:
    assert device_named("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")
    assert device_named("cpu") == torch.device("cpu")
    for name in ("tpu", "cuda:x", f"cuda:{torch.cuda.device_count()}"):
        with pytest.raises(InputError):
            device_named(name)


def test_threads_are_put_back_after_an_error() -> None:
    before = torch.get_num_threads()
    with pytest.raises(Interrupted):
        _interrupted_on_one_thread()
    assert torch.get_num_threads() == before


def _interrupted_on_one_thread() -> None:
    with threads(1):
        assert torch.get_num_threads() == 1
        raise Interrupted
