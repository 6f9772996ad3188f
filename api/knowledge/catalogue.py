"""Writes to the catalogue: items with what they belong to, and curated edges; checked, conditional, durable."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated

import msgspec
from msgspec import Struct, field

from api.http.limits import MAX_LIST, checked_id
from api.http.problems import InvalidField
from graph.errors import Conflict, NotFound, SchemaError
from graph.records import (
    DeleteEdges,
    DeleteNodes,
    Direction,
    Mutation,
    Node,
    Properties,
    UpsertEdges,
    UpsertNodes,
    Value,
)
from graph.schema import EdgeRole, EdgeSpec, GraphSchema
from graph.store import GraphReader, GraphStore

ACTOR = "catalogue"
MAX_RELATED = 1000
"""Ends of one relation of one item."""
_PAGE = 500

PostedValue = str | int | float | bool | list[str] | None
PostedProperties = dict[str, PostedValue]


class PostedEnd(Struct, forbid_unknown_fields=True, frozen=True):
    """A brand, category or item at the other end of an edge; ``properties`` are merged into the node's own."""

    id: str
    properties: PostedProperties = field(default_factory=dict)


PostedEnds = Annotated[list[str | PostedEnd], msgspec.Meta(max_length=MAX_RELATED)]


class PostedItem(Struct, forbid_unknown_fields=True, frozen=True):
    """An item as put: its properties, and by relation what it belongs to. A relation that is not named stays."""

    properties: PostedProperties = field(default_factory=dict)
    relations: dict[str, PostedEnds] = field(default_factory=dict)


