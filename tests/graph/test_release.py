"""A release is what was written, or it is refused before anything in it is parsed."""

from __future__ import annotations

import io
import json
import os
import pickle
import random
import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from graph.errors import NotFound, ReleaseError
from graph.release import (
    Release,
    activate,
    current_id,
    current_release,
    list_releases,
    open_release,
    release_document,
    rollback,
    write_release,
)
from graph.schema import GraphSchema
from graph.snapshot import build_snapshot, open_snapshot
from tests.graph.graph_in_memory import HAS_BRAND, PURCHASED, GraphInMemory

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)

REFUSED_UNPARSED = {
    "a file has the wrong size",
    "a file's content does not match its sha256",
    "a file cannot be opened",
    "not a regular file",
    "a name is not listed in the manifest",
    "the manifest is not the one this release was named after",
    "not a release id",
}
"""Every one of these is said of names, sizes and hashes; the errors of a parser are worded otherwise."""


SMALL = GraphSchema.parse(
    {
        "nodes": [{"name": "User", "role": "user"}, {"name": "Item", "role": "item"}],
        "edges": [
            {"source": "User", "relation": "PURCHASED", "target": "Item", "role": "interaction", "kind": "purchase"}
        ],
    }
)


@pytest.fixture
def snapshot(tmp_path: Path) -> Path:
    graph = GraphInMemory()
    for number in range(5):
        graph.add_edge(PURCHASED, f"u{number}", f"i{number % 3}", at=number * 1000, weight=number)
        graph.add_edge(HAS_BRAND, f"i{number % 3}", "acme")
    build_snapshot(graph, tmp_path / "snapshot").close()
    return tmp_path / "snapshot"


def write(root: Path, snapshot: Path, minute: int = 0, **changes: Any) -> Release:
    generator = np.random.default_rng(minute)
    parts: dict[str, Any] = {
        "arrays": {"model/item_embedding": generator.random((6, 4), np.float32), "model/bias": np.arange(6)},
        "documents": {"engine": {"width": 4}, "evaluation": {"ndcg@20": 0.3}},
    }
    return write_release(root, snapshot=snapshot, now=NOON + timedelta(minutes=minute), **(parts | changes))


def test_what_was_written_comes_back(tmp_path: Path, snapshot: Path) -> None:
    written = write(tmp_path / "releases", snapshot)
    release = open_release(tmp_path / "releases" / written.id)
    assert release.id.startswith("20261122T120000Z-")
    assert release.created_at == NOON
    embedding = release.arrays("model/")["model/item_embedding"]
    assert embedding.tolist() == np.random.default_rng(0).random((6, 4), np.float32).tolist()
    assert not embedding.flags.writeable
    assert sorted(release.arrays()) == ["model/bias", "model/item_embedding"]
    assert release.arrays("other/") == {}
    assert release.documents == ["engine", "evaluation"]
    assert release.document("engine") == {"width": 4}
    assert release_document(release.directory, "evaluation") == {"ndcg@20": 0.3}
    assert release.snapshot.digest == open_snapshot(snapshot).digest
    assert release.size_bytes > 0
    assert set(release.files) >= {"snapshot/manifest.json", "arrays/model/bias.npy", "documents/engine.json"}
    with pytest.raises(NotFound, match="no such document"):
        release.document("other")
    with pytest.raises(NotFound, match="no such document"):
        release_document(release.directory, "other")


def test_arrays_can_be_read_by_numpy_without_pickle(tmp_path: Path, snapshot: Path) -> None:
    release = write(
        tmp_path / "releases", snapshot, arrays={"scalar": np.float64(2.5) * np.ones(()), "none": np.zeros((0, 3))}
    )
    for name, shape in [("scalar", ()), ("none", (0, 3))]:
        assert np.load(release.directory / "arrays" / f"{name}.npy", allow_pickle=False).shape == shape
        assert release.arrays()[name].shape == shape


