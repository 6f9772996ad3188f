"""A model's training shared by the workers of Ray Train: the same trainer, the same files, the same operator."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from gnn.data import TrainingData
from gnn.operators import Arrays, Operator, operator_from_arrays
from gnn.training.progress import SilentProgress
from gnn.training.record import RunRecord
from gnn.training.run import SupportsTrainingRun, TrainingRun
from graph.errors import InputError
from graph.ray import ray_with

_RESULT = "result.json"
_FOLD_IN = "fold_in/"
_OPERATOR = "operator/"


class OnRay:
    """A model of the registry, fitted by Ray's workers; implements :class:`gnn.training.SupportsTrainingRun`.

    A checkpoint to go on from has to lie where every worker can read it; on one machine any folder does.
    """

    def __init__(self, name: str, options: Mapping[str, Any], run: TrainingRun) -> None:
        self.name = name
        self.options = dict(options)
        self.run = run
        self.record: RunRecord | None = None
        self.best_epochs: int | None = None
        self.learned_options: dict[str, Any] = {}
        self._fold_in: Arrays = {}

    def fit(self, data: TrainingData) -> Operator:
        """The operator that rank 0 ends with.

        Raises:
            InputError: what the model itself refuses.
            MissingExtra: when Ray is not installed.
        """
        with ray_with(self.run.ray_workers), tempfile.TemporaryDirectory(prefix="kindred-ray-") as folder:
            import ray
            from ray.train import RunConfig, ScalingConfig
            from ray.train.torch import TorchTrainer

            result = TorchTrainer(
                _train_here,
                train_loop_config={
                    "name": self.name,
                    "options": self.options,
                    "data": ray.put(data),
                    "run": replace(self.run, progress=SilentProgress(), finished=None, ray_workers=0),
                },
                scaling_config=ScalingConfig(
                    num_workers=self.run.ray_workers, use_gpu=data.device not in ("cpu", "auto")
                ),
                run_config=RunConfig(name="training", storage_path=folder),
            ).fit()
            if result.checkpoint is None:
                raise InputError(f"{self.name} was not trained on Ray", got=result.error)
            with result.checkpoint.as_directory() as written:
                return self._read(Path(written))

    def fold_in_weights(self) -> Arrays:
        """The arrays that embed new items, where the model has some."""
        return self._fold_in

    def _read(self, folder: Path) -> Operator:
        document = json.loads((folder / _RESULT).read_text())
        if document["refused"] is not None:
            raise InputError(document["refused"])
        arrays: Arrays = {
            name: np.load(folder / f"{number}.npy", allow_pickle=False)
            for number, name in enumerate(document["arrays"])
        }
        self.record = None if document["record"] is None else RunRecord.model_validate(document["record"])
        self.best_epochs = document["best_epochs"]
        self.learned_options = document["learned_options"]
        self._fold_in = _under(_FOLD_IN, arrays)
        if self.run.finished is not None and self.record is not None:
            self.run.finished(self.record)
        return operator_from_arrays(document["kind"], _under(_OPERATOR, arrays))


def _train_here(order: dict[str, Any]) -> None:
    """What every worker runs; the first one hands the result over, as plain arrays and JSON."""
    import ray
    import ray.train

    from gnn.models import MODELS

    model = MODELS[order["name"]].build(**order["options"])
    assert isinstance(model, SupportsTrainingRun)
    model.run = order["run"]
    document: dict[str, Any] = {"refused": None, "record": None}
    arrays: dict[str, Any] = {}
    try:
        operator = model.fit(ray.get(order["data"]))
    except InputError as refused:
        document["refused"] = str(refused)
    else:
        arrays = {f"{_OPERATOR}{name}": array for name, array in operator.arrays().items()}
        weights = getattr(model, "fold_in_weights", None)
        arrays |= {f"{_FOLD_IN}{name}": array for name, array in (weights() if weights else {}).items()}
        document |= {
            "kind": operator.kind,
            "record": None if model.record is None else model.record.model_dump(mode="json"),
            "best_epochs": model.best_epochs,
            "learned_options": getattr(model, "learned_options", {}),
        }
    document["arrays"] = list(arrays)
    if ray.train.get_context().get_world_rank() != 0:
        ray.train.report({})
        return
    with tempfile.TemporaryDirectory(prefix="kindred-result-") as folder:
        for number, array in enumerate(arrays.values()):
            np.save(Path(folder) / f"{number}.npy", array, allow_pickle=False)
        (Path(folder) / _RESULT).write_text(json.dumps(document))
        ray.train.report({}, checkpoint=ray.train.Checkpoint.from_directory(folder))


def _under(prefix: str, arrays: Arrays) -> Arrays:
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}
