"""One release in service: what routes ask of its engine, and where changes of the store go."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from api.engine.answer import Answer
from api.engine.finding.suggestions import Suggestion
from api.engine.phrases import Language
from api.engine.request import RelatedKind, Request
from api.engine.steering import NO_STEERING, Steering
from graph.records import Change, UpsertEdges

if TYPE_CHECKING:
    from graph.view import GraphView


class Answering(Protocol):
    """What the routes ask of an engine. Called from several threads at once."""

    def recommend(self, request: Request) -> Answer: ...

    def related(
        self,
        item_id: str,
        kind: RelatedKind = "similar",
        n: int = 10,
        *,
        user_id: str | None = None,
        reasons: bool = False,
        language: Language = "en",
        steering: Steering = NO_STEERING,
    ) -> Answer: ...

    def search(
        self,
        query: str,
        n: int = 10,
        *,
        user_id: str | None = None,
        reasons: bool = False,
        language: Language = "en",
        steering: Steering = NO_STEERING,
    ) -> Answer: ...

    def suggest(self, text: str, n: int = 10) -> list[Suggestion]: ...

    @property
    def version(self) -> tuple[str, int, int]:
        """What moves whenever an answer may differ, the time of day aside."""
        ...

    def refresh(self) -> bool:
        """Take the graph's changes in, so that the next answer does not have to."""
        ...

    def settle(self) -> bool:
        """Work off some of what a large import left; whether more is left."""
        ...

    def trending(
        self,
        window: str = "7d",
        n: int = 10,
        *,
        reasons: bool = False,
        language: Language = "en",
        steering: Steering = NO_STEERING,
    ) -> Answer: ...


class Feedable(Protocol):
    """Where changes of the store go: an overlay."""

    def apply(self, changes: Iterable[Change]) -> int: ...

    def add(self, written: Sequence[UpsertEdges], watermark: str) -> int: ...


@dataclass(slots=True)
class Live:
    """One release in service: everything one answer is made from. A request holds on to the one it began with."""

    release_id: str
    trained_at: str
    engine: Answering
    view: GraphView
    overlay: Feedable
    fed_to: str
    """The store's watermark up to which the overlay is fed; the snapshot's to begin with."""
    fed_rows: int = 0
