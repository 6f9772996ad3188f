"""Run records as MLflow runs, where MLflow is installed and told where to keep them."""

from __future__ import annotations

import os
from importlib.util import find_spec

from gnn.training.record import RunRecord
from graph.errors import MissingExtra

EXPERIMENT = "kindred"
TRACKING_URI = "MLFLOW_TRACKING_URI"
"""MLflow's own environment variable: a folder as ``file:…``, a database or a server."""


def tracking_is_on() -> bool:
    """Whether MLflow is installed and an address for its runs is set."""
    return bool(os.environ.get(TRACKING_URI)) and find_spec("mlflow") is not None


def track(record: RunRecord) -> None:
    """Logs a finished training as one MLflow run: options, losses and validation by epoch, the best epoch.

    Raises:
        MissingExtra: when MLflow is not installed.
    """
    try:
        from mlflow import MlflowClient
        from mlflow.entities import Metric, Param, RunTag
    except ImportError as error:
        raise MissingExtra(
            "run records go to MLflow only where it is installed", remedy="pip install 'kindred[track]'."
        ) from error
    client = MlflowClient()
    found = client.get_experiment_by_name(EXPERIMENT)
    experiment_id = client.create_experiment(EXPERIMENT) if found is None else found.experiment_id
    run_id = client.create_run(experiment_id, run_name=record.model).info.run_id
    metrics = []
    at_ms = 0
    for entry in record.epochs:
        at_ms += round(1000 * entry.seconds)
        metrics.append(Metric("loss", entry.loss, at_ms, entry.epoch))
        for name, value in (entry.validation or {}).items():
            metrics.append(Metric(f"validation_{_named(name)}", value, at_ms, entry.epoch))
    last = len(record.epochs)
    summary = {"seconds": record.seconds, "peak_memory_mb": record.peak_memory_mb, "best_epoch": record.best_epoch}
    summary |= {f"best_{_named(name)}": value for name, value in (record.best_validation or {}).items()}
    metrics += [Metric(name, float(value), at_ms, last) for name, value in summary.items()]
    params = {"seed": record.seed, "device": record.device, "parameters": record.parameters} | record.config
    tags = {"model": record.model, "data": record.data, "stopped": str(record.stopped)}
    tags |= {f"version.{name}": value for name, value in record.versions.items()}
    client.log_batch(
        run_id,
        metrics=metrics,
        params=[Param(name, str(value)) for name, value in params.items()],
        tags=[RunTag(name, value) for name, value in tags.items()],
    )
    client.set_terminated(run_id)


def _named(metric: str) -> str:
    """MLflow takes no @ in names."""
    return metric.replace("@", "_at_")
