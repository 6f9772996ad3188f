"""OpenTelemetry: what is seen of requests and of the engine's stages, and what never is."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx2
import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from api.app import create_app
from api.engine.watching import stage
from api.observing.telemetry import Telemetry, exporter_types, open_telemetry, wanted_exporters
from graph.errors import MissingExtra, SettingsError
from tests.api.http_server import open_for_business, settings_for

CANARY = "canary-person-7f3a"
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


class Seen:
    """Everything one application told OpenTelemetry while it answered some requests."""

    def __init__(self) -> None:
        self.exporter = InMemorySpanExporter()
        self.reader = InMemoryMetricReader()
        traces = TracerProvider()
        traces.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.telemetry = Telemetry(traces, MeterProvider([self.reader]))
        self.statuses: list[int] = []
        self.metrics: dict[str, Any] = {}

    @property
    def spans(self) -> tuple[ReadableSpan, ...]:
        return self.exporter.get_finished_spans()

    def named(self, name: str) -> ReadableSpan:
        return next(span for span in self.spans if span.name == name)


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Seen:
    """A corner shop asked by somebody whose id must not be seen."""
    folder = tmp_path_factory.mktemp("shop")
    open_for_business(folder)
    seen = Seen()
    asyncio.run(_ask(folder, seen))
    return seen


async def _ask(folder: Path, seen: Seen) -> None:
    app = create_app(settings_for(folder, 8000), telemetry=seen.telemetry)
    transport = httpx2.ASGITransport(app)
    headers = {"traceparent": f"00-{TRACE}-00f067aa0ba902b7-01", "tracestate": f"v={CANARY}", "baggage": f"u={CANARY}"}
    async with (
        app.router.lifespan_context(app),
        httpx2.AsyncClient(transport=transport, base_url="http://shop", headers=headers) as client,
    ):
        ends = time.monotonic() + 60
        while (await client.get("/ready")).status_code != 200:
            assert time.monotonic() < ends
            await asyncio.sleep(0.02)
        event = {"user_id": CANARY, "item_id": "tea", "kind": "purchase"}
        for reply in (
            await client.post("/v1/events", json=event),
            await client.get(f"/v1/users/{CANARY}/recommendations?include=reasons"),
            await client.get("/v1/items/tea/related", params={"user_id": CANARY}),
            await client.get("/v1/search", params={"q": "tea cup", "user_id": CANARY}),
            await client.get(f"/v1/users/{CANARY}/recommendations?filter={CANARY}"),
            await client.get(f"/nothing/{CANARY}"),
            await client.get("/v1/explanations", params={"item_id": CANARY, "user_id": CANARY}),
        ):
            seen.statuses.append(reply.status_code)
        data = seen.reader.get_metrics_data()
        for resource in data.resource_metrics if data else ():
            for scope in resource.scope_metrics:
                seen.metrics |= {metric.name: metric for metric in scope.metrics}


def test_a_request_is_a_span_named_by_its_route_in_the_callers_trace(seen: Seen) -> None:
    assert seen.statuses == [200, 200, 200, 200, 422, 404, 404]
    span = seen.named("GET /v1/items/{item_id}/related")
    assert dict(span.attributes or {}) == {
        "http.request.method": "GET",
        "url.scheme": "http",
        "http.response.status_code": 200,
        "http.route": "/v1/items/{item_id}/related",
    }
    assert span.kind.name == "SERVER"
    assert f"{span.context.trace_id:032x}" == TRACE
    assert any(
        span.name == "GET" and (span.attributes or {})["http.response.status_code"] == 404 for span in seen.spans
    )


def test_the_engines_stages_are_inside_their_request(seen: Seen) -> None:
    parents = {span.context.span_id: span for span in seen.spans}

    def request_of(span: ReadableSpan) -> str:
        while span.parent is not None and span.parent.span_id in parents:
            span = parents[span.parent.span_id]
        return span.name

    inside: dict[str, set[str]] = {}
    for span in seen.spans:
        inside.setdefault(request_of(span), set()).add(span.name)
    assert {"engine rules", "engine recommend", "engine rank", "engine evidence", "engine costs"} <= inside[
        "GET /v1/users/{user_id}/recommendations"
    ]
    assert {"engine rules", "engine related"} <= inside["GET /v1/items/{item_id}/related"]
    assert {"engine rules", "engine search"} <= inside["GET /v1/search"]


def test_durations_of_requests_and_stages_are_measured(seen: Seen) -> None:
    requests = seen.metrics["http.server.request.duration"].data.data_points
    counts = {(point.attributes.get("http.route"), point.attributes["http.response.status_code"]): point.count
              for point in requests}  # fmt: skip
    assert counts["/v1/users/{user_id}/recommendations", 200] == 1
    assert counts["/v1/users/{user_id}/recommendations", 422] == 1
    assert counts[None, 404] == 1
    stages = {
        point.attributes["kindred.stage"]: point
        for point in seen.metrics["kindred.engine.stage.duration"].data.data_points
    }
    assert {"rank", "rules", "evidence", "search", "related"} <= set(stages)
    assert all(point.sum > 0 for point in stages.values())


def test_nobody_is_named(seen: Seen) -> None:
    told = [span.to_json() for span in seen.spans] + [metric.to_json() for metric in seen.metrics.values()]
    assert len(told) > 20
    assert not [text for text in told if CANARY in text or "127.0.0.1" in text]


def test_a_failing_request_is_an_error_without_its_message() -> None:
    seen = Seen()
    seen.telemetry.start()

    @stage("broken")
    def broken() -> None:
        raise KeyError(CANARY)

    try:
        with pytest.raises(KeyError):
            broken()
    finally:
        seen.telemetry.close()
    (span,) = seen.spans
    assert span.name == "engine broken"
    assert CANARY not in span.to_json()


def test_unwatched_a_stage_is_the_function_itself() -> None:
    @stage("sum")
    def add(first: int, *, second: int) -> int:
        return first + second

    assert add(1, second=2) == 3


@pytest.mark.parametrize(
    ("environment", "wanted"),
    [
        ({}, {}),
        ({"OTEL_SERVICE_NAME": "shop"}, {}),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318"}, {"traces": "otlp", "metrics": "otlp"}),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://c:4318"}, {"traces": "otlp"}),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318", "OTEL_METRICS_EXPORTER": "none"}, {"traces": "otlp"}),
        ({"OTEL_TRACES_EXPORTER": "console"}, {"traces": "console"}),
        ({"OTEL_TRACES_EXPORTER": "console", "OTEL_SDK_DISABLED": "true"}, {}),
    ],
)
def test_the_standard_variables_decide(environment: dict[str, str], wanted: dict[str, str]) -> None:
    assert wanted_exporters(environment) == wanted


def test_what_is_not_installed_is_said_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    assert open_telemetry({}) is None
    with pytest.raises(SettingsError, match="OTEL_TRACES_EXPORTER"):
        exporter_types({"OTEL_TRACES_EXPORTER": "carrier-pigeon"})
    monkeypatch.setattr("api.observing.telemetry.find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match="otel"):
        exporter_types({"OTEL_TRACES_EXPORTER": "otlp"})


def test_it_is_not_imported_where_nobody_asks_for_it() -> None:
    program = "import sys, api.server; print([name for name in sys.modules if name.startswith('opentelemetry.sdk')])"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, cwd=Path(__file__).parents[2]
    )
    assert done.stdout.strip() == "[]", done.stderr


def test_the_console_exporter_tells_what_a_span_holds() -> None:
    program = (
        "import os; from api.observing.telemetry import open_telemetry;"
        "seen = open_telemetry(os.environ); seen.start();"
        "from api.engine.watching import stage; stage('rank')(lambda: None)(); seen.close()"
    )
    environment = os.environ | {"OTEL_TRACES_EXPORTER": "console", "OTEL_SERVICE_NAME": "corner-shop"}
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, env=environment, cwd=Path(__file__).parents[2]
    )
    span = json.loads(done.stdout)
    assert span["name"] == "engine rank"
    assert span["resource"]["attributes"]["service.name"] == "corner-shop"
