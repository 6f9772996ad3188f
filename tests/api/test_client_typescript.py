"""The TypeScript client: generated from the description as it is, well typed, and right about a running server."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import typescript
from tests.api.http_server import serving


@pytest.fixture(scope="module", autouse=True)
def _installed() -> None:
    typescript.install()


@pytest.fixture
def port(tmp_path: Path) -> Iterator[int]:
    with serving(tmp_path / "shop") as number:
        yield number


def test_generating_its_types_again_changes_nothing(tmp_path: Path) -> None:
    typescript.generate(tmp_path / "schema.d.ts")
    assert (tmp_path / "schema.d.ts").read_text() == typescript.SCHEMA.read_text(), "run python -m tests.typescript"


def test_it_type_checks_and_builds(tmp_path: Path) -> None:
    typescript.run("tsc", "--noEmit")
    typescript.run("tsc", "--project", "tsconfig.build.json", "--outDir", str(tmp_path))
    assert {"index.js", "index.d.ts"} <= {file.name for file in tmp_path.iterdir()}


def test_a_call_that_does_not_fit_the_description_does_not_compile(tmp_path: Path) -> None:
    wrong = typescript.PACKAGE / "test" / f"wrong-{tmp_path.name}.ts"
    config = wrong.with_suffix(".json")
    wrong.write_text(
        'import { Kindred } from "../src/index.ts";\n'
        'const answer = await new Kindred("").related("i", { kind: "nearby" });\n'
        "console.log(answer.itms);\n"
    )
    config.write_text(json.dumps({"extends": "../tsconfig.json", "include": [wrong.name]}))
    try:
        with pytest.raises(AssertionError) as caught:
            typescript.run("tsc", "--noEmit", "--project", str(config))
    finally:
        wrong.unlink()
        config.unlink()
    assert '"nearby"' in str(caught.value)
    assert "itms" in str(caught.value)


def test_it_asks_a_running_server(port: int) -> None:
    known = {"item": "tea", "title": "Green tea", "type": "Product", "user": "t00"}
    told = typescript.run(
        "node",
        "--test",
        "--test-reporter=tap",
        "test/client.test.ts",
        environment={"KINDRED_URL": f"http://127.0.0.1:{port}", "KINDRED_KNOWN": json.dumps(known)},
    )
    assert "# fail 0" in told
    assert "# skipped 0" in told
    assert int(told.partition("# pass ")[2].split()[0]) >= 8
