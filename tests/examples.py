"""Runs every curl example of the README and docs/api.md against the demo's release, and writes what it answered.

``python -m tests.examples`` rewrites the answer below each example; ``--check`` only runs them. An example is a fenced
``sh`` block that starts with ``curl``; its answer is the fenced block that follows, if one does. Needs the work folder
that ``make demo`` leaves behind.
"""

from __future__ import annotations

import json
import re
import shlex
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
PAGES = (ROOT / "README.md", ROOT / "docs" / "api.md")
SERVED = "http://127.0.0.1:8000"
EXAMPLE = re.compile(
    r"```sh\n(?P<command>curl .*?)```\n(?P<gap>\s*)(?P<answer>```(?:json|text|http)\n.*?```)?", re.DOTALL
)
MAX_LINES, MAX_WIDTH = 18, 400


@contextmanager
def serving(work: Path = ROOT / "var") -> Iterator[str]:
    """The address of a server over a copy of a work folder's store and its releases, by default the demo's."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        for name in ("graph.db", "releases"):
            source = work / name
            if not source.exists():
                sys.exit(f"{source} is missing: run `make demo SERVE=0` first")
            (shutil.copytree if source.is_dir() else shutil.copy)(source, Path(folder) / name)
        command = [sys.executable, str(ROOT / "kindred.py"), "serve", "--port", str(port)]
        environment = {
            "KINDRED_STORE": f"sqlite:{folder}/graph.db",
            "KINDRED_RELEASES": f"{folder}/releases",
            "KINDRED_AUTH": "off",
            "KINDRED_READ_DEADLINE_S": "20",  # what is asked here is what is answered, not how fast on a busy machine
            "KINDRED_EXPLAIN_DEADLINE_S": "60",
            "PYTHONPATH": str(ROOT),
            "PATH": "/usr/bin:/bin",
        }
        server = subprocess.Popen(command, cwd=folder, env=environment, stderr=subprocess.DEVNULL)
        try:
            yield _ready(f"http://127.0.0.1:{port}", server)
        finally:
            server.terminate()
            server.wait(90)


def _ready(address: str, server: subprocess.Popen[bytes]) -> str:
    for _ in range(3_000):
        if server.poll() is not None:
            sys.exit(f"the server stopped with {server.returncode}")
        try:
            with urllib.request.urlopen(f"{address}/ready", timeout=2):
                return address
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    sys.exit("the server did not become ready in ten minutes")


def answer(command: str, address: str) -> tuple[int, str]:
    """The status and the body of one curl command."""
    arguments = shlex.split(command.replace("\\\n", " ").replace(SERVED, address))
    done = subprocess.run([*arguments, "-s", "-w", "\n%{http_code}"], capture_output=True, text=True, timeout=60)
    body, _, status = done.stdout.rpartition("\n")
    return int(status or 0), body


def shown(body: str) -> str:
    """A body as a fenced block: a line for each key, and for each element of a list."""
    try:
        document = json.loads(body)
    except ValueError:
        lines = body.strip().splitlines()
        language = "text"
    else:
        lines = list(_lines(document))
        language = "json"
    cut = [line if len(line) <= MAX_WIDTH else line[:MAX_WIDTH] + " …" for line in lines[:MAX_LINES]]
    if len(lines) > MAX_LINES:
        cut.append(f"… {len(lines) - MAX_LINES} more lines")
    return f"```{language}\n" + "\n".join(cut) + "\n```"


def _lines(document: Any) -> Iterator[str]:
    if not isinstance(document, dict):
        yield json.dumps(document, ensure_ascii=False)
        return
    last = len(document) - 1
    for number, (key, value) in enumerate(document.items()):
        start = ("{" if number == 0 else " ") + f'"{key}": '
        end = "}" if number == last else ","
        if isinstance(value, list) and value and isinstance(value[0], dict):
            yield start + "["
            for place, element in enumerate(value):
                comma = "," if place < len(value) - 1 else ""
                yield "   " + json.dumps(element, ensure_ascii=False) + comma
            yield " ]" + end
        else:
            yield start + json.dumps(value, ensure_ascii=False) + end


class Tally:
    """Runs examples, and counts those that failed."""

    def __init__(self) -> None:
        self.run = self.failed = 0

    def answer(self, example: re.Match[str], address: str, page: str) -> tuple[bool, str]:
        """Whether an example's command was answered well, and the body; a bad answer is printed."""
        command = example["command"].strip()
        status, body = answer(command, address)
        good = 200 <= status < 300
        self.run += 1
        if not good:
            self.failed += 1
            print(f"{page}: {status} from {command}: {body[:300]}")
        return good, body

    def told(self) -> int:
        """Prints the counts; the exit code."""
        print(f"{self.run} examples run, {self.failed} failed")
        return 1 if self.failed or not self.run else 0


def main(check: bool) -> int:
    tally = Tally()
    with serving() as address:
        for page in PAGES:
            text = page.read_text()

            def renewed(example: re.Match[str], page: Path = page) -> str:
                _, body = tally.answer(example, address, page.name)
                if example["answer"] is None:
                    return example[0]
                return f"```sh\n{example['command']}```\n{example['gap']}{shown(body)}"

            fresh = EXAMPLE.sub(renewed, text)
            if not check:
                page.write_text(fresh)
    return tally.told()


if __name__ == "__main__":
    sys.exit(main("--check" in sys.argv[1:]))
