"""What the platform holds of one person: handed out whole, changed, erased everywhere."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from msgspec import Struct, field

from api.engine.reading import PROFILING
from api.http.timestamps import iso_time
from api.knowledge.catalogue import PostedProperties, WriteReply
from graph.erasure import ErasureList
from graph.errors import KindredError, NotFound
from graph.files import replace_file
from graph.records import DeleteNodes, Neighbor, UpsertNodes
from graph.release import list_releases
from graph.release.naming import SNAPSHOT
from graph.schema import GraphSchema, NodeSpec, PropertyKind
from graph.snapshot import open_snapshot
from graph.store import Erasing, GraphReader, GraphStore

ACTOR = "privacy"
_PAGE = 1000


class PostedUser(Struct, forbid_unknown_fields=True, frozen=True):
    """Properties of a user that change; ``null`` removes one. ``profiling: false`` opts out of profiling."""

    properties: PostedProperties = field(default_factory=dict)


class ExportedEdge(Struct, frozen=True):
    """One edge of a person, as the graph holds it."""

    relation: str
    direction: str
    node: tuple[str, str]
    qualifier: str
    weight: float
    timestamp: str | None
    properties: PostedProperties


class ExportReply(Struct, frozen=True):
    """Everything the graph holds of one person."""

    user_id: str
    properties: PostedProperties
    edges: list[ExportedEdge]
    graph_watermark: str


class ErasureReply(Struct, frozen=True):
    """What an erasure did. ``releases`` still hold the person's row, unreadable to every answer, until the next
    ``kindred train``, which writes a release without it and removes these.
    """

    changed: int
    quarantined: int
    """Lines taken out of quarantine files and of the journal of what was recommended."""
    releases: tuple[str, ...]
    graph_watermark: str


class PersonalData:
    """What is held of persons: in a store, beside the releases, and in the work folder."""

    def __init__(self, store: GraphStore, releases: Path, work_dir: Path) -> None:
        self._store = store
        self._releases = releases
        self._work_dir = work_dir
        self._user = store.schema.user_type

    def export(self, user_id: str) -> ExportReply:
        """Every property and every edge of a user, of one moment.

        Raises:
            NotFound: when the graph does not hold the user.
        """
        with self._store.reading() as reader:
            node = reader.node(self._user, user_id)
            if node is None:
                raise NotFound("there is no such user", got=user_id)
            edges = [_exported(neighbor) for neighbor in _neighbors(reader, self._user, user_id)]
            return ExportReply(user_id, dict(node.properties), edges, reader.watermark())

    def change(self, user_id: str, posted: PostedUser) -> WriteReply:
        """The user has the posted properties; one who was never seen is created.

        Raises:
            SchemaError: for a property that the schema does not have.
        """
        if PROFILING in posted.properties:
            self._store.ensure_schema(with_profiling(self._store.schema))
        mutation = UpsertNodes(self._user, [user_id], [dict(posted.properties)])
        applied = self._store.apply([mutation], batch_id=uuid.uuid4().hex, actor=ACTOR)
        return WriteReply(applied.changed, applied.watermark)

    def erase(self, user_id: str) -> ErasureReply:
        """The user is in no answer, and his id in no file but those of releases written before.

        An unknown user is erased too: whether there was one is nobody's business.
        """
        holding = tuple(self._holding(user_id))
        if holding:
            ErasureList.beside(self._releases).add(user_id)  # first: after a crash the erasure is repeated, not lost
        batch_id = uuid.uuid4().hex
        if isinstance(self._store, Erasing):
            applied = self._store.erase_node(self._user, user_id, batch_id=batch_id, actor=ACTOR)
        else:
            applied = self._store.apply([DeleteNodes(self._user, [user_id])], batch_id=batch_id, actor=ACTOR)
        quarantined = sum(
            _without(path, user_id)
            for path in [*self._work_dir.glob("ingest/quarantine/**/*.jsonl"), *self._work_dir.glob("given/*.jsonl")]
        )
        return ErasureReply(applied.changed, quarantined, holding, applied.watermark)

    def _holding(self, user_id: str) -> Iterable[str]:
        for info in list_releases(self._releases):
            try:
                snapshot = open_snapshot(info.directory / SNAPSHOT)
            except KindredError:
                yield info.id  # it cannot be read, so it may hold anybody
                continue
            with snapshot:
                if snapshot.nodes(snapshot.schema.user_type).index_of(user_id) is not None:
                    yield info.id


def with_profiling(schema: GraphSchema) -> GraphSchema:
    """The schema, whose users may say that they do not want to be profiled."""
    spec = schema.node(schema.user_type)
    if PROFILING in spec.properties:
        return schema
    opted = NodeSpec(**{**spec.model_dump(), "properties": {**spec.properties, PROFILING: PropertyKind.BOOLEAN}})
    return GraphSchema(nodes=tuple(opted if node is spec else node for node in schema.nodes), edges=schema.edges)


def _neighbors(reader: GraphReader, node_type: str, node_id: str) -> Iterable[Neighbor]:
    cursor: str | None = None
    while True:
        page = reader.neighbors(node_type, node_id, limit=_PAGE, cursor=cursor)
        yield from page.neighbors
        cursor = page.next_cursor
        if cursor is None:
            return


def _exported(neighbor: Neighbor) -> ExportedEdge:
    edge = neighbor.edge
    time = None if edge.timestamp_ms is None else iso_time(edge.timestamp_ms)
    properties: dict[str, Any] = dict(edge.properties)
    return ExportedEdge(
        edge.edge_type[1], neighbor.direction, neighbor.node, edge.qualifier, edge.weight, time, properties
    )


def _without(path: Path, user_id: str) -> int:
    """How many lines of a journal named the user; they are not in it any more."""
    named = re.compile(rf"(?<!\w){re.escape(user_id)}(?!\w)")
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    kept = [line for line in lines if not _names(line, named)]
    if len(kept) < len(lines):
        replace_file(path, "".join(kept).encode())
    return len(lines) - len(kept)


def _names(line: str, named: re.Pattern[str]) -> bool:
    """Whether a refused cell, its reason or an event's id names the user; a line that broke off counts whole."""
    try:
        entry = json.loads(line)
    except ValueError:
        return named.search(line) is not None
    cells = (entry.get(key) for key in ("value", "reason", "event"))
    return any(isinstance(cell, str) and named.search(cell) for cell in cells)
