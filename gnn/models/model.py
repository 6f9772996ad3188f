"""What every model is: a configuration, a fit, and a numpy side."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any, ClassVar, Protocol, cast

from pydantic import BaseModel, ConfigDict

from gnn.data import TrainingData
from gnn.operators import Operator
from graph.errors import InputError, MissingExtra


class ModelConfig(BaseModel):
    """Base of every model's configuration: frozen, unknown fields refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Model(Protocol):
    """A recommender. ``fit`` learns, and returns the numpy side that is served."""

    reference: ClassVar[str]

    def fit(self, data: TrainingData) -> Operator: ...


@dataclass(frozen=True)
class ModelEntry:
    """One line of the registry: where a model and its configuration live, and what it is."""

    path: str
    """``module:Class``; imported on first use, so that listing models needs no torch."""
    family: str
    """``baseline``, ``walk``, ``text`` or ``gnn``."""
    summary: str
    default: bool = True
    """Whether it is fitted when nobody names models; the rest of the zoo is fitted on request."""

    def config(self) -> type[ModelConfig]:
        """The class of the model's configuration."""
        return cast(type[ModelConfig], self._loaded().Config)

    def _loaded(self) -> Any:
        module_name, _, class_name = self.path.partition(":")
        try:
            return getattr(import_module(module_name), class_name)
        except ImportError as error:
            raise MissingExtra(
                f"{class_name} needs a package that is not installed",
                got=error.name or error,
                remedy="Install the training extra: pip install 'kindred[train]'.",
            ) from error

    def build(self, **options: Any) -> Model:
        """The model, configured. Its class takes one argument, an instance of its ``Config``."""
        model_class = self._loaded()
        try:
            config = model_class.Config(**options)
        except ValueError as error:
            raise InputError(f"{model_class.__name__} cannot be configured", got=error) from error
        return cast(Callable[[Any], Model], model_class)(config)