def test_the_same_content_at_the_same_time_is_the_same_release(tmp_path: Path, snapshot: Path) -> None:
    first, second = write(tmp_path / "releases", snapshot), write(tmp_path / "releases", snapshot)
    assert first.id == second.id
    assert write(tmp_path / "releases", snapshot, documents={}).id != first.id


def test_the_id_tells_the_time_in_utc(tmp_path: Path, snapshot: Path) -> None:
    tokyo = NOON.astimezone(timezone(timedelta(hours=9)))
    release = write_release(tmp_path / "releases", snapshot=snapshot, arrays={}, documents={}, now=tokyo)
    assert release.id.startswith("20261122T120000Z-")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"arrays": {"x": np.array([1.0, np.nan])}}, "not a finite number"),
        ({"arrays": {"x": np.array([np.inf], np.float32)}}, "not a finite number"),
        ({"arrays": {"x": np.array([{}])}}, "numbers only"),
        ({"arrays": {"x": np.array(["text"])}}, "numbers only"),
        ({"arrays": {"../x": np.zeros(1)}}, "a name that a release cannot hold"),
        ({"arrays": {"": np.zeros(1)}}, "a name that a release cannot hold"),
        ({"documents": {"a/../b": {}}}, "a name that a release cannot hold"),
        ({"documents": {"x": {"value": float("nan")}}}, "JSON cannot hold"),
        ({"documents": {"x": {"value": object()}}}, "JSON cannot hold"),
    ],
)
def test_what_a_release_cannot_hold_is_refused_and_leaves_nothing(
    changes: dict[str, Any], message: str, tmp_path: Path, snapshot: Path
) -> None:
    with pytest.raises(ReleaseError, match=message):
        write(tmp_path / "releases", snapshot, **changes)
    assert list_releases(tmp_path / "releases") == []


def test_infinity_is_kept_where_the_writer_says_it_means_something(tmp_path: Path, snapshot: Path) -> None:
    array = np.array([np.nan, -np.inf])
    release = write(tmp_path / "releases", snapshot, arrays={"mask": array}, may_be_infinite=["mask"])
    assert np.array_equal(release.arrays()["mask"], array, equal_nan=True)


def test_a_time_without_a_zone_is_refused(tmp_path: Path, snapshot: Path) -> None:
    with pytest.raises(ReleaseError, match="a time with a zone"):
        write_release(tmp_path, snapshot=snapshot, arrays={}, documents={}, now=NOON.replace(tzinfo=None))


def test_a_damaged_snapshot_does_not_become_a_release(tmp_path: Path, snapshot: Path) -> None:
    ids = snapshot / "nodes" / "Item" / "ids.arrow"
    ids.write_bytes(ids.read_bytes()[:-1] + b"!")
    with pytest.raises(ReleaseError, match="does not match its sha256"):
        write(tmp_path / "releases", snapshot)


def test_releases_are_listed_newest_first_and_swapped(tmp_path: Path, snapshot: Path) -> None:
    root = tmp_path / "releases"
    assert list_releases(root) == []
    assert current_id(root) is None
    with pytest.raises(NotFound, match="no release is live"):
        current_release(root)
    first, second = write(root, snapshot, 1), write(root, snapshot, 2)
    activate(root, first.id)
    with pytest.raises(NotFound, match="no earlier release"):
        rollback(root)
    activate(root, second.id)
    activate(root, second.id)
    assert current_release(root).id == current_id(root) == second.id
    assert [(info.id, info.current, info.previous) for info in list_releases(root)] == [
        (second.id, True, False),
        (first.id, False, True),
    ]
    assert rollback(root) == first.id
    assert current_release(root).id == first.id
    assert rollback(root) == second.id
    assert list_releases(root)[0].to_json()["current"] is True


