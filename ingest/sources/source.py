"""A source: a delivered mapping, and where the data it reads is found or fetched from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import TypeAlias

from graph.errors import NotFound

Say: TypeAlias = Callable[[str], None]
"""Called with one line about something that takes a while."""

Fetch: TypeAlias = Callable[[Path, Say], Path]
"""Brings the data into a cache directory and returns the folder that holds it."""


@dataclass(frozen=True, slots=True)
class SourceData:
    """A mapping bound to the folder its files are in: the arguments of :func:`ingest.mapping.load_mapping`."""

    name: str
    mapping_path: Path
    data_dir: Path
    variables: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Source:
    """Where one data set's files are looked for.

    ``needs`` maps each file the mapping cannot do without to the names it may have (globs), best first.
    ``choices`` does the same for files the mapping can do without. A key in ``variables`` style (not a file
    name) is handed to the mapping as that variable.
    """

    title: str
    mapping: str
    folders: tuple[str, ...]
    needs: Mapping[str, tuple[str, ...]]
    choices: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    not_with: Mapping[str, str] = field(default_factory=dict)
    """``choice → file name``: the choice is left out where that file is, because it says the same better."""
    fetch: Fetch | None = None
    how_to_get: str = ""

    def open(self, name: str, data_dir: Path | None, cache_dir: Path, say: Say) -> SourceData:
        """The data of this source, found in ``data_dir`` or fetched into ``cache_dir``.

        Raises:
            NotFound: the data is in neither; the message says what to put where.
        """
        folder = self._found(data_dir)
        if folder is None and self.fetch is not None:
            folder = self.fetch(cache_dir, say)
        if folder is None:
            raise self._missing(name, data_dir)
        chosen = {key: _first(folder, names) for key, names in {**self.needs, **self.choices}.items()}
        for key, better in self.not_with.items():
            if _first(folder, (better,)):
                chosen[key] = None
        return SourceData(
            name=name,
            mapping_path=Path(str(files("ingest") / "sources" / f"{self.mapping}.yaml")),
            data_dir=folder,
            variables={key: path for key, path in chosen.items() if path and _is_variable(key)},
        )

    def _found(self, data_dir: Path | None) -> Path | None:
        if data_dir is None:
            return None
        places = [data_dir, *(data_dir / folder for folder in self.folders)]
        return next((place for place in places if all(_first(place, names) for names in self.needs.values())), None)

    def _missing(self, name: str, data_dir: Path | None) -> NotFound:
        wanted = ", ".join(names[0] for names in self.needs.values())
        where = str(data_dir) if data_dir else "DATA_DIR"
        places = " or ".join([where, *(f"{where}/{folder}" for folder in self.folders)])
        return NotFound(
            f"the data of {name} was not found",
            expected=f"{wanted} in {places}",
            got="no data directory" if data_dir is None else self._lacking(data_dir),
            remedy=f"{self.how_to_get} Then name the directory with --data-dir or KINDRED_DATA_DIR.".strip(),
        )

    def _lacking(self, data_dir: Path) -> str:
        """What keeps the likeliest folder from being used."""
        if not data_dir.is_dir():
            return "no such directory"
        place = next((path for folder in self.folders if (path := data_dir / folder).is_dir()), data_dir)
        lacking = [names[0] for names in self.needs.values() if not _first(place, names)]
        return f"{place} without {', '.join(lacking)}"


def _is_variable(key: str) -> bool:
    return "." not in key


def _first(folder: Path, names: tuple[str, ...]) -> str | None:
    """The first file of ``folder`` that one of ``names`` matches, by its name."""
    for name in names:
        for path in sorted(folder.glob(name)):
            if path.is_file():
                return path.name
    return None
