"""OpenTelemetry: traces and metrics of requests and of the engine's stages, where the OTEL_* variables ask for them.

Routes are named by their templates. No id, query, address or message of an error enters an attribute.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import copy_context
from importlib.metadata import entry_points
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.engine.watching import watch_stages
from api.http.lanes import Lane
from graph.errors import MissingExtra, SettingsError

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.trace import TracerProvider

P = ParamSpec("P")
T = TypeVar("T")

EXTRA = "pip install 'kindred[otel]'"
SIGNALS = ("traces", "metrics")
SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


def wanted_exporters(environment: Mapping[str, str]) -> dict[str, str]:
    """The exporter of each signal, as the standard variables name it; empty where none of them is set.

    ``OTEL_EXPORTER_OTLP_ENDPOINT`` (or the one of a signal) turns OTLP over HTTP on; ``OTEL_TRACES_EXPORTER`` and
    ``OTEL_METRICS_EXPORTER`` choose another, or ``none``; ``OTEL_SDK_DISABLED=true`` turns all of it off.
    """
    if environment.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return {}
    wanted = {}
    for signal in SIGNALS:
        endpoints = ("OTEL_EXPORTER_OTLP_ENDPOINT", f"OTEL_EXPORTER_OTLP_{signal.upper()}_ENDPOINT")
        reachable = any(environment.get(name) for name in endpoints)
        name = environment.get(f"OTEL_{signal.upper()}_EXPORTER", "").strip() or ("otlp" if reachable else "none")
        if name != "none":
            wanted[signal] = name
    return wanted


class Telemetry:
    """Spans and histograms of one process. ``traces`` and ``metrics`` are providers of the SDK."""

    def __init__(self, traces: TracerProvider, metrics: MeterProvider) -> None:
        self._providers = (traces, metrics)
        self.tracer = traces.get_tracer("kindred")
        meter = metrics.get_meter("kindred")
        self.requests = meter.create_histogram(
            "http.server.request.duration",
            unit="s",
            description="Time to answer.",
            explicit_bucket_boundaries_advisory=SECONDS,
        )
        self.stages = meter.create_histogram(
            "kindred.engine.stage.duration",
            unit="s",
            description="Time in one stage of an answer.",
            explicit_bucket_boundaries_advisory=SECONDS,
        )

    def start(self) -> None:
        """From now on the engine's stages are seen."""
        watch_stages(self._stage)

    def close(self) -> None:
        """Sends what has not been sent."""
        watch_stages(None)
        for provider in self._providers:
            provider.shutdown()

    @contextmanager
    def _stage(self, name: str) -> Iterator[None]:
        began = time.perf_counter()
        # an error's message may name an id: the span says only that there was one
        with self.tracer.start_as_current_span(f"engine {name}", record_exception=False, set_status_on_exception=False):
            try:
                yield
            finally:
                self.stages.record(time.perf_counter() - began, {"kindred.stage": name})


def exporter_types(environment: Mapping[str, str]) -> dict[str, Callable[[], Any]]:
    """What makes the exporter of each signal the OTEL_* variables ask for; imports nothing where they ask for nothing.

    Raises:
        MissingExtra: when they ask for something and the extra is not installed.
        SettingsError: for an exporter that is not installed.
    """
    wanted = wanted_exporters(environment)
    if wanted and find_spec("opentelemetry") is None:
        raise MissingExtra("OTEL_* variables are set and OpenTelemetry is not installed", remedy=EXTRA)
    return {signal: _exporter_type(signal, name, environment) for signal, name in wanted.items()}


def _exporter_type(signal: str, name: str, environment: Mapping[str, str]) -> Callable[[], Any]:
    """The installed exporter of a name; ``otlp`` is OTLP by the protocol of the standard variable, HTTP by default."""
    protocol = environment.get(f"OTEL_EXPORTER_OTLP_{signal.upper()}_PROTOCOL") or environment.get(
        "OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf"
    )
    full = {"otlp": "otlp_proto_grpc" if protocol == "grpc" else "otlp_proto_http"}.get(name, name)
    group = f"opentelemetry_{signal}_exporter"
    found = next(iter(entry_points(group=group, name=full)), None)
    if found is None:
        raise SettingsError(
            f"the exporter {name} of OpenTelemetry is not installed",
            expected=" or ".join(["none", *sorted({point.name for point in entry_points(group=group)})]),
            where=f"OTEL_{signal.upper()}_EXPORTER",
            remedy=f"{EXTRA} brings OTLP over HTTP.",
        )
    made: Callable[[], Any] = found.load()
    return made


def open_telemetry(environment: Mapping[str, str]) -> Telemetry | None:
    """What the OTEL_* variables ask for; ``None`` where they ask for nothing. Raises as :func:`exporter_types` does."""
    exporters = exporter_types(environment)
    if not exporters:
        return None
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    named = "service.name=" in environment.get("OTEL_RESOURCE_ATTRIBUTES", "") or environment.get("OTEL_SERVICE_NAME")
    resource = Resource.create({} if named else {"service.name": "kindred"})
    traces = TracerProvider(resource=resource)
    if "traces" in exporters:
        traces.add_span_processor(BatchSpanProcessor(exporters["traces"]()))
    readers = [PeriodicExportingMetricReader(exporters["metrics"]())] if "metrics" in exporters else []
    return Telemetry(traces, MeterProvider(readers, resource=resource))


class Tracing:
    """A server span and a duration for each request. It goes around everything, so that refusals are seen too."""

    def __init__(self, app: ASGIApp, telemetry: Telemetry) -> None:
        self._app = app
        self._telemetry = telemetry

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        from opentelemetry.trace import SpanKind, Status, StatusCode

        method = scope["method"] if scope["method"] in _METHODS else "_OTHER"
        facts: dict[str, str | int] = {"http.request.method": method, "url.scheme": scope.get("scheme", "http")}
        status = 0

        async def seen_send(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        began = time.perf_counter()
        with self._telemetry.tracer.start_as_current_span(
            method, _caller(scope), SpanKind.SERVER, record_exception=False, set_status_on_exception=False
        ) as span:
            try:
                await self._app(scope, receive, seen_send)
            finally:
                status = status or 500
                facts["http.response.status_code"] = status
                if (route := getattr(scope.get("route"), "path_format", None)) is not None:
                    facts["http.route"] = route
                    span.update_name(f"{method} {route}")
                if status >= 500:
                    facts["error.type"] = str(status)
                    span.set_status(Status(StatusCode.ERROR))
                span.set_attributes(facts)
                self._telemetry.requests.record(time.perf_counter() - began, facts)


def _caller(scope: Scope) -> Context:
    """The trace that a request says it belongs to; its baggage and vendor state may hold anything, and stay out."""
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    parent = next((value for name, value in scope["headers"] if name == b"traceparent"), b"")
    return TraceContextTextMapPropagator().extract({"traceparent": parent.decode("latin-1")})


class TracedLane(Lane):
    """A lane whose threads know which request they work for."""

    async def run(self, work: Any, *args: Any, **kwargs: Any) -> Any:
        return await super().run(copy_context().run, work, *args, **kwargs)
