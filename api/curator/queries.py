"""The saved queries: what a curator asks and repairs, every one with names of this graph's schema."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Sequence

from api.curator.examples import Examples
from api.curator.questions import looking
from api.curator.repairs import repairs
from api.curator.saved import SavedQuery
from api.curator.spelling import Spelling
from api.curator.suspicions import suspicious

__all__ = ["SavedQuery", "queries_archive", "queries_file", "saved_queries"]

_ZIP_TIME = (1980, 1, 1, 0, 0, 0)
"""A fixed time, so that the same schema gives the same bytes."""


def saved_queries(spelling: Spelling, examples: Examples | None = None) -> tuple[SavedQuery, ...]:
    """Every saved query, in the order of the guide."""
    chosen = examples or Examples()
    return (*looking(spelling, chosen), *suspicious(spelling), *repairs(spelling, chosen))


def queries_file(queries: Sequence[SavedQuery]) -> str:
    """All of them in one file, to read and to run from a shell."""
    return "\n\n".join(f"// {query.group}: {query.title}\n{query.text};" for query in queries) + "\n"


def queries_archive(queries: Sequence[SavedQuery]) -> bytes:
    """A zip that Browser turns into one favourite per query, in folders, when it is dropped on the window."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as out:
        for number, query in enumerate(queries, 1):
            file = re.sub(r"[^a-z0-9]+", "_", query.title.lower()).strip("_")
            info = zipfile.ZipInfo(f"Kindred {query.group}/{number:02}_{file}.cypher", _ZIP_TIME)
            out.writestr(info, f"// {query.title}\n{query.text}\n")
    return archive.getvalue()
