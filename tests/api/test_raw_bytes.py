"""Whatever bytes come in, no route answers with a 5xx, and the server goes on."""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote_from_bytes

import pytest

from tests.api.http_server import exchange, serving

CASES = 20_000
ROUTES = (
    ("GET", "/v1/items/{}/related", "kind n include filter strict diversity scenario"),
    ("GET", "/v1/users/{}/recommendations", "n include filter strict diversity scenario"),
    ("POST", "/v1/recommendations", ""),
    ("POST", "/v1/events", ""),
    ("GET", "/v1/trending", "window n include filter strict"),
    ("GET", "/v1/rules", ""),
    ("PUT", "/v1/rules", ""),
    ("GET", "/v1/graph/nodes/{}/{}/neighbors", "edge direction limit cursor"),
    ("GET", "/v1/search", "q n filter user_id include"),
    ("GET", "/v1/suggest", "q n"),
    ("GET", "/v1/items/{}", ""),
    ("PUT", "/v1/items/{}", ""),
    ("PATCH", "/v1/items/{}", ""),
    ("POST", "/v1/items:batch", ""),
    ("PUT", "/v1/edges", ""),
    ("DELETE", "/v1/edges", ""),
    ("GET", "/v1/users/{}/export", ""),
    ("PATCH", "/v1/users/{}", ""),
    ("GET", "/v1/explanations", "item_id user_id n changes lang"),
    ("POST", "/v1/what-if", ""),
    ("POST", "/v1/rank", ""),
    ("GET", "/v1/items/{}/audience", "n"),
    ("GET", "/v1/users/{}/attributes", "type n"),
    ("GET", "/v1/users/{}/profile", ""),
    ("GET", "/v1/graph/paths", "from to max_hops limit"),
    ("GET", "/v1/evaluations", ""),
    ("POST", "/v1/models/{}/activate", ""),
    ("GET", "/v1/models", ""),
    ("GET", "/live", ""),
    ("GET", "/ready", ""),
    ("GET", "/metrics", ""),
    ("GET", "/docs", ""),
    ("GET", "/openapi.json", ""),
    ("GET", "/problems/{}", ""),
    ("GET", "/", ""),
)
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE", "BREW", "get", "")
IDS = (
    b"tea",
    b"t00",
    b"Product",
    b"bag/red",
    b"\xff",
    b"\xed\xa0\x80",
    b"\x00",
    b"",
    b"..",
    b"%",
    b"a" * 600,
    "袋🛍".encode(),
    b"' OR 1=1 --",
    b"\r\nX: y",
)
VALUES = (
    b"1",
    b"-1",
    b"0",
    b"501",
    b"9" * 400,
    b"1e999",
    b"nan",
    b"NaN",
    b"inf",
    b"",
    b"7d",
    b"99999w",
    b"0d",
    b"similar",
    b"bought_together",
    b"reasons,properties,score",
    b'brand in ("nivea", "acme") and not price < 20',
    b"price <",
    b"(" * 600,
    b"not " * 100 + b"exists price",
    b'title = "\xff',
    b"complementary",
    b"cross_category",
    b"0.5",
    b"true",
    b",,,",
    b"\xff",
    b"\x00",
    b"both",
    b"HAS_BRAND",
    b"WyJ4Il0",
    b"[" * 300,
    "٣".encode(),
    b"1_0",
    b"1.0",
    b" 5 ",
)
VALID_BODIES = (
    b'{"edits":[{"do":"add_edge","edge":"HAS_BRAND","from":["Product","tea"],"to":["Brand","acme"]},'
    b'{"do":"set_property","node":["Product","tea"],"name":"title","value":"Tea"}],'
    b'"request":{"ask":"recommendations","user_id":"t00","n":3}}',
    b'{"user_id":"t00","items":["tea","gone"],"events":[{"item_id":"pot","kind":"view"}],"include":["properties"]}',
    b'{"user_id":"t00","item_id":"tea","kind":"purchase","event_id":"e1","value":2,"timestamp":1700000000,"recommendation_id":"r"}',
    b'[{"user_id":"t00","item_id":"tea","kind":"view","value":5},{"user_id":"b03","item_id":"gone","kind":"purchase"}]',
    b'{"user_id":"t00","events":[{"item_id":"pot","kind":"view","timestamp":"2026-01-01T00:00:00Z"}],"items":["cup"],"exclude":["saucer"],"n":5,"include":["reasons"]}',
    b'{"properties":{"title":"Green tea","price":2.5},"relations":{"HAS_BRAND":[{"id":"acme"}],"COMPLEMENTS":["pot"]}}',
    b'{"items":[{"item_id":"tea","properties":{"title":"Tea"}}],"delete":["gone"],"merge":true}',
    b'[{"source":["Product","tea"],"relation":"COMPLEMENTS","target":["Product","pot"],"weight":2,"qualifier":"q"}]',
    b'{"user_id":"t00","filter":"not brand = \\"acme\\"","strict":false,'
    b'"diversity":0.5,"boosts":[{"filter":"price < 5","factor":2}],'
    b'"pins":[{"item_id":"tea","rank":1}],"promotions":[{"name":"p","filter":"exists brand","positions":[2]}],'
    b'"caps":[{"by":"category","at_most":1}],"calibration":{"by":"brand","strength":0.5},"rotation":{"shown":["pot"]},'
    b'"freshness":{"half_life":"7d"},"interests":[{"type":"Brand","id":"nivea"}],"context":{"channel":"a","time":1}}',
    b'{"boosts":[{"filter":"price < 5","factor":0.5,"when":{"scenario":["x"],"hours":[22,6]}}],'
    b'"pins":[{"item_id":"tea","rank":1,"when":{"since":"2026-01-01T00:00:00Z"}}],"scenarios":{"x":{"diversity":0.1}}}',
)
PIECES = (
    b"NaN",
    b"Infinity",
    b"-Infinity",
    b"1e999",
    b"-1e999",
    b"1e-999",
    b"9" * 5000,
    b"0x10",
    b"-0",
    b"1e5",
    b"true",
    b"null",
    b"{}",
    b"[]",
    b'""',
    b'"\\ud800"',
    b'"\\udc00x"',
    b'"\\ud800\\ud800"',
    b'"\\u0000"',
    b'"\xff"',
    b'"\xed\xa0\x80"',
    b'"\\x"',
    b'"' + b"x" * 3000 + b'"',
    b"[" * 500 + b"]" * 500,
    b"[" * 100_000,
    b'{"a":' * 500 + b"1" + b"}" * 500,
    b'{"user_id":"a","user_id":"b"}',
    b"\xef\xbb\xbf{}",
    b"",
    b" ",
    b"\x00",
    b"'a'",
    b"{",
    b'{"n":1e2}',
    b'"2026-13-45"',
    b'"0001-01-01T00:00:00+23:59"',
    b'"9999-12-31T23:59:59-23:59"',
    b"[[]]",
    b"[null]",
    b"[1]",
)
TYPES = (
    b"application/json",
    b"application/json; charset=utf-16",
    b"text/plain",
    b"application/vnd.x+json",
    b"multipart/form-data; boundary=x",
    b"application/x-www-form-urlencoded",
    b"",
    b"\xff\xfe",
    b"a" * 2000,
)


