"""The catalogue: items and curated edges, put, changed and deleted; concurrent editors do not overwrite each other."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Annotated, TypeVar

import msgspec
from fastapi import APIRouter, Header, Request, Response

from api.http.envelope import json_response
from api.http.limits import MAX_LIST, checked_id, decode_json, read_body
from api.http.problems import DeadlineExceeded, InvalidField, NotReady, Overloaded
from api.knowledge.catalogue import Catalogue, Condition, ItemReply, PostedBatch, PostedEdge, PostedItem, WriteReply
from api.openapi import json_body, reply
from api.parts import Parts, parts_of, telling_an_empty_store
from graph.errors import KindredError

router = APIRouter(prefix="/v1", tags=["catalogue"])
T = TypeVar("T")
PostedEdges = PostedEdge | list[PostedEdge]
_ITEM: msgspec.json.Decoder[PostedItem] = msgspec.json.Decoder(PostedItem)
_BATCH: msgspec.json.Decoder[PostedBatch] = msgspec.json.Decoder(PostedBatch)
_EDGES: msgspec.json.Decoder[PostedEdges] = msgspec.json.Decoder(PostedEdges)
_ITEM_FIELDS = "properties (by name) and relations (ids by relation)"
_BATCH_FIELDS = "items (item_id, properties, relations), delete (ids), merge"
_EDGE_FIELDS = "one edge or an array of edges with source, relation, target, qualifier, weight, properties"
IfMatch = Annotated[str | None, Header(max_length=1000, description="The ETag of the item you read, or *.")]
IfNoneMatch = Annotated[str | None, Header(max_length=1000, description="* writes only if there is no such item.")]


@router.get("/items/{item_id:path}", summary="An item", responses=reply("ItemReply"))
async def get_item(request: Request, item_id: str) -> Response:
    """An item as the graph holds it now, with the ETag that a conditional write takes."""
    parts, asked = parts_of(request), checked_id(item_id, "item_id")

    def read(catalogue: Catalogue) -> ItemReply:
        return catalogue.item(asked)

    found = await parts.store_lane.run(_with_catalogue, parts, read)
    return _tagged(found, found.etag)


@router.put(
    "/items/{item_id:path}",
    summary="Put an item",
    responses=reply("WriteReply"),
    openapi_extra=json_body("PostedItem"),
)
async def put_item(
    request: Request, item_id: str, if_match: IfMatch = None, if_none_match: IfNoneMatch = None
) -> Response:
    """Creates or replaces an item; a relation that is not named stays. Repeating it changes nothing.

    Answered once it is durable and in the next answer: found by search, related and recommended by its text and
    attributes. With `If-Match` the loser of two editors gets a 412.
    """
    return await _put(request, item_id, Condition.of(if_match, if_none_match), merge=False)


@router.patch(
    "/items/{item_id:path}",
    summary="Change an item",
    responses=reply("WriteReply"),
    openapi_extra=json_body("PostedItem"),
)
async def patch_item(request: Request, item_id: str, if_match: IfMatch = None) -> Response:
    """Changes the properties and relations that are named; `null` removes a property. An unknown item is a 404."""
    return await _put(request, item_id, Condition.of(if_match, None), merge=True)


@router.delete("/items/{item_id:path}", summary="Delete an item", responses=reply("WriteReply"))
async def delete_item(request: Request, item_id: str, if_match: IfMatch = None) -> Response:
    """Deletes an item and every edge at it; it is in no further answer. Deleting it again changes nothing."""
    asked, condition = checked_id(item_id, "item_id"), Condition.of(if_match, None)
    return await _written(request, lambda catalogue: catalogue.delete(asked, condition))


@router.post(
    "/items:batch",
    summary="Put, change or delete many items",
    responses=reply("WriteReply"),
    openapi_extra=json_body("PostedBatch"),
)
async def batch_items(request: Request) -> Response:
    """Up to 1000 items in one transaction: all of it is written, or nothing."""
    body = await _body(request, _BATCH, _BATCH_FIELDS)
    return await _written(request, lambda catalogue: catalogue.batch(body))


@router.put(
    "/edges", summary="Put curated edges", responses=reply("WriteReply"), openapi_extra=json_body("PostedEdges")
)
async def put_edges(request: Request) -> Response:
    """Puts one curated edge, or an array of at most 1000; their ends must be there. Repeating it changes nothing."""
    edges = await _edges(request)
    return await _written(request, lambda catalogue: catalogue.put_edges(edges))


@router.delete(
    "/edges", summary="Delete curated edges", responses=reply("WriteReply"), openapi_extra=json_body("PostedEdges")
)
async def delete_edges(request: Request) -> Response:
    """Deletes one curated edge, or an array of at most 1000; reasons that named it are gone with it."""
    edges = await _edges(request)
    return await _written(request, lambda catalogue: catalogue.delete_edges(edges))


async def _put(request: Request, item_id: str, condition: Condition, *, merge: bool) -> Response:
    asked = checked_id(item_id, "item_id")
    body = await _body(request, _ITEM, _ITEM_FIELDS)
    return await _written(request, lambda catalogue: catalogue.put(asked, body, condition, merge=merge))


async def _edges(request: Request) -> list[PostedEdge]:
    posted = await _body(request, _EDGES, _EDGE_FIELDS)
    edges = posted if isinstance(posted, list) else [posted]
    if not 1 <= len(edges) <= MAX_LIST:
        raise InvalidField("a batch has a bad size", field="body", expected=f"1 to {MAX_LIST} edges", got=len(edges))
    return edges


async def _body(request: Request, decoder: msgspec.json.Decoder[T], served: str) -> T:
    settings = parts_of(request).settings
    return decode_json(await read_body(request, settings.body_limit_bytes, settings.body_timeout_s), decoder, served)


async def _written(request: Request, work: Callable[[Catalogue], WriteReply]) -> Response:
    """Answers once the write is durable and, if the engine is quick, already in its sources."""
    parts = parts_of(request)
    written = await parts.store_lane.run(_write, parts, work)
    if written.changed:
        with contextlib.suppress(DeadlineExceeded, Overloaded, NotReady):
            await parts.lane.run(parts.serving.live.engine.refresh)
    return _tagged(written, written.etag)


def _write(parts: Parts, work: Callable[[Catalogue], WriteReply]) -> WriteReply:
    written = _with_catalogue(parts, work)
    if written.changed:
        with contextlib.suppress(KindredError):  # it is durable; the overlay's own thread tries again
            parts.serving.feeding.catch_up()
    return written


def _with_catalogue(parts: Parts, work: Callable[[Catalogue], T]) -> T:
    store = parts.store()
    with telling_an_empty_store():
        catalogue = Catalogue(store)
    return work(catalogue)


def _tagged(document: ItemReply | WriteReply, etag: str | None) -> Response:
    response = json_response(document)
    if etag is not None:
        response.headers["etag"] = etag
    return response
