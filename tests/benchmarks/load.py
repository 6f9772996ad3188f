"""Load on a server of this machine: made by wrk where it is installed, else by plain sockets, and which is said.

wrk is compiled and takes a fraction of what the server takes, so that the server is what is measured. On Debian:
``apt-get install wrk``.

Below full load connections pause for times of an exponential distribution, so that requests come as from many visitors
who know nothing of each other. With one and the same pause they would go on asking all at once, as they began, and the
wait measured would be for each other. wrk counts a stall for every request that it held up (coordinated omission).
"""

from __future__ import annotations

import json
import random
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

_SCRIPT = """
local requests, at = {}, 0
function init(args)
  local spec = {}
  for line in io.lines(args[1]) do spec[#spec + 1] = line end
  if tonumber(args[2]) > 0 then
    local wait = tonumber(args[2])
    math.randomseed(7)
    delay = function() return math.floor(-math.log(1 - math.random()) * wait + 0.5) end
  end
  for i = 1, #spec, 2 do
    local headers = {["Authorization"] = args[3], ["Content-Type"] = "application/json"}
    local body = spec[i + 1]
    if body == "" then requests[#requests + 1] = wrk.format("GET", spec[i], headers)
    else requests[#requests + 1] = wrk.format("POST", spec[i], headers, body) end
  end
end
function request()
  at = at % #requests + 1
  return requests[at]
end
function done(summary, latency, rates)
  local errors = summary.errors
  local failed = errors.connect + errors.read + errors.write + errors.timeout + errors.status
  io.write(string.format('RESULT {"requests": %d, "us": %d, "failed": %d, "p50_us": %d, "p99_us": %d}\\n',
    summary.requests, summary.duration, failed, latency:percentile(50), latency:percentile(99)))
end
"""


@dataclass(frozen=True, slots=True)
class Asked:
    """One request: a path, and a body for a POST."""

    path: str
    body: str = ""


@dataclass(frozen=True, slots=True)
class Load:
    """What was seen."""

    requests_per_s: float
    p50_ms: float
    p99_ms: float
    failed: int


def generator() -> str:
    """What makes the load here."""
    return "wrk" if shutil.which("wrk") else "Python sockets"


def load(
    port: int, asked: Sequence[Asked], *, connections: int, seconds: float, key: str = "", wait_ms: int = 0
) -> Load:
    """Asks in turn on kept-alive connections; ``wait_ms`` is the mean pause of each before it asks again."""
    if shutil.which("wrk") is None:
        return _by_sockets(port, asked, connections, seconds, key, wait_ms)
    with tempfile.TemporaryDirectory() as folder:
        script, spec = Path(folder) / "script.lua", Path(folder) / "asked"
        script.write_text(_SCRIPT)
        spec.write_text("".join(f"{one.path}\n{one.body}\n" for one in asked))
        command = ["wrk", "-t1", f"-c{connections}", f"-d{max(1, round(seconds))}s", "--timeout", "10s", "--latency"]
        command += ["-s", str(script), f"http://127.0.0.1:{port}", "--", str(spec), str(wait_ms), f"Bearer {key}"]
        printed = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 60, check=True).stdout
    seen = json.loads(next(line for line in printed.splitlines() if line.startswith("RESULT")).removeprefix("RESULT"))
    return Load(seen["requests"] / seen["us"] * 1e6, seen["p50_us"] / 1e3, seen["p99_us"] / 1e3, seen["failed"])


def _by_sockets(port: int, asked: Sequence[Asked], connections: int, seconds: float, key: str, wait_ms: int) -> Load:
    ends, lock = time.perf_counter() + seconds, threading.Lock()
    times: list[float] = []
    failed = [0]

    def ask(first: int) -> None:
        at, mine, lost, dice = first, [], 0, random.Random(first)
        with socket.create_connection(("127.0.0.1", port), 10) as connection:
            while time.perf_counter() < ends:
                began = time.perf_counter()
                connection.sendall(_request(asked[at % len(asked)], key))
                lost += not reply(connection)[0].startswith(b"HTTP/1.1 2")
                mine.append(time.perf_counter() - began)
                at += connections
                time.sleep(dice.expovariate(1000 / wait_ms) if wait_ms else 0)
        with lock:
            times.extend(mine)
            failed[0] += lost

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    p50, p99 = np.percentile(times, [50, 99]) * 1e3
    return Load(len(times) / seconds, float(p50), float(p99), failed[0])


def _request(one: Asked, key: str) -> bytes:
    head = f"{'POST' if one.body else 'GET'} {one.path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\n"
    if one.body:
        head += f"Content-Type: application/json\r\nContent-Length: {len(one.body.encode())}\r\n"
    return f"{head}\r\n{one.body}".encode()


def reply(connection: socket.socket) -> tuple[bytes, bytes]:
    """Head and body of one answer."""
    received = bytearray()
    while b"\r\n\r\n" not in received:
        received += connection.recv(65536)
    head, _, body = bytes(received).partition(b"\r\n\r\n")
    length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
    while len(body) < length:
        body += connection.recv(65536)
    return head, body
