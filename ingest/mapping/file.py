"""Mapping files: found by path or by name, parsed, checked, and bound to a data directory."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping as Dictionary
from dataclasses import dataclass
from functools import cached_property
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from graph.errors import MappingError, NotFound
from graph.schema import GraphSchema
from ingest.mapping.document import MappingDocument

_MAX_BYTES = 1 << 20
_MAX_VALUES = 100_000
_VARIABLE = re.compile(r"\$\{([^{}]*)\}")


@dataclass(frozen=True)
class Mapping:
    """A checked mapping document, and the directory its files are in."""

    document: MappingDocument
    data_dir: Path
    variables: Dictionary[str, str]
    origin: str
    """The mapping's file, for messages."""

    @property
    def name(self) -> str:
        return self.document.name

    @cached_property
    def schema(self) -> GraphSchema:
        """The graph schema this mapping makes."""
        return self.document.graph_schema()

    @property
    def digest(self) -> str:
        """Twelve hex digits that change with the mapping's content."""
        text = self.document.model_dump_json() + repr(sorted(self.variables.items()))
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    def files_of(self, table_name: str) -> list[Path]:
        """The files a table reads, in a fixed order.

        Raises:
            NotFound: when a file or glob matches nothing and the table is not optional.
        """
        table = self.document.tables[table_name]
        found: list[Path] = []
        for pattern in table.files:
            name = self._filled(pattern, table_name)
            root, relative = (self.data_dir, name) if not Path(name).is_absolute() else (Path("/"), name.lstrip("/"))
            matches = sorted(path for path in root.glob(relative) if path.is_file())
            if not matches and not table.optional:
                raise NotFound(
                    f"the table {table_name!r} has no file",
                    expected=f"{name} in the data directory {self.data_dir}",
                    where=self.origin,
                    remedy="Put the file there, or name the directory with --data-dir or KINDRED_DATA_DIR.",
                )
            found += [path for path in matches if path not in found]
        return found

    def _filled(self, pattern: str, table_name: str) -> str:
        def value(match: re.Match[str]) -> str:
            name = match[1]
            if name not in self.variables:
                raise MappingError(
                    f"no value for ${{{name}}}",
                    expected="one of " + (", ".join(self.variables) or "(no variables declared)"),
                    where=f"{self.origin}: tables.{table_name}.files",
                    remedy="Declare it under `variables`.",
                )
            return self.variables[name]

        return _VARIABLE.sub(value, pattern)


def load_mapping(
    path_or_name: str | Path, data_dir: str | Path, *, variables: Dictionary[str, str] | None = None
) -> Mapping:
    """The mapping in a file, or the delivered one of that name, bound to ``data_dir``.

    When the document names a ``folder`` and the data directory has it, files are looked for there.

    Raises:
        MappingError: when the document cannot be used; the message says where and what to do.
        NotFound: when there is no such mapping.
    """
    text, origin = _read(path_or_name)
    document = parse_mapping(text, origin=origin)
    root = Path(data_dir)
    if document.folder and (root / document.folder).is_dir():
        root = root / document.folder
    unknown = set(variables or {}) - set(document.variables)
    if unknown:
        raise MappingError(
            f"unknown variable {sorted(unknown)[0]!r}",
            expected="one of " + (", ".join(document.variables) or "(this mapping has none)"),
            where=origin,
        )
    return Mapping(document, root, {**document.variables, **(variables or {})}, origin)


def delivered_mappings() -> list[str]:
    """The names of the mappings that come with Kindred."""
    folder = files("ingest") / "sources"
    if not folder.is_dir():
        return []
    return sorted(entry.name.removesuffix(".yaml") for entry in folder.iterdir() if entry.name.endswith(".yaml"))