def test_a_damaged_release_does_not_go_live(tmp_path: Path, snapshot: Path) -> None:
    root = tmp_path / "releases"
    first, second = write(root, snapshot, 1), write(root, snapshot, 2)
    activate(root, first.id)
    (second.directory / "documents" / "engine.json").write_text("{}")
    with pytest.raises(ReleaseError):
        activate(root, second.id)
    with pytest.raises(ReleaseError, match="not a release id"):
        activate(root, "../elsewhere")
    with pytest.raises(NotFound, match="no such release"):
        activate(root, second.id[:-1] + ("0" if second.id[-1] != "0" else "1"))
    assert current_release(root).id == first.id


def test_a_lost_previous_pointer_still_leads_back(tmp_path: Path, snapshot: Path) -> None:
    root = tmp_path / "releases"
    oldest, damaged, newest = (write(root, snapshot, minute) for minute in (1, 2, 3))
    activate(root, newest.id)
    (damaged.directory / "extra").touch()
    assert rollback(root) == oldest.id


class _Bomb:
    """Leaves a mark when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return (Path.touch, (self.mark,))


def _put(path: Path, content: bytes) -> None:
    """Another file in place of this one; the mutant shares its files with the good release through links."""
    path.unlink(missing_ok=True)
    path.write_bytes(content)


def _saved(array: np.ndarray[Any, Any]) -> bytes:
    holder = io.BytesIO()
    np.save(holder, array, allow_pickle=True)
    return holder.getvalue()


def _flip(directory: Path, names: list[str], chance: random.Random, mark: Path) -> None:
    path = directory / chance.choice(names)
    content = bytearray(path.read_bytes())
    content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
    _put(path, content)


def _truncate(directory: Path, names: list[str], chance: random.Random, mark: Path) -> None:
    path = directory / chance.choice(names)
    _put(path, path.read_bytes()[: chance.randrange(path.stat().st_size)])


def _extend(directory: Path, names: list[str], chance: random.Random, mark: Path) -> None:
    path = directory / chance.choice(names)
    _put(path, path.read_bytes() + chance.randbytes(chance.randrange(1, 99)))


def _reshape(directory: Path, names: list[str], chance: random.Random, mark: Path) -> None:
    path = directory / chance.choice([name for name in names if name.endswith(".npy")])
    array = np.load(path, allow_pickle=False)
    shape = (*array.shape, 1) if chance.random() < 0.5 else (array.size + chance.randrange(1, 9),)
    _put(path, _saved(np.resize(array, shape)))


def _not_a_number(directory: Path, names: list[str], chance: random.Random, mark: Path) -> None:
    path = directory / "arrays" / "model" / "item_embedding.npy"
    array = np.load(path, allow_pickle=False).copy()
    array.flat[chance.randrange(array.size)] = chance.choice([np.nan, np.inf])
    _put(path, _saved(array))


def _foreign_vocabulary(directory: Path, names: list[str], chance: random.Random, mark: Path) -> None:
    kinds = chance.sample(["Item", "User"], 2)
    for name in ("ids.arrow", "hashes.npy"):
        source, target = (directory / "snapshot" / "nodes" / kind / name for kind in kinds)
        _put(target, source.read_bytes())


def _pickle(directory: Path, names: list[str], chance: random.Random, mark: Path) -> None:
    path = directory / chance.choice(names)
    if chance.random() < 0.5:
        _put(path, pickle.dumps(_Bomb(mark)))
    else:
        _put(path, _saved(np.array([_Bomb(mark)], dtype=object)))


def _swap(directory: Path, names: list[str], chance: random.Random, mark: Path) -> None:
    while True:
        left, right = (directory / name for name in chance.sample(names, 2))
        ours, theirs = left.read_bytes(), right.read_bytes()
        if ours != theirs:
            break
    _put(left, theirs)
    _put(right, ours)


def _edit_manifest(directory: Path, names: list[str], chance: random.Random, mark: Path) -> None:
    path = directory / chance.choice(["manifest.json", "snapshot/manifest.json"])
    document = json.loads(path.read_bytes())
    entry = document["files"][chance.choice(sorted(document["files"]))]
    entry[chance.choice(["bytes", "sha256"])] = chance.choice([0, "0" * 64, None])
    _put(path, json.dumps(document, indent=1).encode())


def _remove(directory: Path, names: list[str], chance: random.Random, mark: Path) -> None:
    (directory / chance.choice(names)).unlink()


def _add(directory: Path, names: list[str], chance: random.Random, mark: Path) -> None:
    folder = directory / chance.choice(["", "arrays", "documents", "snapshot", "snapshot/nodes/Item"])
    name = chance.choice(["x.npy", "__init__.py", ".hidden", "model.pkl"])
    _put(folder / name, pickle.dumps(_Bomb(mark)))


def _link(directory: Path, names: list[str], chance: random.Random, mark: Path) -> None:
    path = directory / chance.choice(names)
    copy = directory.parent / f"outside-{chance.random()}"
    path.rename(copy)
    path.symlink_to(copy)


def _pipe(directory: Path, names: list[str], chance: random.Random, mark: Path) -> None:
    path = directory / chance.choice(names)
    path.unlink()
    os.mkfifo(path)


def _rename(directory: Path, names: list[str], chance: random.Random, mark: Path) -> None:
    path = directory / chance.choice(names)
    path.rename(path.with_name(path.name + "~"))


MUTATIONS = [
    _flip, _truncate, _extend, _reshape, _not_a_number, _foreign_vocabulary, _pickle, _swap, _edit_manifest,
    _remove, _add, _link, _pipe, _rename,
]  # fmt: skip
MUTANTS = 2000


def test_two_thousand_mutants_are_refused_before_anything_is_parsed(tmp_path: Path) -> None:
    graph = GraphInMemory(SMALL)
    for number in range(5):
        graph.add_edge(PURCHASED, f"u{number}", f"i{number % 3}", at=number * 1000, weight=number)
    build_snapshot(graph, tmp_path / "snapshot").close()
    release = write(tmp_path / "releases", tmp_path / "snapshot")
    release.snapshot.close()
    names = [path.relative_to(release.directory).as_posix() for path in release.directory.rglob("*") if path.is_file()]
    chance = random.Random(5)
    mark = tmp_path / "a bomb went off"
    work = tmp_path / "work"
    for number in range(MUTANTS):
        mutant = work / release.id
        shutil.rmtree(work, ignore_errors=True)
        shutil.copytree(release.directory, mutant, copy_function=os.link)
        mutation = MUTATIONS[number % len(MUTATIONS)]
        mutation(mutant, names, chance, mark)
        with pytest.raises(ReleaseError) as refused:
            open_release(mutant)
        assert refused.value.what in REFUSED_UNPARSED, mutation.__name__
        assert not mark.exists()
    open_release(release.directory)


def test_a_release_under_another_name_is_refused(tmp_path: Path, snapshot: Path) -> None:
    release = write(tmp_path / "releases", snapshot)
    other = release.id[:-16] + "0" * 16
    for name in (other, "latest", release.id + "x"):
        shutil.copytree(release.directory, tmp_path / name)
        with pytest.raises(ReleaseError) as refused:
            open_release(tmp_path / name)
        assert refused.value.what in REFUSED_UNPARSED
    (tmp_path / "link").symlink_to(release.directory)
    with pytest.raises(ReleaseError, match="not a release id"):
        open_release(tmp_path / "link")


def test_a_pointer_with_anything_else_in_it_is_refused(tmp_path: Path, snapshot: Path) -> None:
    root = tmp_path / "releases"
    write(root, snapshot)
    for content in (b"", b"../../etc", b"\xff\xfe", b"x" * 5000):
        (root / "CURRENT").write_bytes(content)
        with pytest.raises(ReleaseError):
            current_release(root)