def mutated(dice: random.Random, body: bytes) -> bytes:
    """A valid body with a value replaced, cut, a byte flipped, or bytes put in."""
    how = dice.randrange(6)
    if how == 0:
        spots = list(re.finditer(rb'(?<=[:\[,])("[^"]*"|[0-9.]+)', body))
        spot = dice.choice(spots)
        return body[: spot.start()] + dice.choice(PIECES) + body[spot.end() :]
    at = dice.randrange(len(body))
    if how == 1:
        return body[:at]
    if how == 2:
        return body[:at] + bytes([body[at] ^ (1 << dice.randrange(8))]) + body[at + 1 :]
    if how == 3:
        return body[:at] + dice.choice(PIECES) + body[at:]
    if how == 4:
        return dice.choice(PIECES)
    return body


def request_of(dice: random.Random) -> bytes:
    """One hostile request."""
    method, path, parameters = dice.choice(ROUTES)
    if dice.random() < 0.15:
        method = dice.choice(METHODS)
    target = path.encode()
    while b"{}" in target:
        part = dice.choice(IDS)
        target = target.replace(b"{}", part if dice.random() < 0.1 else quote_from_bytes(part, safe="").encode(), 1)
    if dice.random() < 0.6:
        names = [name.encode() for name in parameters.split()] + [b"filter", b"\xff", b"n" * 300, b""]
        pairs = [(dice.choice(names), dice.choice(VALUES)) for _ in range(dice.randrange(1, 4))]
        raw = dice.random() < 0.1
        target += b"?" + b"&".join(
            name + b"=" + value if raw else quote_from_bytes(name).encode() + b"=" + quote_from_bytes(value).encode()
            for name, value in pairs
        )
    body = b""
    headers = [b"Host: x", b"Connection: close"]
    if method in ("POST", "PUT", "PATCH") or "edges" in path or dice.random() < 0.1:
        body = mutated(dice, dice.choice(VALID_BODIES))
        kind = TYPES[0] if dice.random() < 0.8 else dice.choice(TYPES)
        headers.append(b"Content-Type: " + kind)
        if method == "PUT":
            headers.append(b"If-Match: *")
        how = dice.random()
        if how < 0.75:
            headers.append(b"Content-Length: %d" % len(body))
        elif how < 0.9:
            headers.append(b"Transfer-Encoding: chunked")
            body = b"%x\r\n" % len(body) + body + b"\r\n0\r\n\r\n"
        else:
            headers.append(b"Content-Length: " + dice.choice((b"-1", b"x", b"99999999999999999999", b"3", b"2000000")))
        if dice.random() < 0.05:
            headers.append(b"Content-Encoding: " + dice.choice((b"gzip", b"br", b"identity")))
    if dice.random() < 0.05:
        headers.append(
            dice.choice((b"Expect: 100-continue", b"X: " + b"y" * 9000, b"\xff: \xff", b"Upgrade: websocket"))
        )
    request = method.encode() + b" " + target + b" HTTP/1.1\r\n" + b"\r\n".join(headers) + b"\r\n\r\n" + body
    if dice.random() < 0.02:
        request = dice.randbytes(dice.randrange(1, 300)) + b"\r\n\r\n"
    return request


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    with serving(tmp_path_factory.mktemp("shop")) as number:
        yield number


