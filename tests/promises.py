"""What Kindred promises, the tests that prove it, and the page that says so: ``python -m tests.promises`` writes it.

The sizes on the page (kills, mutants, cases) are read out of the tests, never typed.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks.run import cell
from tests.promises_table import PROMISES

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "how-it-is-tested.md"
BENCHMARKS = ROOT / "docs" / "benchmarks.json"
FIGURES = ("neo4j", "neo4j_edits", "neo4j_faults")
"""Benchmarks whose rows stand on the page too."""

HEAD = """\
# How it is tested

`make test` runs everything on a fresh machine, in two processes (`WORKERS=`), one of them for Neo4j.
`make check` adds lint, types and import contracts, and `.ci/run` is what CI runs. Tests are named after behaviour
and lie in a folder per room. What is fast has a slow, plain twin in the
tests that it must agree with; every store passes the same contract suite; every model the same conformance suite;
there are no mocks, only small fakes. Tests that need public data are marked `real_data`: they look in
`KINDRED_DATA_DIR`, fetch what a package index has, and otherwise say what to put where. Warnings are errors.

Below is each promise, the tests that prove it and how large they are. What belongs to later work says *not yet*.
This page is written by `python -m tests.promises`, which reads the sizes out of the tests.
"""


@dataclass(frozen=True)
class TestSource:
    """One test as it stands in its file."""

    file: Path
    function: ast.FunctionDef
    constants: dict[str, int]

    def sizes(self) -> dict[str, int]:
        """The numbers a size may name: constants of the module, ``max_examples``, and ``cases`` it is repeated for."""
        found = dict(self.constants)
        for decorator in self.function.decorator_list:
            if isinstance(decorator, ast.Call):
                name = ast.unparse(decorator.func)
                if name == "pytest.mark.parametrize" and isinstance(decorator.args[1], ast.List | ast.Tuple):
                    found["cases"] = found.get("cases", 1) * len(decorator.args[1].elts)
                if name == "examples":
                    found["max_examples"] = _number(decorator.args[0])
                found |= {word.arg: _number(word.value) for word in decorator.keywords if word.arg == "max_examples"}
        return found


def source_of(test: str) -> TestSource:
    """The source of a test named ``path::function``.

    Raises:
        LookupError: when there is no such file or no such test in it.
    """
    path, _, name = test.partition("::")
    file = ROOT / path
    if not file.is_file():
        raise LookupError(f"there is no file {path}")
    tree = ast.parse(file.read_text())
    constants = {
        target.id: statement.value.value
        for statement in tree.body
        if isinstance(statement, ast.Assign) and isinstance(statement.value, ast.Constant)
        for target in statement.targets
        if isinstance(target, ast.Name) and isinstance(statement.value.value, int)
    }
    for statement in tree.body:
        if isinstance(statement, ast.FunctionDef) and statement.name == name:
            return TestSource(file, statement, constants)
    raise LookupError(f"there is no test {name} in {path}")


def page() -> str:
    """The page, as the tests are now."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    yield HEAD
    for group in dict.fromkeys(promise.group for promise in PROMISES):
        yield f"## {group}\n"
        for promise in PROMISES:
            if promise.group == group:
                yield f"**{promise.promise}**"
                for proof in promise.proofs:
                    sizes = {name: f"{value:,}" for name, value in source_of(proof.test).sizes().items()}
                    yield f"- {proof.size.format(**sizes)}: `{proof.test}`"
                if promise.not_yet:
                    yield f"- not yet: {promise.not_yet}"
                yield ""
    yield from _figures()


def _figures() -> Iterator[str]:
    """What was last measured on a real Neo4j, from the file that the benchmarks write."""
    rows = [row for row in json.loads(BENCHMARKS.read_text()) if row["benchmark"] in FIGURES]
    yield "## Figures on a real Neo4j\n"
    yield f'As last measured by `make bench ONLY="{" ".join(FIGURES)}"`; more is in [benchmarks](benchmarks.md).\n'
    yield "| what | figure | unit | goal | |\n|---|---|---|---|---|"
    for row in sorted(rows, key=lambda row: FIGURES.index(row["benchmark"])):
        shown = [cell(row[key]) for key in ("name", "ours", "unit", "goal")]
        yield f"| {' | '.join(shown)} | {cell(row['met']) if row['goal'] is not None else ''} |"
    yield ""


def _number(node: ast.expr) -> int:
    value = ast.literal_eval(node)
    assert isinstance(value, int)
    return value


if __name__ == "__main__":
    PAGE.write_text(page())
    print(f"wrote {PAGE.relative_to(ROOT)}")
