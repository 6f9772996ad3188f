"""The shop's rules: one versioned document, kept in a file beside the releases, in force in the next answer."""

from __future__ import annotations

import fcntl
import hashlib
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec
import structlog

from api.engine.steering.rules import NO_RULES, Rules
from graph.errors import Conflict
from graph.files import replace_file

RULES_FILE = "rules.json"
MAX_BYTES = 4 << 20

_log = structlog.get_logger("kindred.rules")
_DECODER = msgspec.json.Decoder(Rules)


@dataclass(frozen=True, slots=True)
class RulesVersion:
    """Rules and the tag of their content; a writer names the tag of the version it has read."""

    rules: Rules
    etag: str


NO_VERSION = RulesVersion(NO_RULES, '"none"')


class RulesFile:
    """Reads the rules whenever the file has changed, and replaces it whole. Safe from several threads and processes.

    A file that cannot be read leaves the rules as they were last read, and says so in the log and in
    :attr:`damage`: an answer is never lost to a rule.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._place = os.fspath(path)
        self._lock = threading.Lock()
        self._seen: tuple[int, int, int] | None = None
        self._now = NO_VERSION
        self.damage: str | None = None

    def __call__(self) -> Rules:
        """The rules in force."""
        return self.current().rules

    def current(self) -> RulesVersion:
        """The rules in force with their tag; none before the first were put."""
        state = self._state()
        if state != self._seen:
            with self._lock:
                self._read(state)
        return self._now

    def put(self, rules: Rules, if_match: str) -> RulesVersion:
        """Put rules in force, durable on return; ``if_match`` is the tag they are based on, or ``*``.

        Raises:
            Conflict: when others were put meanwhile.
        """
        content = msgspec.json.format(msgspec.json.encode(rules), indent=2) + b"\n"
        with self._writing():
            current = self.current()
            if if_match not in ("*", current.etag):
                raise Conflict(
                    "the rules changed meanwhile",
                    expected=f"If-Match: {current.etag}",
                    got=if_match,
                    remedy="GET /v1/rules, put your change into what is there now, and send it with its ETag.",
                )
            replace_file(self._path, content)
            return self.current()

    def _state(self) -> tuple[int, int, int] | None:
        try:
            status = os.stat(self._place)  # noqa: PTH116  # at every request, and a Path takes three times as long
        except OSError:
            return None
        return status.st_ino, status.st_mtime_ns, status.st_size

    def _read(self, state: tuple[int, int, int] | None) -> None:
        if state is None:
            self._now, self.damage = NO_VERSION, None
        else:
            try:
                content = self._path.read_bytes()
                if len(content) > MAX_BYTES:
                    raise msgspec.ValidationError(f"more than {MAX_BYTES} bytes")
                self._now = RulesVersion(_DECODER.decode(content), _etag(content))
                self.damage = None
            except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
                self.damage = str(error)
                _log.error("rules.unreadable", path=str(self._path), reason=str(error))
        self._seen = state

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """One writer at a time, in any process."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with (self._path.with_name(f".{self._path.name}.lock")).open("ab") as held:
            fcntl.flock(held, fcntl.LOCK_EX)
            yield


def _etag(content: bytes) -> str:
    return f'"{hashlib.sha256(content).hexdigest()[:16]}"'
