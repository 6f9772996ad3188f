"""Checkpoints: tensors and JSON in one safetensors file, so that a write is one rename and nothing is unpickled."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from gnn.training.record import RunRecord
from graph.errors import InputError

_FORMAT = "kindred-checkpoint-1"


@dataclass(frozen=True)
class Checkpoint:
    """A run after some epochs. Random numbers need no state: they follow from the seed and the epoch."""

    record: RunRecord
    module: Mapping[str, Tensor]
    best: Mapping[str, Tensor]
    optimizer: Mapping[int, Mapping[str, Tensor]]
    without_improvement: int
    steps_since_validation: int

    def write(self, path: Path) -> None:
        """Writes the checkpoint durably; a reader sees the old or the new one."""
        tensors = {f"module/{name}": value for name, value in self.module.items()}
        tensors |= {f"best/{name}": value for name, value in self.best.items()}
        for index, state in self.optimizer.items():
            tensors |= {f"optimizer/{index}/{name}": value for name, value in state.items()}
        document = {
            "record": self.record.model_dump(mode="json"),
            "without_improvement": self.without_improvement,
            "steps_since_validation": self.steps_since_validation,
        }
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.{os.getpid()}")
        # A copy each, because safetensors refuses tensors that share memory.
        copies = {name: value.detach().cpu().clone().contiguous() for name, value in tensors.items()}
        save_file(copies, temporary, metadata={"format": _FORMAT, "document": json.dumps(document)})
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
        directory = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)

    @classmethod
    def read(cls, path: Path) -> Checkpoint:
        """The checkpoint in a file.

        Raises:
            InputError: when the file is damaged or is no checkpoint of this version.
        """
        parts: dict[str, dict[str, Tensor]] = {"module": {}, "best": {}}
        optimizer: dict[int, dict[str, Tensor]] = {}
        try:
            with safe_open(path, framework="pt") as file:
                metadata = file.metadata() or {}
                if metadata.get("format") != _FORMAT:
                    raise ValueError(f"format {metadata.get('format')!r}")
                document: dict[str, Any] = json.loads(metadata["document"])
                for key in file.keys():  # noqa: SIM118 - safe_open is no mapping
                    part, _, name = key.partition("/")
                    if part == "optimizer":
                        index, _, name = name.partition("/")
                        optimizer.setdefault(int(index), {})[name] = file.get_tensor(key)
                    else:
                        parts[part][name] = file.get_tensor(key)
            record = RunRecord.model_validate(document["record"])
            counts = int(document["without_improvement"]), int(document["steps_since_validation"])
        except (SafetensorError, ValueError, KeyError, TypeError, OSError) as error:
            raise InputError(
                "the checkpoint cannot be read", got=error, where=str(path), remedy="Delete it to start over."
            ) from error
        return cls(record, parts["module"], parts["best"], optimizer, *counts)


def optimizer_tensors(optimizer: torch.optim.Optimizer) -> dict[int, dict[str, Tensor]]:
    """The optimizer's state per parameter, tensors only (Adam keeps nothing else)."""
    return {index: dict(state) for index, state in optimizer.state_dict()["state"].items()}


def restore_optimizer(optimizer: torch.optim.Optimizer, tensors: Mapping[int, Mapping[str, Tensor]]) -> None:
    """Puts :func:`optimizer_tensors` back."""
    state = optimizer.state_dict()
    state["state"] = {index: dict(values) for index, values in tensors.items()}
    optimizer.load_state_dict(state)
