"""The one trainer: epochs over blocks of users, early stop on validation, checkpoints that resume exactly."""

from __future__ import annotations

import hashlib
import platform
import resource
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn

from gnn.data import Interactions, TrainingData
from gnn.data.histories import IntArray
from gnn.evaluation import evaluate
from gnn.operators import Operator, OperatorRanker
from gnn.training.checkpoint import Checkpoint, optimizer_tensors, restore_optimizer
from gnn.training.device import device_named, repeatable, threads
from gnn.training.options import TrainingConfig
from gnn.training.record import EpochRecord, RunRecord, StopReason
from gnn.training.run import TrainingRun
from gnn.training.workers import Workers, workers_here
from graph.errors import InputError
from graph.sorting import distinct

SELECTION_METRIC = "ndcg@20"
VALIDATION_METRICS = ("recall@20", "ndcg@20")


class Objective(Protocol):
    """What is minimised: parameters, the loss of a block of users, and the numpy side at any moment."""

    @property
    def module(self) -> nn.Module: ...

    def loss(self, users: IntArray, rng: np.random.Generator) -> Tensor:
        """The mean loss of a block of users; ``rng`` for whatever it draws."""
        ...

    def operator(self) -> Operator:
        """The numpy side of the parameters as they are; called without gradients, in evaluation mode."""
        ...


@dataclass(frozen=True)
class Trained:
    """The end of a run: the numpy side of the best epoch, and the record."""

    operator: Operator
    record: RunRecord


def train(name: str, objective: Objective, config: TrainingConfig, data: TrainingData, run: TrainingRun) -> Trained:
    """Trains an objective, or goes on where the run's checkpoint ends; the module ends with the best epoch's values.

    On a CPU the same seed and number of threads give bit-equal parameters, whether or not the run was interrupted:
    every random number follows from the seed and the epoch. In a process group the workers share every step, see
    :mod:`gnn.training.workers`.

    Raises:
        InputError: when there is nothing to learn from, or the checkpoint belongs to another run.
    """
    if not len(data.train):
        raise InputError(f"{name} cannot be trained", expected="at least one interaction", got="none")
    device = device_named(data.device)
    with threads(config.threads) as count, repeatable(device), torch.random.fork_rng(devices=_gpus(device)):
        return _Trainer(name, objective, config, data, run, device, count).train()