def test_no_bytes_give_a_5xx(port: int) -> None:
    dice = random.Random(20_261_122)
    requests = [request_of(dice) for _ in range(CASES)]
    with ThreadPoolExecutor(8) as pool:
        replies = list(pool.map(lambda request: exchange(port, request), requests))
    statuses = Counter(reply[9:12].decode() for reply in replies)
    broken = [request for request, reply in zip(requests, replies, strict=True) if reply[9:10] == b"5"]
    assert not broken, (broken[0][:500], statuses)
    assert statuses["200"] > CASES / 10, statuses
    assert statuses["422"] > CASES / 10, statuses
    assert statuses[""] < CASES / 20, statuses  # what is not HTTP may be hung up on
    assert exchange(port, b"GET /ready HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")[9:12] == b"200"


@pytest.mark.parametrize("route", ["/v1/events", "/v1/recommendations"])
def test_a_huge_body_is_refused_before_it_is_read(port: int, route: str) -> None:
    head = f"POST {route} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n".encode()
    declared = exchange(port, head + b"Content-Length: 300000000\r\n\r\n{")
    assert declared[9:12] == b"413"
    endless = head + b"Transfer-Encoding: chunked\r\n\r\n" + (b"10000\r\n" + b"[" * 65536 + b"\r\n") * 18
    assert exchange(port, endless)[9:12] == b"413"


def test_slow_headers_and_bodies_are_hung_up_on(port: int) -> None:
    head = b"POST /v1/events HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 50\r\n"
    with ThreadPoolExecutor(2) as pool:
        slow_body = pool.submit(exchange, port, head + b"\r\n{")
        slow_header = pool.submit(exchange, port, head)
        assert slow_body.result()[9:12] == b"408"
        assert slow_header.result() == b""
