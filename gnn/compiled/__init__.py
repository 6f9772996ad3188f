"""The inner loops of scoring: compiled where numba is installed, numpy where it is not; the same answers either way.

What one answer costs is a few dozen passes over a row of scores. In numpy each is several passes with a temporary
each, and Python between them; compiled they are one. ``docs/decisions/0025`` has the figures.
"""

from __future__ import annotations

from types import ModuleType

from graph.compiled import loops


def kernels(name: str = "rows") -> ModuleType | None:
    """The compiled loops of one module here; ``None`` without numba."""
    return loops(f"gnn.compiled.{name}")