@dataclass
class _Trainer:
    name: str
    objective: Objective
    config: TrainingConfig
    data: TrainingData
    run: TrainingRun
    device: torch.device
    num_threads: int
    workers: Workers = field(default_factory=workers_here)
    _without_improvement: int = 0
    _steps_since_validation: int = 0
    _best: dict[str, Tensor] = field(default_factory=dict)

    def train(self) -> Trained:
        module = self.objective.module
        self._optimizer = torch.optim.Adam(
            [value for value in module.parameters() if value.requires_grad],
            lr=self.config.learning_rate,
            weight_decay=self.config.weight_decay,
            fused=True,
        )
        self._weight = np.bincount(self.data.train.user_index, minlength=self.data.train.num_users)
        self._users = np.flatnonzero(self._weight).astype(np.int32)
        self._sample = _validation_sample(self.data, self.config.validation_users)
        self._record = self._new_record()
        self._resume()
        record, started, written = self._record, time.perf_counter(), time.perf_counter()
        before_s, already = record.seconds, len(record.epochs)
        self.run.progress.start(self.name, len(record.epochs), self.config.epochs)
        while record.stopped is None:
            self._epoch(len(record.epochs) + 1)
            now = time.perf_counter()
            record.seconds = before_s + now - started
            record.peak_memory_mb = max(record.peak_memory_mb, _peak_memory_mb(self.device))
            record.stopped = self.workers.agree(self._reason_to_stop())
            if record.stopped or now - written >= self.run.checkpoint_every_s:
                self._write()
                written = now
        self.run.progress.stop(record.stopped)
        if self.run.finished is not None and len(record.epochs) > already:
            self.run.finished(record)
        if self._best:
            module.load_state_dict(self._best)
        return Trained(self._operator(), record)

    def _epoch(self, epoch: int) -> None:
        started = time.perf_counter()
        rng = np.random.default_rng([self.data.seed, epoch])
        torch.manual_seed(int(rng.integers(2**63)))
        self.objective.module.train()
        total = 0.0
        # Every worker sees the same blocks, and draws what it compares its part with by itself.
        draws = np.random.default_rng([self.data.seed, epoch, self.workers.rank]) if self.workers.rank else rng
        used, taken = self._used()
        for number, users in enumerate(self._blocks(rng)):
            self._set_rate(used + taken * number * self.config.batch_users / self._users.size)
            total += self._step(self.workers.part(users), draws) * users.size
            self._steps_since_validation += 1
        mean = total / self._users.size
        if not np.isfinite(mean):
            raise InputError(
                f"{self.name} diverged",
                expected="a finite loss",
                got=mean,
                where=f"epoch {epoch}",
                remedy="Use a smaller learning_rate.",
            )
        entry = EpochRecord(epoch=epoch, loss=mean, seconds=time.perf_counter() - started)
        self._record.epochs.append(entry)
        if self._sample is not None and self._is_validation_due(epoch):
            self._validate(entry)
        self.run.progress.epoch(epoch, mean, entry.validation)

    def _step(self, users: IntArray, rng: np.random.Generator) -> float:
        """One step of the optimiser on a block of users, this worker's part of it; the whole block's loss."""
        self._optimizer.zero_grad(set_to_none=True)
        mean = 0.0
        if users.size:
            with torch.autocast(self.device.type, torch.bfloat16, enabled=self._bf16):
                loss = self.objective.loss(users, rng)
            loss.backward()  # type: ignore[no-untyped-call]
            mean = float(loss.detach())
        mean = self.workers.merge(self.objective.module.parameters(), mean, float(self._weight[users].sum()))
        self._optimizer.step()
        return mean

    def _used(self) -> tuple[float, float]:
        """The part of the budget that is used before the next epoch, and the part that an epoch takes."""
        config, done = self.config, len(self._record.epochs)
        used, taken = done / config.epochs, 1 / config.epochs
        if config.max_seconds is not None and done:
            by_time = self._record.seconds / config.max_seconds
            if by_time > used:
                used, taken = by_time, by_time / done
        return self.workers.agree((used, taken))

    def _set_rate(self, used: float) -> None:
        """Nothing; the learning rate is what the used part of the budget leaves of it.

        Li et al., "Budgeted training: rethinking deep neural network training under resource constraints", 2020.
        """
        last = self.config.learning_rate_end
        for group in self._optimizer.param_groups:
            group["lr"] = self.config.learning_rate * (last + (1 - last) * max(1 - used, 0))

    @property
    def _bf16(self) -> bool:
        return self.config.bf16 and self.device.type == "cuda"

    def _blocks(self, rng: np.random.Generator) -> Iterator[IntArray]:
        order = rng.permutation(self._users)
        for start in range(0, order.size, self.config.batch_users):
            yield np.sort(order[start : start + self.config.batch_users])

    def _is_validation_due(self, epoch: int) -> bool:
        return self._steps_since_validation >= self.config.validate_steps or epoch == self.config.epochs

    def _validate(self, entry: EpochRecord) -> None:
        assert self._sample is not None
        self._steps_since_validation = 0
        metrics: dict[str, float] = {}
        if self.workers.rank == 0:
            ranker = OperatorRanker(self._operator())
            metrics = evaluate(
                ranker, self.data.train, self._sample, metrics=VALIDATION_METRICS, slices=(), repeats=self.data.repeats
            ).metrics
        metrics = self.workers.agree(metrics)
        entry.validation = metrics
        best = self._record.best_validation
        if best is None or metrics[SELECTION_METRIC] > best[SELECTION_METRIC]:
            self._record.best_validation = metrics
            self._record.best_epoch = entry.epoch
            self._best = {name: value.detach().clone() for name, value in self.objective.module.state_dict().items()}
            self._without_improvement = 0
        else:
            self._without_improvement += 1

    def _operator(self) -> Operator:
        self.objective.module.eval()
        with torch.no_grad():
            return self.objective.operator()

    def _reason_to_stop(self) -> StopReason | None:
        record, budget = self._record, self.config.max_seconds
        reason: StopReason | None = None
        if len(record.epochs) >= self.config.epochs:
            reason = "epochs"
        elif self._without_improvement >= self.config.patience:
            reason = "patience"
        elif budget is not None and record.seconds >= budget:
            reason = "time"
        if reason is not None and not self._best:
            record.best_epoch = len(record.epochs)
        return reason

    def _new_record(self) -> RunRecord:
        return RunRecord(
            model=self.name,
            config=self.config.model_dump(mode="json"),
            seed=self.data.seed,
            device=str(self.device),
            threads=self.num_threads,
            parameters=sum(value.numel() for value in self.objective.module.parameters()),
            versions=_versions(),
            data=_fingerprint(self.data),
        )

    def _resume(self) -> None:
        path = self.run.checkpoint
        if path is None or not self.workers.agree(path.exists()):
            return
        checkpoint = Checkpoint.read(path)
        mine, found = self._record, checkpoint.record
        for part in ("model", "config", "seed", "data"):
            if getattr(mine, part) != getattr(found, part):
                raise InputError(
                    "the checkpoint belongs to another run",
                    expected=f"the same {part}",
                    got="a different one",
                    where=str(path),
                    remedy="Delete it to start over, or choose another file.",
                )
        self.objective.module.load_state_dict(dict(checkpoint.module))
        restore_optimizer(self._optimizer, checkpoint.optimizer)
        self._best = {name: value.to(self.device) for name, value in checkpoint.best.items()}
        self._without_improvement = checkpoint.without_improvement
        self._steps_since_validation = checkpoint.steps_since_validation
        self._record = found.model_copy(update={"resumed": found.resumed + (found.stopped is None)})

    def _write(self) -> None:
        if self.workers.rank:
            return
        if self.run.record is not None:
            self._record.write(self.run.record)
        if self.run.checkpoint is not None:
            Checkpoint(
                self._record,
                self.objective.module.state_dict(),
                self._best,
                optimizer_tensors(self._optimizer),
                self._without_improvement,
                self._steps_since_validation,
            ).write(self.run.checkpoint)


