"""Which release is live: the files ``CURRENT`` and ``PREVIOUS``, swapped whole."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from graph.errors import KindredError, NotFound, ReleaseError
from graph.files import one_writer, replace_file
from graph.release.naming import is_release_id, parse_release_id
from graph.release.opening import Release, open_release
from graph.snapshot.mapped import read_whole

CURRENT, PREVIOUS = "CURRENT", "PREVIOUS"
_MAX_POINTER_BYTES = 100


@dataclass(frozen=True, slots=True)
class ReleaseInfo:
    """A release as listed; listing does not verify."""

    id: str
    created_at: datetime
    directory: Path
    current: bool
    previous: bool

    def to_json(self) -> dict[str, object]:
        """What a machine is told of it."""
        return {
            "id": self.id,
            "created_at": self.created_at.isoformat(),
            "current": self.current,
            "previous": self.previous,
        }


def current_id(root: Path) -> str | None:
    """The id of the live release; None before the first activation."""
    return _pointer(Path(root), CURRENT)


def current_release(root: Path) -> Release:
    """The live release, verified.

    Raises:
        NotFound: when none was ever activated.
        ReleaseError: when it is damaged.
    """
    root = Path(root)
    release_id = current_id(root)
    if release_id is None:
        raise NotFound("no release is live", where=str(root), remedy="Run kindred train, or kindred release activate.")
    return open_release(root / release_id)


def activate(root: Path, release_id: str) -> None:
    """Make a release live, after verifying it. Readers see the old one or the new one, whatever happens meanwhile.

    Raises:
        NotFound: when there is no such release.
        ReleaseError: when it is damaged; the live one stays.
    """
    root = Path(root)
    _verify(root, release_id)
    with one_writer(root):
        current = _pointer(root, CURRENT)
        if current == release_id:
            return
        # PREVIOUS first: a crash between the two leaves the live release as it was.
        if current is not None:
            _point(root, PREVIOUS, current)
        _point(root, CURRENT, release_id)


def rollback(root: Path) -> str:
    """Make the previous release live again; its id.

    Raises:
        NotFound: when there is none to go back to.
        ReleaseError: when the previous one is damaged; the live one stays.
    """
    root = Path(root)
    with one_writer(root):
        current, target = _pointer(root, CURRENT), _pointer(root, PREVIOUS)
        if target is None or target == current:
            target = _latest_before(root, current)
        _verify(root, target)
        # CURRENT first: a crash between the two leaves the rollback done.
        _point(root, CURRENT, target)
        if current is not None:
            _point(root, PREVIOUS, current)
    return target


def list_releases(root: Path) -> list[ReleaseInfo]:
    """Every release under ``root``, newest first."""
    root = Path(root)
    if not root.is_dir():
        return []
    live, before = _pointer(root, CURRENT), _pointer(root, PREVIOUS)
    names = sorted((path.name for path in root.iterdir() if path.is_dir() and is_release_id(path.name)), reverse=True)
    return [ReleaseInfo(name, parse_release_id(name)[0], root / name, name == live, name == before) for name in names]


def _verify(root: Path, release_id: str) -> None:
    parse_release_id(release_id)  # before it becomes part of a path
    release = open_release(root / release_id)
    release.snapshot.close()


def _latest_before(root: Path, current: str | None) -> str:
    """The newest sound release older than the live one: where a crash between two pointers lost ``PREVIOUS``."""
    for info in list_releases(root):
        if current is None or info.id < current:
            try:
                _verify(root, info.id)
            except KindredError:
                continue
            return info.id
    raise NotFound("no earlier release to go back to", where=str(root), remedy="Run kindred release list.")


def _pointer(root: Path, name: str) -> str | None:
    path = root / name
    if not path.exists() and not path.is_symlink():
        return None
    text = read_whole(path, _MAX_POINTER_BYTES).decode("ascii", "replace").strip()
    try:
        parse_release_id(text)
    except ReleaseError as error:
        raise ReleaseError(
            f"{name} does not name a release", got=text, where=str(root), remedy="Run kindred release activate."
        ) from error
    return text


def _point(root: Path, name: str, release_id: str) -> None:
    replace_file(root / name, f"{release_id}\n".encode())