class BatchItem(Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """One item of a batch."""

    item_id: str
    properties: PostedProperties = field(default_factory=dict)
    relations: dict[str, PostedEnds] = field(default_factory=dict)


class PostedBatch(Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """Many items in one transaction: put (the default) or patched, and ids to delete."""

    items: Annotated[list[BatchItem], msgspec.Meta(max_length=MAX_LIST)] = field(default_factory=list)
    delete: Annotated[list[str], msgspec.Meta(max_length=MAX_LIST)] = field(default_factory=list)
    merge: bool = False


class PostedEdge(Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """A curated edge, by its ends as ``[type, id]``."""

    source: tuple[str, str]
    relation: str
    target: tuple[str, str]
    qualifier: str = ""
    weight: float = 1.0
    properties: PostedProperties = field(default_factory=dict)


class ItemReply(Struct, frozen=True):
    """An item as the graph holds it; ``etag`` goes into If-Match."""

    item_id: str
    properties: dict[str, PostedValue]
    relations: dict[str, list[str]]
    etag: str


class WriteReply(Struct, frozen=True):
    """What a write did: rows that changed (none when it was a repetition), and the graph's watermark after it."""

    changed: int
    graph_watermark: str
    etag: str | None = None


class Condition(Struct, frozen=True):
    """What must hold for a write: one of some etags (If-Match; ``*`` is any item), or that there is none yet."""

    etags: tuple[str, ...] | None = None
    must_be_new: bool = False

    @classmethod
    def of(cls, if_match: str | None, if_none_match: str | None) -> Condition:
        """The condition in two headers.

        Raises:
            InvalidField: for an If-None-Match other than ``*``.
        """
        if if_none_match is not None and if_none_match.strip() != "*":
            raise InvalidField("If-None-Match is only served with *", field="If-None-Match", expected="*")
        etags = None if if_match is None else tuple(part.strip() for part in if_match.split(","))
        return cls(etags, if_none_match is not None)

    def check(self, current: ItemReply | None, where: str) -> None:
        """Nothing, when a write may go on.

        Raises:
            Conflict: when it may not.
        """
        met = self.etags is None or (current is not None and ("*" in self.etags or current.etag in self.etags))
        if met and not (self.must_be_new and current is not None):
            return
        raise Conflict(
            "the item is not as the request expects",
            expected="no such item" if self.must_be_new else " or ".join(self.etags or ()),
            got="no such item" if current is None else current.etag,
            where=where,
            remedy="GET it again and repeat the edit with its new ETag.",
        )


class Catalogue:
    """Reads and writes items and curated edges of one store. Calls must take turns."""

    def __init__(self, store: GraphStore) -> None:
        self._store = store
        self._schema = store.schema
        self._item = self._schema.item_type

    def item(self, item_id: str) -> ItemReply:
        """An item as it is now.

        Raises:
            NotFound: when there is none.
        """
        found = self._found(item_id)
        if found is None:
            raise NotFound("no such item", got=item_id, remedy="PUT it to create it.")
        return found[1]

    def put(self, item_id: str, posted: PostedItem, condition: Condition, *, merge: bool) -> WriteReply:
        """The item is what was posted; with ``merge`` only what was posted changes, and ``null`` removes a property.

        Raises:
            NotFound: when an item to merge into is not there.
            Conflict: when the condition does not hold; nothing is written.
            SchemaError: for a name that the schema does not have.
        """
        found = self._found(item_id)
        condition.check(None if found is None else found[1], f"item {item_id}")
        if merge and found is None:
            raise NotFound("no such item", got=item_id, remedy="PUT it to create it.")
        conditional = condition.etags is not None or condition.must_be_new
        version = (0 if found is None else found[0].version) if conditional else None
        return self._write(item_id, list(self._mutations(item_id, posted, found, merge=merge, version=version)))

    def delete(self, item_id: str, condition: Condition) -> WriteReply:
        """The item is gone, with every edge at it; one that is not there changes nothing.

        Raises:
            Conflict: when the condition does not hold.
        """
        found = self._found(item_id)
        condition.check(None if found is None else found[1], f"item {item_id}")
        mutations: list[Mutation] = [DeleteNodes(self._item, [item_id])]
        if found is not None and condition.etags is not None:
            # An update of nothing, so that the store itself refuses when somebody was faster.
            mutations.insert(0, UpsertNodes(self._item, [item_id], [{}], expected_version=[found[0].version]))
        return self._write(None, mutations)

    def batch(self, posted: PostedBatch) -> WriteReply:
        """All of a batch in one transaction, or nothing of it.

        Raises:
            InvalidField: naming the item that cannot be written.
        """
        mutations: list[Mutation] = []
        for at, one in enumerate(posted.items):
            item_id = checked_id(one.item_id, f"items[{at}].item_id")
            found = self._found(item_id)
            if posted.merge and found is None:
                raise InvalidField("no such item to merge into", field=f"items[{at}].item_id", got=item_id)
            item = PostedItem(one.properties, one.relations)
            place = f"items[{at}]."
            mutations += self._mutations(item_id, item, found, merge=posted.merge, version=None, place=place)
        ids = [checked_id(item_id, f"delete[{at}]") for at, item_id in enumerate(posted.delete)]
        if ids:
            mutations.append(DeleteNodes(self._item, ids))
        return self._write(None, mutations)

    def put_edges(self, posted: Sequence[PostedEdge]) -> WriteReply:
        """The edges are there, with their weights and properties."""
        mutations: list[Mutation] = []
        for at, edge in enumerate(posted):
            spec = self._curated(edge, f"[{at}].")
            self._check_ends(edge, f"[{at}].")
            mutations.append(
                UpsertEdges(
                    spec.edge_type,
                    [edge.source[1]],
                    [edge.target[1]],
                    weight=[edge.weight],
                    qualifiers=[edge.qualifier],
                    properties=[_properties(edge.properties)],
                )
            )
        return self._write(None, mutations)

    def delete_edges(self, posted: Sequence[PostedEdge]) -> WriteReply:
        """The edges are gone; those that were not there change nothing."""
        mutations: list[Mutation] = []
        for at, edge in enumerate(posted):
            spec = self._curated(edge, f"[{at}].")
            mutations.append(DeleteEdges(spec.edge_type, [edge.source[1]], [edge.target[1]], [edge.qualifier]))
        return self._write(None, mutations)

    def _write(self, item_id: str | None, mutations: list[Mutation]) -> WriteReply:
        if not mutations:
            return WriteReply(0, self._store.watermark())
        applied = self._store.apply(mutations, batch_id=uuid.uuid4().hex, actor=ACTOR)
        found = None if item_id is None else self._found(item_id)
        return WriteReply(applied.changed, applied.watermark, None if found is None else found[1].etag)

    def _found(self, item_id: str) -> tuple[Node, ItemReply] | None:
        with self._store.reading() as reader:
            node = reader.node(self._item, item_id)
            if node is None:
                return None
            relations = {spec.relation: _ends(reader, spec, item_id) for spec in relations_of(self._schema)}
        relations = {relation: ends for relation, ends in relations.items() if ends}
        content = msgspec.json.encode(sorted(relations.items()))
        etag = f'"{node.version}-{hashlib.sha256(content).hexdigest()[:12]}"'
        return node, ItemReply(item_id, dict(node.properties), relations, etag)

    def _mutations(
        self,
        item_id: str,
        posted: PostedItem,
        found: tuple[Node, ItemReply] | None,
        *,
        merge: bool,
        version: int | None,
        place: str = "",
    ) -> Iterator[Mutation]:
        properties = _properties(posted.properties)
        kinds = self._schema.node(self._item).properties
        _check_names(properties, kinds, place)
        versions = None if version is None else [version]
        yield UpsertNodes(self._item, [item_id], [properties], replace=not merge, expected_version=versions)
        specs = {spec.relation: spec for spec in relations_of(self._schema)}
        for relation, posted_ends in posted.relations.items():
            where = f"{place}relations.{relation}"
            if relation not in specs:
                raise SchemaError(
                    f"{self._item} has no such relation",
                    expected="one of " + ", ".join(specs),
                    got=relation,
                    where=where,
                )
            spec = specs[relation]
            ends = [PostedEnd(end) if isinstance(end, str) else end for end in posted_ends]
            ids = [checked_id(end.id, f"{where}[{at}]") for at, end in enumerate(ends)]
            before = [] if found is None else found[1].relations.get(relation, [])
            gone = [end for end in before if end not in set(ids)]
            if gone:
                yield DeleteEdges(spec.edge_type, [item_id] * len(gone), gone)
            yield from self._edges(spec, item_id, ends, where)

    def _edges(self, spec: EdgeSpec, item_id: str, ends: Sequence[PostedEnd], where: str) -> Iterator[Mutation]:
        if not ends:
            return
        if spec.target == self._item:
            for at, end in enumerate(ends):
                if end.id != item_id and self._store.node(spec.target, end.id) is None:
                    raise InvalidField("no such item to relate to", field=f"{where}[{at}]", got=end.id, where=where)
                if end.properties:
                    raise InvalidField("another item's properties are put with that item", field=f"{where}[{at}]")
        for at, end in enumerate(ends):
            if end.properties:
                properties = _properties(end.properties)
                _check_names(properties, self._schema.node(spec.target).properties, f"{where}[{at}].")
                yield UpsertNodes(spec.target, [end.id], [properties])
        ids = list(dict.fromkeys(end.id for end in ends))
        yield UpsertEdges(spec.edge_type, [item_id] * len(ids), ids, create_missing=True)

    def _curated(self, edge: PostedEdge, place: str) -> EdgeSpec:
        spec = self._schema.edge((edge.source[0], edge.relation, edge.target[0]))
        if spec.role in (EdgeRole.INTERACTION, EdgeRole.SOCIAL):
            raise InvalidField(
                "this relation is not the catalogue's", field=place + "relation", got=edge.relation,
                remedy="Send what customers do to POST /v1/events.",
            )  # fmt: skip
        checked_id(edge.source[1], place + "source")
        checked_id(edge.target[1], place + "target")
        return spec

    def _check_ends(self, edge: PostedEdge, place: str) -> None:
        for name, (node_type, node_id) in (("source", edge.source), ("target", edge.target)):
            if self._store.node(node_type, node_id) is None:
                raise InvalidField(f"there is no such {node_type}", field=place + name, got=node_id, where=place + name)


def relations_of(schema: GraphSchema) -> tuple[EdgeSpec, ...]:
    """The edges that leave an item: what it belongs to and goes with."""
    item = schema.item_type
    unique = [spec for spec in schema.edges if spec.source == item and spec.role is not EdgeRole.INTERACTION]
    return tuple({spec.relation: spec for spec in reversed(unique)}.values())[::-1]


def _ends(reader: GraphReader, spec: EdgeSpec, item_id: str) -> list[str]:
    ends: list[str] = []
    cursor: str | None = None
    direction: Direction = "out"
    while True:
        page = reader.neighbors(
            spec.source, item_id, edge_types=[spec.edge_type], direction=direction, limit=_PAGE, cursor=cursor
        )
        ends += [neighbor.node[1] for neighbor in page.neighbors]
        cursor = page.next_cursor
        if cursor is None:
            return sorted(set(ends))


def _check_names(properties: Properties, known: Mapping[str, object], place: str) -> None:
    for name in properties:
        if name not in known:
            raise SchemaError(
                "unknown property",
                expected="one of " + (", ".join(known) or "none: the type has no properties"),
                got=name,
                where=f"{place}properties.{name}",
            )


def _properties(posted: PostedProperties) -> dict[str, Value]:
    return dict(posted)
