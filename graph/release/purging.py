"""Releases that hold erased persons go, once a newer one answers."""

from __future__ import annotations

import shutil
from pathlib import Path

from graph.erasure import ErasureList
from graph.files import TEMPORARY_PREFIX, one_writer, sync_directory
from graph.release.naming import SNAPSHOT
from graph.release.pointers import PREVIOUS, list_releases
from graph.snapshot import open_snapshot


def purge_erased(root: Path) -> list[str]:
    """Removes every release but the current one that holds an erased user; their ids.

    There is no going back to such a release. The list of erasures is forgotten when no release holds any of them.
    """
    root = Path(root)
    erasures = ErasureList.beside(root)
    removed: list[str] = []
    kept = False
    for info in list_releases(root):
        with open_snapshot(info.directory / SNAPSHOT) as snapshot:
            holds = erasures.hold(snapshot.nodes(snapshot.schema.user_type).ids())
        if holds and not info.current:
            with one_writer(root):
                if info.previous:
                    (root / PREVIOUS).unlink(missing_ok=True)
                doomed = info.directory.with_name(f"{TEMPORARY_PREFIX}{info.id}")
                info.directory.rename(doomed)  # in one step: half a release is nothing to go back to either
                sync_directory(root)
            shutil.rmtree(doomed)
            removed.append(info.id)
        kept = kept or (holds and info.current)
    if not kept:
        erasures.clear()
    return removed
