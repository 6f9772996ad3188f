"""The engine's part of a release: operators as named arrays, and one document that says what they are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from gnn.fusion import FusionWeights
from gnn.models import MODELS
from gnn.operators import Operator, operator_from_arrays
from graph.errors import ReleaseError
from graph.release import Release

FORMAT = 1
DOCUMENT = "engine"
_PREFIX = "operators"
LIVE_SOURCES = ("attributes", "relations")
"""Sources that are fitted again when a curator changes the edges they are made of."""


@dataclass(frozen=True)
class Policy:
    """Decisions of a shop that are kept with the release.

    ``repeat``: whether items a customer has seen may be recommended again (groceries).
    """

    repeat: bool = False


@dataclass(frozen=True)
class EnginePart:
    """What an engine is made of, beside the graph."""

    operators: Mapping[str, Operator]
    weights: FusionWeights
    families: Mapping[str, str] = field(default_factory=dict)
    options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """How each live source was configured, to fit it again the same way."""
    policy: Policy = field(default_factory=Policy)


def engine_payload(
    operators: Mapping[str, Operator],
    weights: FusionWeights,
    *,
    options: Mapping[str, Mapping[str, Any]] | None = None,
    policy: Policy | None = None,
) -> tuple[dict[str, npt.NDArray[np.generic]], dict[str, Any]]:
    """Arrays and documents of the engine, for :func:`graph.release.write_release`.

    ``operators`` may hold more than the fusion weighs; related items use all of them. ``options`` are those the
    live sources (:data:`LIVE_SOURCES`) were fitted with.
    """
    arrays: dict[str, npt.NDArray[np.generic]] = {}
    for name, operator in operators.items():
        for part, array in operator.arrays().items():
            arrays[f"{_PREFIX}/{name}/{part}"] = array
    document = {
        "format": FORMAT,
        "sources": {
            name: {"kind": operator.kind, "family": family_of(name), "fused": name in weights.space.sources}
            for name, operator in operators.items()
        },
        "fusion": weights.to_document(),
        "options": {name: dict(given) for name, given in (options or {}).items() if name in LIVE_SOURCES},
        "policy": {"repeat": (policy or Policy()).repeat},
        "fallbacks": ["popularity"],
    }
    return arrays, {DOCUMENT: document}


def engine_part(release: Release) -> EnginePart:
    """What :func:`engine_payload` put into a release.

    Raises:
        ReleaseError: when the document is of another format, or arrays are missing or do not fit.
    """
    if DOCUMENT not in release.documents:
        raise ReleaseError(
            "the release holds no engine", where=release.id, remedy="Train again, or activate another release."
        )
    document = release.document(DOCUMENT)
    arrays = release.arrays(f"{_PREFIX}/")
    try:
        if document["format"] != FORMAT:
            raise ReleaseError(
                "the release's engine is of another format", expected=str(FORMAT), got=document["format"],
                remedy="Train again, or serve it with the version that wrote it.",
            )  # fmt: skip
        operators = {
            name: operator_from_arrays(source["kind"], _of(name, arrays))
            for name, source in document["sources"].items()
        }
        num_items = len(release.snapshot.nodes(release.snapshot.schema.item_type))
        for name, operator in operators.items():
            _check_items(name, operator, num_items)
        return EnginePart(
            operators,
            FusionWeights.from_document(document["fusion"]),
            {name: str(source["family"]) for name, source in document["sources"].items()},
            {name: dict(given) for name, given in document["options"].items()},
            Policy(repeat=bool(document["policy"]["repeat"])),
        )
    except (KeyError, TypeError, AttributeError, IndexError) as error:
        raise ReleaseError("the release's engine document is not usable", got=error, where=release.id) from error


def family_of(name: str) -> str:
    """The family of a source in the model registry; ``other`` for one that is not registered."""
    return MODELS[name].family if name in MODELS else "other"


def _check_items(name: str, operator: Operator, num_items: int) -> None:
    """:class:`ReleaseError` when an operator is over another number of items than the snapshot."""
    nothing = sp.csr_array(np.zeros((1, num_items), np.float32))
    try:
        width = operator.score(nothing).shape[1]
    except ValueError as error:
        raise ReleaseError("a source does not fit the snapshot", got=error, where=name) from error
    if width != num_items:
        raise ReleaseError("a source does not fit the snapshot", expected=f"{num_items} items", got=width, where=name)


def _of(name: str, arrays: Mapping[str, npt.NDArray[np.generic]]) -> dict[str, npt.NDArray[np.generic]]:
    start = f"{_PREFIX}/{name}/"
    return {key.removeprefix(start): array for key, array in arrays.items() if key.startswith(start)}
