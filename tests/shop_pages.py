"""Asks two real shops what a shop owner would ask, and writes the answers into docs/shops.md.

``python -m tests.shop_pages`` ingests and trains what is not there yet (``var/shops/NAME``, a quarter of an hour the
first time; needs KINDRED_DATA_DIR), serves it, runs every curl example of the page as it stands, and writes below each
what it answered, in short. ``--check`` only runs them.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.examples import EXAMPLE, ROOT, Tally, answer, serving

PAGE = ROOT / "docs" / "shops.md"
WORK = ROOT / "var" / "shops"
SECTION = re.compile(r"(?m)^<!-- shop: (?P<name>\S+) -->\n")
RELEASE = re.compile(r"(?m)^Answered by .*$")
REASONS = 2


@dataclass(frozen=True)
class Shop:
    """Where a shop's files lie, how they are read, and what is fitted."""

    source: str
    folder: str
    train: tuple[str, ...] = ()


MODELS = "popularity,rp3beta,ease,next_item,text,attributes"
SHOPS = {
    "online-retail": Shop("online-retail", ".", ("--protocol", "temporal", "--models", MODELS)),
    "beauty": Shop(
        "s3rec", "amazon_beauty_kg", ("--protocol", "leave-one-out", "--models", f"{MODELS},relations,sequence")
    ),
}


def open_shop(name: str) -> Path:
    """The folder of a shop's store and releases, made where they are missing."""
    folder, shop = WORK / name, SHOPS[name]
    if not (folder / "releases" / "CURRENT").exists():
        data = os.environ.get("KINDRED_DATA_DIR")
        if data is None:
            sys.exit(f"{folder} has no release, and KINDRED_DATA_DIR does not say where the data are")
        folder.mkdir(parents=True, exist_ok=True)
        for arguments in (
            ("ingest", shop.source, "--data-dir", str(Path(data) / shop.folder)),
            ("train", "--no-tune", *shop.train),
        ):
            variables = {
                "KINDRED_STORE": f"sqlite:{folder / 'graph.db'}",
                "KINDRED_RELEASES": str(folder / "releases"),
                "KINDRED_WORK_DIR": str(folder),
            }
            command = [sys.executable, str(ROOT / "kindred.py"), *arguments]
            subprocess.run(command, env=os.environ | variables, cwd=ROOT, check=True)
    return folder


def told(document: dict[str, Any]) -> Iterator[str]:
    """A reply in short: of each item its place, title, price and reasons; of an explanation what it says."""
    if "before" in document:
        yield from _imagined(document)
    elif "item_id" in document and "removed_by" in document:
        yield from _explained(document)
    elif "suggestions" in document:
        yield ", ".join(suggestion["text"] for suggestion in document["suggestions"])
    elif "profile" in document:
        for node_type, interests in document["profile"]["interests"].items():
            named = (f"{one['title']} ({one['lift']:g} × as much as others)" for one in interests[:5])
            yield f"{node_type}: {', '.join(named)}"
    else:
        yield from _listed(document)


def _listed(answer: dict[str, Any]) -> Iterator[str]:
    for item in answer["items"]:
        reasons = [reason["text"] for reason in item.get("reasons", ())][:REASONS]
        yield f"{item['rank']}. {_name(item)}" + (f": {'; '.join(reasons)}" if reasons else "")
    if answer["fallback_used"]:
        yield f"(filled up by {answer['fallback_used']})"


def _name(item: dict[str, Any]) -> str:
    properties = item.get("properties", {})
    price = properties.get("price")
    return f"{properties.get('title', item['item_id'])}" + (f", {price:.2f}" if price is not None else "")


def _explained(document: dict[str, Any]) -> Iterator[str]:
    place = f"place {document['rank']}" if document["rank"] else "no place"
    yield f"{document['title']}: {'in' if document['listed'] else 'not in'} the list of {document['n']}, {place}"
    for removal in document["removed_by"]:
        yield f"removed: {removal['says']}"
    for reason in document["reasons"][:REASONS]:
        yield f"because: {reason['text']}"
    for missing in document["missing_paths"][:REASONS]:
        edge = missing["edge"]
        yield f"a path is missing: {':'.join(edge['from'])} -{edge['edge']}-> {':'.join(edge['to'])}"
    for change in document["changes"][:REASONS]:
        edit = change["add"]
        said = f"boost it by {change['boost']:g}" if change["boost"] else _edge(edit) if edit else "a change"
        yield f"would come to place {change['rank']}: {said}"


def _edge(edit: dict[str, Any]) -> str:
    edge = edit.get("edge", edit)
    edge = edge if isinstance(edge, dict) else edit
    return f"add {':'.join(edge['from'])} -{edge['edge']}-> {':'.join(edge['to'])}"


def _imagined(document: dict[str, Any]) -> Iterator[str]:
    for name in ("before", "after"):
        yield f"{name}: " + " | ".join(f"{item['rank']}. {_name(item)}" for item in document[name]["items"])
    changed = [path for path in document["paths"] if path["change"] == "new"][:REASONS]
    for path in changed:
        yield f"a new reason, for {path['item_id']}: {path['reason']['text']}"


def release_line(address: str) -> str:
    """Which release answered, what it serves and what that scored."""
    models = json.loads(answer(f"curl {address}/v1/models", address)[1])
    row = next(one for one in models["models"] if one["release"] == models["serving"])
    served = next(one for one in row["metrics"]["table"] if one["served"])
    fitted = ", ".join(sorted(one["model"] for one in row["metrics"]["table"]))
    verdict = "it beat every baseline" if row["gate"]["promoted"] else "no fusion beat it on validation"
    return (
        f"Answered by a release that serves `{served['model']}` ({verdict}; "
        f"NDCG@20 {served['ndcg@20']:.4f} on the test part, "
        f"protocol {row['metrics']['protocol']}, untuned), out of {fitted}."
    )


def main(check: bool) -> int:
    first, *rest = SECTION.split(PAGE.read_text())
    fresh, tally = [first], Tally()
    for name, text in zip(rest[::2], rest[1::2], strict=True):
        with serving(open_shop(name)) as address:

            def renewed(example: re.Match[str], address: str = address) -> str:
                good, body = tally.answer(example, address, PAGE.name)
                if not good:
                    return example[0]
                behind = "" if example["answer"] else "\n" + example["gap"]
                written = "\n".join(told(json.loads(body)))
                return f"```sh\n{example['command']}```\n\n```text\n{written}\n```{behind}"

            fresh.append(f"<!-- shop: {name} -->\n" + RELEASE.sub(release_line(address), EXAMPLE.sub(renewed, text)))
    if not check:
        PAGE.write_text("".join(fresh))
    return tally.told()


if __name__ == "__main__":
    sys.exit(main("--check" in sys.argv[1:]))
