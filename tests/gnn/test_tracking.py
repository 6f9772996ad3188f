"""A finished training becomes an MLflow run, if MLflow is told where."""

from __future__ import annotations

import warnings

import pytest

from gnn.models import MODELS
from gnn.splits import random_per_user
from gnn.training import TrainingRun
from gnn.training.tracking import TRACKING_URI, track, tracking_is_on


def test_without_an_address_nothing_is_tracked(monkeypatch) -> None:
    monkeypatch.delenv(TRACKING_URI, raising=False)
    assert not tracking_is_on()


@pytest.mark.filterwarnings("default")
def test_a_training_is_one_run_with_its_options_losses_and_best_epoch(checkerboard, tmp_path, monkeypatch) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # MLflow's own imports
        mlflow = pytest.importorskip("mlflow", reason="NOT TESTED: MLflow is not installed")
    monkeypatch.setenv(TRACKING_URI, f"file:{tmp_path}")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    mlflow.set_tracking_uri(f"file:{tmp_path}")
    assert tracking_is_on()
    split = random_per_user(checkerboard.data.train, validation_share=0.25, seed=1)
    model = MODELS["lightgcn"].build(epochs=3, embedding_dim=8, threads=1, validate_steps=1)
    model.run = TrainingRun(finished=track)
    model.fit(split.training_data())
    client = mlflow.MlflowClient()
    experiment = client.get_experiment_by_name("kindred")
    (run,) = client.search_runs([experiment.experiment_id])
    assert run.info.status == "FINISHED"
    assert run.data.params["embedding_dim"] == "8"
    assert run.data.tags["model"] == "LightGCN"
    assert run.data.metrics["best_epoch"] == model.best_epochs
    losses = [point.value for point in client.get_metric_history(run.info.run_id, "loss")]
    assert losses == pytest.approx([entry.loss for entry in model.record.epochs])
    assert run.data.metrics["best_ndcg_at_20"] == pytest.approx(model.record.best_validation["ndcg@20"])
