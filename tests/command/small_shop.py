"""A shop of 40 users and 30 items in two files, and the ``kindred`` command run in this process beside it."""

from __future__ import annotations

import contextlib
import io
import json
import os
import random
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import kindred

MAPPING = """\
mapping: 1
name: small-shop
graph:
  nodes:
    User: {role: user}
    Item: {role: item, title: title, text: "{title}", properties: {title: string}}
    Brand: {title: name, properties: {name: string}}
  edges:
    PURCHASED: {source: User, target: Item, role: interaction, kind: purchase, words: "bought"}
    HAS_BRAND: {source: Item, target: Brand, role: attribute, words: "same brand"}
tables:
  items:
    files: items.csv
    read: {format: delimited}
    nodes:
      - {type: Item, id: sku, properties: {title: title}}
      - {type: Brand, id: {column: brand, clean: lower}, properties: {name: brand}}
    edges:
      - {type: HAS_BRAND, source: sku, target: {column: brand, clean: lower}}
  sales:
    files: sales.csv
    read: {format: delimited}
    drop_if:
      - {column: quantity, at_most: 0}
    edges:
      - {type: PURCHASED, source: user, target: sku, timestamp: {column: when, unit: s}, weight: quantity}
"""

SALES, FILTERED, BAD = 40 * 8, 3, 2
MODELS = "popularity,rp3beta,ease,attributes"


@dataclass(frozen=True)
class Ran:
    """What one run of the command left."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def error(self) -> str:
        """The error's one line; the run must have left nothing else that looks like an error."""
        lines = [line for line in self.err.splitlines() if line.startswith("error:")]
        assert len(lines) == 1, self.err
        assert "Traceback" not in self.err
        return lines[0]


def kindred_in(folder: Path, *arguments: str, **environment: str) -> Ran:
    """``kindred ARGUMENTS`` as a shell in ``folder`` would run it, with no settings but these."""
    out, err = io.StringIO(), io.StringIO()
    with (
        contextlib.chdir(folder),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
        pytest.MonkeyPatch.context() as patch,
    ):
        for name in [name for name in os.environ if name.startswith("KINDRED_")]:
            patch.delenv(name)
        for name, value in {"COLUMNS": "80", **environment}.items():
            patch.setenv(name, value)
        patch.setattr(sys, "argv", ["kindred", *arguments])
        patch.setattr(sys, "excepthook", sys.excepthook)  # Typer sets its own
        try:
            kindred.main()
        except SystemExit as left:
            code = left.code if isinstance(left.code, int) else int(bool(left.code))
    return Ran(code, out.getvalue(), err.getvalue())


def write_shop(folder: Path) -> Path:
    """The mapping and its files: two colours of taste, three rows to filter and two that are bad."""
    rng = random.Random(7)
    items = [f"{number:02d}" for number in range(30)]
    brands = ("Nivea", "Dove")
    lines = [f"{sku},{brands[at % 2]} thing {sku},{brands[at % 2]}" for at, sku in enumerate(items)]
    (folder / "items.csv").write_text("sku,title,brand\n" + "\n".join(lines) + "\n")
    sales = []
    for user in range(40):
        own = rng.sample(items[user % 2 :: 2], 8)
        sales += [f"u{user:02d},{sku},1,{1_600_000_000 + 86_400 * day + user}" for day, sku in enumerate(own)]
    sales += ["u00,00,0,1600000000", "u01,01,0,1600000000", "u02,02,-1,1600000000"]
    sales += ["u03,03,1,yesterday", "u04,,1,1600000000"]
    (folder / "sales.csv").write_text("user,sku,quantity,when\n" + "\n".join(sales) + "\n")
    (folder / "shop.yaml").write_text(MAPPING)
    return folder


def train(folder: Path, *more: str) -> Ran:
    """A release from four cheap models."""
    return kindred_in(folder, "train", "--models", MODELS, "--text", "none", "--no-tune", *more)
