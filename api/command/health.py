"""The checks of ``kindred doctor``."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec

from api.command.workshop import opened
from api.settings import Settings
from graph.errors import KindredError, NotFound, SchemaError
from graph.release import current_release
from graph.store import Drifting, shown_url

TRAINING_PACKAGES = ("torch", "torch_geometric", "sentence_transformers")


@dataclass(frozen=True, slots=True)
class Check:
    """One check: whether it is well, and what to know or to do."""

    name: str
    ok: bool
    says: str


def checks(settings: Settings) -> Iterator[Check]:
    """Every check, in the order of the data flow."""
    yield Check("python", True, f"{sys.version.split()[0]}, kindred {_version()}")
    missing = [name for name in TRAINING_PACKAGES if find_spec(name) is None]
    extra = f"not installed ({', '.join(missing)}); serving needs none of it" if missing else "installed"
    yield Check("training extra", True, extra)
    yield _store(settings)
    yield _release(settings)


def _version() -> str:
    try:
        return version("kindred")
    except PackageNotFoundError:
        return "run from a folder, not installed"


def _store(settings: Settings) -> Check:
    name = "graph store"
    try:
        with opened(settings) as graph:
            stats = graph.stats()
            drift = graph.drift() if isinstance(graph, Drifting) else []
    except SchemaError:
        return Check(name, True, f"{shown_url(settings.store)} is empty; `kindred ingest SOURCE` fills it")
    except KindredError as error:
        return Check(name, False, str(error))
    if drift:
        rest = f" and {len(drift) - 1} more like it" if drift[1:] else ""
        return Check(name, False, f"{drift[0]}{rest}. `kindred graph repair` makes what is missing.")
    return Check(name, True, f"{sum(stats.nodes.values()):,} nodes, {sum(stats.edges.values()):,} edges")


def _release(settings: Settings) -> Check:
    name = "release"
    try:
        release = current_release(settings.releases)
    except NotFound:
        return Check(name, True, "none yet; `kindred train` makes one")
    except KindredError as error:
        return Check(name, False, str(error))
    return Check(name, True, f"{release.id}, verified, {release.size_bytes / 1e6:.1f} MB")
