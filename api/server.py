"""Runs the application on granian."""

from __future__ import annotations

import errno
import os
import socket
import sys
from functools import partial
from typing import Any

from fastapi import FastAPI
from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.log import LogLevels
from granian.server import Server
from granian.server.common import AbstractServer

from api.app import create_app
from api.observing.logs import configure_logging
from api.observing.telemetry import exporter_types, open_telemetry
from api.serving.heap import settle_heap
from api.settings import Settings
from graph.errors import SettingsError

SWITCH_S = 0.0005
"""How long a thread may keep Python's lock while another waits: by default ten times as long as an answer takes."""


def serve(settings: Settings) -> None:
    """Serves until SIGTERM or SIGINT; requests in flight are answered first.

    Raises:
        SettingsError: when the address is taken or cannot be listened on, or an exporter of OpenTelemetry is missing.
    """
    check_address(settings.host, settings.port)
    exporter_types(os.environ)  # says what is missing before a worker would
    granian_for(settings).serve(target_loader=partial(_application, settings), wrap_loader=False)


def granian_for(settings: Settings) -> AbstractServer[Any]:
    """The server, not started: HTTP/1 only, a deadline for the header, a bound on requests at once."""
    return Server(
        "api.app:create_app",
        address=settings.host,
        port=settings.port,
        interface=Interfaces.ASGI,
        workers=settings.workers,
        backlog=settings.backlog,
        backpressure=settings.backpressure,
        http=HTTPModes.http1,
        http1_settings=HTTP1Settings(header_read_timeout=round(settings.header_timeout_s * 1000)),
        websockets=False,
        log_level=LogLevels.warning,
        respawn_failed_workers=True,
        workers_kill_timeout=10,
    )


def _application(settings: Settings) -> FastAPI:
    """What each worker process loads."""
    configure_logging(settings.log_level)
    sys.setswitchinterval(SWITCH_S)
    settle_heap()
    return create_app(settings, telemetry=open_telemetry(os.environ))


def check_address(host: str, port: int) -> None:
    """Nothing, when the address can be listened on; else :class:`SettingsError` with the remedy."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            taken = error.errno == errno.EADDRINUSE
            raise SettingsError(
                f"port {port} is taken" if taken else f"cannot listen on {host}: {error.strerror}",
                where=f"{host}:{port}",
                remedy="Set KINDRED_PORT to a free one." if taken else "Set KINDRED_HOST and KINDRED_PORT.",
            ) from error
