"""What an experiment has worked out already, kept in a folder, so that an interrupted one goes on where it was.

Every piece has a name made of all that shapes it: the data and the split, the stage, the model, its options and its
code. A piece whose name is not there is worked out again; nothing here is ever wrong, only missing.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from pkgutil import iter_modules
from typing import Any, BinaryIO

import numpy as np

from gnn import fusion
from gnn.data.histories import IntArray
from gnn.fusion import FusionWeights, LearnedFusion
from gnn.models import MODELS
from gnn.operators import Operator, operator_from_arrays
from graph.errors import ReleaseError
from graph.files import replacing

MOST_BYTES = 512 << 20


@dataclass(frozen=True)
class KeptFit:
    """A fitted model without what only a release needs."""

    operator: Operator
    document: Mapping[str, Any]
    """Seconds, peak memory, options and run record, as JSON."""


@dataclass(frozen=True)
class Keeper:
    """Keeps pieces of one experiment in ``folder``. ``measured`` names the data, the split and the seed."""

    folder: Path
    measured: str

    def name(self, *shaped_by: object) -> str:
        """The name of a piece that is shaped by these, within this experiment."""
        text = json.dumps([self.measured, *(str(part) for part in shaped_by)])
        return hashlib.sha256(text.encode()).hexdigest()[:20]

    def fit_name(self, stage: str, model: str, options: Mapping[str, Any]) -> str:
        return f"{model}-{self.name(stage, model, _sorted(options), code_of(model))}"

    def fit(self, name: str) -> KeptFit | None:
        """The fitted model of this name, if it is kept."""
        path = self.folder / f"{name}.npz"
        if not path.exists():
            return None
        with np.load(path) as stored:
            arrays = {key: stored[key] for key in stored.files if key != "document"}
            document = json.loads(bytes(stored["document"]))
        try:
            return KeptFit(operator_from_arrays(document["kind"], arrays), document)
        except ReleaseError:
            return None  # written by another version

    def keep_fit(self, name: str, operator: Operator, document: Mapping[str, Any]) -> None:
        """Keeps a fitted model, unless it is so large that fitting it again is the cheaper way."""
        if sum(array.nbytes for array in operator.arrays().values()) > MOST_BYTES:
            return
        text = json.dumps({**document, "kind": operator.kind}).encode()
        arrays: dict[str, Any] = {**operator.arrays(), "document": np.frombuffer(text, np.uint8)}
        self._written(f"{name}.npz", lambda file: np.savez(file, **arrays))

    def lists(self, name: str, ranked: Callable[[], IntArray]) -> IntArray:
        """The lists of this name, made by ``ranked`` when they are not kept. Shape (N, K)."""
        path = self.folder / f"lists-{name}.npy"
        if path.exists():
            return np.asarray(np.load(path), np.int32)
        made = ranked()
        self._written(path.name, lambda file: np.save(file, made))
        return made

    def document(self, name: str, made: Callable[[], Any]) -> Any:
        """The JSON value of this name, made when it is not kept."""
        path = self.folder / f"{name}.json"
        if path.exists():
            return json.loads(path.read_text())
        value = made()
        self._written(path.name, lambda file: file.write(json.dumps(value).encode()))
        return value

    def fusion(self, name: str, learned: Callable[[], LearnedFusion]) -> LearnedFusion:
        """The learned fusion of this name, learned when it is not kept."""
        path = self.folder / f"fusion-{name}.npz"
        if path.exists():
            with np.load(path) as stored:
                document = json.loads(bytes(stored["document"]))
                fold_of = np.asarray(stored["fold_of"], np.int8)
            weights, *folds = (FusionWeights.from_document(part) for part in document["weights"])
            return LearnedFusion(weights, tuple(folds), fold_of, None, document["num_examples"])
        made = learned()
        parts = [weights.to_document() for weights in (made.weights, *made.folds)]
        text = json.dumps({"weights": parts, "num_examples": made.num_examples}).encode()
        self._written(
            path.name,
            lambda file: np.savez(file, document=np.frombuffer(text, np.uint8), fold_of=made.fold_of),
        )
        return made

    def fusion_name(self, stage: str, options: Mapping[str, Mapping[str, Any]]) -> str:
        sources = [(model, _sorted(options[model]), code_of(model)) for model in sorted(options)]
        return self.name(stage, sources, _code(_fusion_modules()))

    def raise_name(self, stage: str, options: Mapping[str, Mapping[str, Any]]) -> str:
        """The name of how far a fusion raises new items, see :mod:`gnn.experiment.newcomers`."""
        return f"raised-{self.name(self.fusion_name(stage, options), _code(('gnn.experiment.newcomers',)))}"

    def _written(self, name: str, write: Callable[[BinaryIO], Any]) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        with replacing(self.folder / name) as file:
            write(file)


def code_of(model: str) -> str:
    """A digest of the file that a model is written in."""
    return _code((MODELS[model].path.partition(":")[0],))


def _fusion_modules() -> tuple[str, ...]:
    return tuple(f"gnn.fusion.{module.name}" for module in iter_modules(fusion.__path__))


@cache
def _code(modules: tuple[str, ...]) -> str:
    digest = hashlib.sha256()
    for module in modules:
        spec = find_spec(module)
        if spec is not None and spec.origin is not None:
            digest.update(Path(spec.origin).read_bytes())
    return digest.hexdigest()[:16]


def _sorted(options: Mapping[str, Any]) -> str:
    return json.dumps(options, sort_keys=True, default=str)
