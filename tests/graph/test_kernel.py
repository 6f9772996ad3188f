"""Compiled loops are kept on disk for exactly the sources they were made from."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from graph.compiled.kernel import kept_for

HELPER = "from numba import njit\n\n\n@njit\ndef step(number):\n    return number + {}\n"
CALLER = (
    "from compiled_helper import step\nfrom graph.compiled.kernel import kernel\n\n\n"
    "@kernel()\ndef walk(number):\n    return step(number)\n"
)
ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def forgetful() -> None:
    kept_for.cache_clear()


def walked(package: Path) -> int:
    """What ``walk(0)`` of the package says in a process of its own."""
    folders = [str(package), str(ROOT)]
    script = f"import sys; sys.path[:0] = {folders}; from compiled_walk import walk; print(walk(0))"
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return int(ran.stdout)


@pytest.mark.slow
def test_a_loop_is_made_anew_when_one_that_it_calls_has_changed(tmp_path: Path) -> None:
    (tmp_path / "compiled_walk.py").write_text(CALLER)
    (tmp_path / "compiled_helper.py").write_text(HELPER.format(1))
    assert walked(tmp_path) == walked(tmp_path) == 1
    (before,) = (tmp_path / "__pycache__").glob("compiled-*")
    assert list(before.rglob("*.nbc")), "nothing was kept"
    (tmp_path / "compiled_helper.py").write_text(HELPER.format(2))
    assert walked(tmp_path) == 2
    (after,) = (tmp_path / "__pycache__").glob("compiled-*")
    assert after != before


def test_where_the_package_cannot_be_written_to_the_users_cache_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    package = tmp_path / "package"
    package.mkdir()
    (package / "__pycache__").write_text("in the way")
    found = kept_for(package)
    assert found is not None
    assert found.parent == tmp_path / "home" / "kindred"


def test_where_nothing_can_be_written_numba_decides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "__pycache__").write_text("in the way")
    (tmp_path / "kindred").write_text("in the way")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert kept_for(tmp_path) is None


def test_a_folder_that_the_user_chose_is_shared_and_nothing_in_it_is_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("graph.compiled.kernel.config.CACHE_DIR", str(tmp_path))
    (tmp_path / "compiled-of-another-version").mkdir()
    found = kept_for(ROOT / "graph")
    assert found is not None
    assert found.parent == tmp_path
    assert (tmp_path / "compiled-of-another-version").is_dir()
