"""Every error Kindred raises on purpose, one tree.

::

    KindredError
    ├── SchemaError         (ValueError)       a name, role or type the graph schema does not allow
    ├── InputError          (ValueError)       bad data from outside: a file, a cell, a request
    │   ├── MappingError                       a mapping file that cannot be used
    │   └── TooManyBadRows                     more rows in quarantine than --max-bad allows
    ├── NotFound            (LookupError)      a node, release or file that is not there
    ├── Conflict            (RuntimeError)     the row changed since the version you read
    ├── SettingsError       (ValueError)       a KINDRED_* setting that cannot be used
    ├── MissingExtra        (ImportError)      an optional dependency that is not installed
    ├── StoreError          (RuntimeError)     the graph store failed
    │   └── StoreUnavailable (ConnectionError) the store cannot be reached or is locked
    └── ReleaseError        (ValueError)       a snapshot or release that is damaged or does not fit

A message says: *what failed: expected …, got …, where. What to do.*
"""

from __future__ import annotations


class KindredError(Exception):
    """Base of every error Kindred raises on purpose.

    ``str(error)`` is one line: what failed, what was expected, what came instead, where it
    happened, and the remedy. The parts stay readable as attributes.
    """

    def __init__(
        self,
        what: str,
        *,
        expected: str | None = None,
        got: object | None = None,
        where: str | None = None,
        remedy: str | None = None,
    ) -> None:
        self.what = what
        self.expected = expected
        self.got = None if got is None else _short(got)
        self.where = where
        self.remedy = remedy
        super().__init__(self._line())

    def _line(self) -> str:
        details = []
        if self.expected:
            details.append(f"expected {self.expected}")
        if self.got is not None:
            details.append(f"got {self.got}")
        line = self.what + (": " + ", ".join(details) if details else "")
        if self.where:
            line += f" ({self.where})"
        line = line.rstrip(".") + "."
        return f"{line} {self.remedy}" if self.remedy else line


def _short(value: object, limit: int = 200) -> str:
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) <= limit else f"{text[:limit]}… ({len(text)} characters)"


class SchemaError(KindredError, ValueError):
    """A name, role or type that the graph schema does not allow."""


class InputError(KindredError, ValueError):
    """Bad data from outside: a file, a cell, a request."""


class MappingError(InputError):
    """A mapping file that cannot be used."""


class TooManyBadRows(InputError):
    """More rows in quarantine than ``--max-bad`` allows; nothing was committed."""


class NotFound(KindredError, LookupError):
    """A node, release or file that is not there."""


class Conflict(KindredError, RuntimeError):
    """The row changed since the version the writer had read."""


class SettingsError(KindredError, ValueError):
    """A ``KINDRED_*`` setting that cannot be used."""


class MissingExtra(KindredError, ImportError):
    """An optional dependency that is not installed."""


class StoreError(KindredError, RuntimeError):
    """The graph store failed."""


class StoreUnavailable(StoreError, ConnectionError):
    """The graph store cannot be reached, or stayed locked past the deadline."""


class ReleaseError(KindredError, ValueError):
    """A snapshot or release that is damaged, or does not fit what it is used with."""
