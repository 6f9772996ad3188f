"""Releases from a folder, ready to answer."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from api.engine import Engine
from api.engine.steering import NO_RULES, Rules
from api.serving.live import Live
from api.serving.serving import ReleaseRow
from graph.errors import KindredError, NotFound
from graph.overlay import Overlay
from graph.release import activate, list_releases, open_release, release_document, rollback

FIGURES, VERDICT = "evaluation", "gate"
"""Documents that training writes into a release: its figures, and what the gate said."""


class FolderReleases:
    """The releases of one folder, as ``kindred train`` writes them."""

    def __init__(self, root: Path, rules: Callable[[], Rules] = lambda: NO_RULES) -> None:
        self._root = root
        self._rules = rules
        self._rows: dict[str, tuple[Any, Any]] = {}

    def current_id(self) -> str | None:
        """The id in the CURRENT pointer; ``None`` before the first release."""
        return next((info.id for info in list_releases(self._root) if info.current), None)

    def take(self, release_id: str) -> Live:
        """The release, verified, with its engine over an empty overlay."""
        release = open_release(self._root / release_id)
        overlay = Overlay(release.snapshot)
        engine = Engine.from_release(release, overlay, rules=self._rules)
        return Live(
            release.id, release.created_at.isoformat(), engine, engine.view, overlay, release.snapshot.watermark
        )

    def activate(self, release_id: str) -> None:
        """Points CURRENT to a release, after verifying it.

        Raises:
            NotFound: when the folder holds no such release.
        """
        if all(info.id != release_id for info in list_releases(self._root)):
            raise NotFound("there is no such release", got=release_id, remedy="GET /v1/models lists them.")
        activate(self._root, release_id)

    def roll_back(self) -> str:
        """Points CURRENT to the release before; its id."""
        return rollback(self._root)

    def rows(self) -> list[ReleaseRow]:
        """Every release, newest first, with what training wrote into it; releases never change, so it is kept."""
        infos = list_releases(self._root)
        for info in infos:
            if info.id not in self._rows:
                self._rows[info.id] = (_document(info.directory, FIGURES), _document(info.directory, VERDICT))
        return [ReleaseRow(info.id, info.created_at.isoformat(), info.current, *self._rows[info.id]) for info in infos]


def _document(directory: Path, name: str) -> Any:
    """The document, ``None`` where training wrote none, a sentence where it is damaged."""
    try:
        return release_document(directory, name)
    except NotFound:
        return None
    except KindredError as error:
        return {"damaged": str(error)}