def _validation_sample(data: TrainingData, limit: int) -> Interactions | None:
    """What validation looks at: all of it, or the interactions of a fixed sample of its users."""
    if data.validation is None or not len(data.validation):
        return None
    users = distinct(data.validation.user_index)
    if users.size <= limit:
        return data.validation
    chosen = np.random.default_rng(data.seed).choice(users, limit, replace=False)
    return data.validation.where(np.isin(data.validation.user_index, chosen))


def _fingerprint(data: TrainingData) -> str:
    digest = hashlib.sha256(f"{data.train.num_users} {data.train.num_items}".encode())
    for part in (data.train, data.validation):
        if part is not None:
            digest.update(part.user_index.tobytes())
            digest.update(part.item_index.tobytes())
    for edge_type, matrix in (*data.knowledge.attributes.items(), *data.knowledge.relations.items()):
        digest.update(f"{edge_type} {matrix.shape}".encode())
        digest.update(np.asarray(matrix.indices, np.int64).tobytes())
    return digest.hexdigest()


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for package in ("kindred", "torch", "torch-geometric", "numpy", "scipy"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue  # a checkout that was never installed
    return found


def _peak_memory_mb(device: torch.device) -> float:
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # Linux counts kilobytes, macOS bytes.
    return peak / (2**20 if platform.system() == "Darwin" else 2**10)


def _gpus(device: torch.device) -> list[int]:
    return [] if device.type == "cpu" else [device.index or 0]
