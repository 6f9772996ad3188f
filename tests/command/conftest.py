"""The small shop at its stages: files alone, ingested, trained twice."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.command.small_shop import Ran, kindred_in, train, write_shop


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A folder with the shop's files."""
    return write_shop(tmp_path)


@dataclass(frozen=True)
class Trained:
    """A folder with the shop's files, graph and two releases; ``second`` is current."""

    folder: Path
    first: str
    second: str
    run: Ran

    def copied(self, to: Path) -> Path:
        """The same shop in a folder that a test may alter."""
        return shutil.copytree(self.folder, to / "shop")


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """The shop with two releases; not to be altered."""
    folder = write_shop(tmp_path_factory.mktemp("trained"))
    assert kindred_in(folder, "ingest", "shop.yaml", "--json").code == 0
    run = train(folder, "--json")
    assert run.code == 0, run.err
    again = train(folder, "--seed", "43", "--json")
    assert again.code == 0, again.err
    return Trained(folder, run.json["release"], again.json["release"], run)