def mapping_schema() -> dict[str, Any]:
    """The JSON Schema of mapping documents, for editors that complete and check YAML."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Kindred mapping",
        **MappingDocument.model_json_schema(),
    }


def _read(path_or_name: str | Path) -> tuple[str, str]:
    path = Path(path_or_name)
    if path.is_file():
        if path.stat().st_size > _MAX_BYTES:
            raise MappingError("the mapping file is too large", expected="at most 1 MiB", where=str(path))
        try:
            return path.read_text(encoding="utf-8-sig"), str(path)
        except UnicodeDecodeError as error:
            raise MappingError("the mapping file is not UTF-8", got=str(error), where=str(path)) from error
    name = str(path_or_name)
    if name in delivered_mappings():
        return (files("ingest") / "sources" / f"{name}.yaml").read_text(encoding="utf-8"), f"{name}.yaml"
    raise NotFound(
        "no such mapping",
        expected="a YAML file, or one of " + (", ".join(delivered_mappings()) or "(none delivered)"),
        got=name,
        remedy="docs/mapping.md shows how to write one.",
    )


def parse_mapping(text: str, *, origin: str = "<mapping>") -> MappingDocument:
    """The document in a YAML text; :class:`MappingError` says file, line, place, expected and got."""
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        if root is not None:
            _check_keys(root, origin, [0])
        content = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{origin}, line {mark.line + 1}, column {mark.column + 1}" if mark else origin
        problem = getattr(error, "problem", None) or str(error).splitlines()[0]
        raise MappingError(f"the mapping is not YAML: {problem}", where=where) from error
    except MappingError:
        raise
    except (RecursionError, ValueError) as error:
        raise MappingError(f"the mapping is not usable YAML: {error}", where=origin) from error
    try:
        return MappingDocument.model_validate(content)
    except ValidationError as error:
        raise _explained(error, root, origin) from error


def _check_keys(node: yaml.Node, origin: str, seen: list[int]) -> None:
    # YAML silently keeps the last of two equal keys, and aliases can multiply a small file into a huge one.
    seen[0] += 1
    if seen[0] > _MAX_VALUES:
        raise MappingError("the mapping is too large", expected=f"at most {_MAX_VALUES:,} values", where=origin)
    if isinstance(node, yaml.MappingNode):
        keys: set[str] = set()
        for key, value in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value in keys:
                where = f"{origin}, line {key.start_mark.line + 1}"
                raise MappingError(f"the key {key.value!r} stands twice", where=where, remedy="Remove one.")
            keys.add(str(key.value))
            _check_keys(value, origin, seen)
    elif isinstance(node, yaml.SequenceNode):
        for value in node.value:
            _check_keys(value, origin, seen)


def _explained(error: ValidationError, root: yaml.Node | None, origin: str) -> MappingError:
    # Unions report a failure per member; the deepest one is the member the writer had in mind.
    first = max(error.errors(), key=lambda entry: len(entry["loc"]))
    line, place = _located(root, first["loc"])
    count = error.error_count()
    message = first["msg"].removeprefix("Value error, ")
    got = None if first["type"] in {"missing", "value_error"} else first["input"]
    remedy = {
        "extra_forbidden": "Remove or correct the key; docs/mapping.md lists them all.",
        "missing": "Add it.",
    }.get(first["type"], "docs/mapping.md explains every key.")
    if first["type"] == "extra_forbidden":
        message, got = f"unknown key {str(first['loc'][-1])!r}", None
    more = f" (and {count - 1} more)" if count > 1 else ""
    return MappingError(
        f"the mapping is not usable: {place + ': ' if place else ''}{message}{more}",
        got=got,
        where=f"{origin}, line {line}" if line else origin,
        remedy=remedy,
    )


def _located(root: yaml.Node | None, location: tuple[int | str, ...]) -> tuple[int | None, str]:
    """The line and dotted place of an error; steps that pydantic adds for unions are not in the YAML."""
    node, line, place = root, None, []
    for step in location:
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                if str(key.value) == str(step):
                    node, line = value, key.start_mark.line + 1
                    place.append(str(step))
                    break
        elif isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
            node = node.value[step]
            line = node.start_mark.line + 1
            place.append(str(step))
    if location and str(location[-1]) not in place:
        place += [str(location[-1])] if isinstance(location[-1], str) and location[-1].isidentifier() else []
    return line, ".".join(place)
