"""The Neo4j store as people edit and browse it: hand edits in the feed, problems listed, embeddings shown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from graph.embeddings import Publication, Published
from graph.errors import KindredError
from graph.neo4j.curating.checking import problems
from graph.neo4j.curating.hand_edits import HandEditor
from graph.neo4j.curating.publishing import Publisher
from graph.neo4j.store import Neo4jStore, opened_line
from graph.neo4j.wire.line import LONG_S, Line
from graph.problems import Problem
from graph.records import Change


def open_neo4j(url: str) -> CuratedStore:
    """The store in the database that ``neo4j://user:password@host:port/database`` names.

    Raises:
        SettingsError: when the URL cannot be used, or there is no password.
        StoreUnavailable: when the server cannot be reached, refuses the log-in, or has no such database.
    """
    return CuratedStore(opened_line(url))


class CuratedStore(Neo4jStore):
    """A :class:`~graph.store.HandEdits`, :class:`~graph.problems.Checked` and
    :class:`~graph.embeddings.PublishesEmbeddings` too.
    """

    def __init__(self, line: Line) -> None:
        super().__init__(line)
        self.hand_edits = HandEditor(line, self._knowledge, self)
        self._publisher = Publisher(line, self._knowledge)

    def reconcile(self) -> int:
        """How many rows people have written past Kindred since the last look; they are in the feed now."""
        return self.hand_edits.reconcile()

    def changes_since(self, watermark: str, *, limit: int | None = None) -> Iterator[Change]:
        return self.hand_edits.watched(super().changes_since(watermark, limit=limit))

    def problems(self, limit: int = 100) -> Sequence[Problem]:
        """Up to ``limit`` problems of each kind and type."""
        catalogue = self._knowledge.catalogue(fresh=True)
        return self._line.read(lambda tx: problems(tx, catalogue, limit), timeout_s=LONG_S)

    def publish(self, publication: Publication) -> Published:
        """Embeddings of a release, beside those of the one before, then instead of them."""
        return self._publisher.publish(publication)

    def close(self) -> None:
        """Nothing; what is known of the curated part is kept. Closing twice is harmless."""
        try:
            self.hand_edits.save()
        except KindredError:
            pass  # the next look compares with what was kept before
        finally:
            super().close()
