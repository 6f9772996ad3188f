"""A person's own data: export, opting out of profiling, erasure."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import TypeVar

import msgspec
from fastapi import APIRouter, Request, Response

from api.http.envelope import json_response
from api.http.limits import checked_id, decode_json, read_body
from api.http.problems import DeadlineExceeded
from api.knowledge.catalogue import WriteReply
from api.knowledge.personal import ErasureReply, ExportReply, PersonalData, PostedUser
from api.openapi import json_body, reply
from api.parts import Parts, parts_of, telling_an_empty_store
from graph.errors import KindredError

router = APIRouter(prefix="/v1/users", tags=["privacy"])
T = TypeVar("T")
DEADLINE_S = 60.0
"""An erasure reads every release and empties the store's log; nobody waits for it at a till."""
_BODY: msgspec.json.Decoder[PostedUser] = msgspec.json.Decoder(PostedUser)


@router.get("/{user_id:path}/export", summary="Everything held of a user", responses=reply("ExportReply"))
async def export(request: Request, user_id: str) -> Response:
    """Every property and every interaction of a user, read from the graph store. An unknown user is a 404."""
    asked = checked_id(user_id, "user_id")

    def read(data: PersonalData) -> ExportReply:
        return data.export(asked)

    return json_response(await _patiently(parts_of(request), read))


@router.patch(
    "/{user_id:path}",
    summary="Change a user's properties",
    responses=reply("WriteReply"),
    openapi_extra=json_body("PostedUser"),
)
async def change(request: Request, user_id: str) -> Response:
    """Sets properties of a user. `{"properties": {"profiling": false}}` opts out: lists no longer depend on history."""
    asked, parts = checked_id(user_id, "user_id"), parts_of(request)
    settings = parts.settings
    raw = await read_body(request, settings.body_limit_bytes, settings.body_timeout_s)
    posted = decode_json(raw, _BODY, "properties (by name)")

    def write(data: PersonalData) -> WriteReply:
        return _fed(parts, data.change(asked, posted))

    return json_response(await _patiently(parts, write))


@router.delete("/{user_id:path}", summary="Erase a user", responses=reply("ErasureReply"))
async def erase(request: Request, user_id: str) -> Response:
    """Erases a user from the graph, its files, the answers and the quarantine. Erasing again changes nothing.

    Releases that are kept hold the row until the next training replaces them; the reply names them.
    """
    asked, parts = checked_id(user_id, "user_id"), parts_of(request)

    def write(data: PersonalData) -> ErasureReply:
        return _fed(parts, data.erase(asked))

    return json_response(await _patiently(parts, write))


def _fed(parts: Parts, written: T) -> T:
    with contextlib.suppress(KindredError):  # it is durable; the overlay's own thread tries again
        parts.serving.feeding.catch_up()
    return written


async def _patiently(parts: Parts, work: Callable[[PersonalData], T]) -> T:
    """What ``work`` returns, in a thread of its own, so that neither answers nor writes wait behind it."""

    def run() -> T:
        store = parts.store()
        with telling_an_empty_store():
            data = PersonalData(store, parts.settings.releases, parts.settings.work_dir)
        return work(data)

    try:
        async with asyncio.timeout(DEADLINE_S):
            return await asyncio.to_thread(run)
    except TimeoutError:
        raise DeadlineExceeded(
            "it was not done in time", expected=f"within {DEADLINE_S:g} s", remedy="Send it again; it is harmless."
        ) from None
