"""The quarantine: a JSON-lines file with every row that cannot be used, why, and what to do."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Self

from ingest.readers.rows import Reject


class Quarantine:
    """Writes one JSON object per refused row: file, line, column, value, reason, what_to_do.

    The file replaces that of the run before, and is removed when it stays empty.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.count = 0
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("w", encoding="utf-8")

    def add(self, file: Path, reject: Reject) -> None:
        """Takes down one refused row."""
        self.count += 1
        entry = {
            "file": str(file),
            "line": reject.line,
            "column": reject.column,
            "value": reject.value,
            "reason": reject.reason,
            "what_to_do": reject.remedy,
        }
        self._file.write(json.dumps(entry, ensure_ascii=False) + "\n")

    def close(self) -> None:
        """Ends the file; an empty one goes."""
        self._file.close()
        if not self.count:
            self.path.unlink(missing_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()
