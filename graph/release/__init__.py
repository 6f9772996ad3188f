"""A release: named arrays, JSON documents and a snapshot under one manifest. The format only, nothing of models."""

from graph.release.opening import Release, open_release, release_document
from graph.release.pointers import ReleaseInfo, activate, current_id, current_release, list_releases, rollback
from graph.release.purging import purge_erased
from graph.release.writing import write_release

__all__ = [
    "Release",
    "ReleaseInfo",
    "activate",
    "current_id",
    "current_release",
    "list_releases",
    "open_release",
    "purge_erased",
    "release_document",
    "rollback",
    "write_release",
]
