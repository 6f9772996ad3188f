"""The shop's rules: read, and replaced by those who have read them."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Header, Request, Response
from msgspec import Struct

from api.engine.filters import FilterMasks
from api.engine.steering.checking import Checked, check_rules
from api.engine.steering.rules import Rules
from api.http.envelope import json_response
from api.http.limits import decode_json, read_body
from api.http.problems import PreconditionMissing
from api.knowledge.rules import RulesVersion
from api.openapi import json_body, reply
from api.parts import Parts, parts_of

router = APIRouter(prefix="/v1", tags=["rules"])
_BODY = msgspec.json.Decoder(Rules)
_FIELDS = "some of boosts, promotions, pins, hidden, caps, scenarios"


class RuleProblem(Struct, frozen=True):
    """A part of the rules that says nothing in this graph."""

    field: str
    column: int
    detail: str


class RulesReply(Struct, frozen=True):
    """The rules in force. A writer sends `rules`, changed, with `etag` as If-Match."""

    rules: Rules
    etag: str
    problems: list[RuleProblem]
    unknown_ids: tuple[str, ...]
    damage: str | None = None
    """Why the file of rules cannot be read; `rules` are then those read last."""


@router.get("/rules", summary="Rules", responses=reply("RulesReply"))
async def get_rules(request: Request) -> Response:
    """The boosts, promotions, pins, hidden items, caps and scenarios in force; `ETag` is their version."""
    parts = parts_of(request)
    version = await parts.lane.run(parts.rules.current)
    return await _replied(parts, version)


@router.put("/rules", summary="Rules, replaced", responses=reply("RulesReply"), openapi_extra=json_body("Rules"))
async def put_rules(
    request: Request,
    if_match: Annotated[str | None, Header(max_length=200, description="The ETag that was read, or *.")] = None,
) -> Response:
    """Puts all rules in force, durable and in the next answer. `If-Match` names the version they are based on."""
    parts = parts_of(request)
    settings = parts.settings
    raw = await read_body(request, settings.body_limit_bytes, settings.body_timeout_s)
    rules = decode_json(raw, _BODY, _FIELDS)
    if if_match is None:
        raise PreconditionMissing(
            "the version the rules are based on is not named",
            expected='If-Match: "…", the ETag of GET /v1/rules',
            remedy="If-Match: * replaces whatever is there.",
        )
    checked = await parts.lane.run(_checked, parts, rules)
    if checked.problems:
        raise checked.problems[0]
    version = await parts.store_lane.run(parts.rules.put, rules, if_match)
    return await _replied(parts, version)


async def _replied(parts: Parts, version: RulesVersion) -> Response:
    checked = await parts.lane.run(_checked, parts, version.rules)
    problems = [RuleProblem(error.field, error.column, str(error)) for error in checked.problems]
    document = RulesReply(version.rules, version.etag, problems, checked.unknown_ids, parts.rules.damage)
    response = json_response(document)
    response.headers["etag"] = version.etag
    return response


def _checked(parts: Parts, rules: Rules) -> Checked:
    view = parts.serving.live.view.frozen()
    return check_rules(rules, FilterMasks(view.schema), view)


MESSAGES: dict[str, Any] = {"Rules": Rules, "RulesReply": RulesReply}
