"""Public shops on Neo4j, seen in the real Browser: pictures into docs/images, and the walk into docs/curators.md.

``python -m tests.neo4j.shops_seen online-retail beauty`` ingests, trains and publishes each once, into
``var/neo4j-shops``; needs ``KINDRED_DATA_DIR``, a JDK, Maven and Chromium.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from api.curator import Examples, SavedQuery, Spelling, examples_from, saved_queries
from graph.neo4j import Neo4jStore
from graph.neo4j.server import stop
from graph.release import current_release
from graph.store import open_store
from graph.view import GraphView
from tests.neo4j.browser_window import guide_address, window
from tests.neo4j.curated_shop import Hand, asked, kindred_serve
from tests.neo4j.mistakes import mended, mistakes
from tests.neo4j.real_shop import BEAUTY, ONLINE_RETAIL, ROOT, kindred, open_real_shop, patient, put_back
from tests.neo4j.walk import PINS, Cast, Taken, corrections, listed, marks, put_rules, related_to, taken
from tests.neo4j_servers import TestServer

PAGE = ROOT / "docs" / "curators.md"
IMAGES = ROOT / "docs" / "images"
FOLDER = ROOT / "var" / "neo4j-shops"
SHOPS = {"online-retail": ONLINE_RETAIL, "beauty": BEAUTY}
EDITED = "online-retail"
"""The shop that the walk is taken in."""
PICTURES = {
    "neighbourhood": "The neighbourhood of an item",
    "similar": "Similar items by vector",
}
"""What a picture is called → the query of the guide that it shows, above the guide itself."""
CAPTIONS = {
    (
        "online-retail",
        "neighbourhood",
    ): "A product of the UCI Online Retail shop (CC BY 4.0) with the words of its name, "
    "the strongest of what was bought after it, and buyers:",
    ("online-retail", "similar"): "What the model puts closest to it:",
    ("beauty", "neighbourhood"): "A product of Amazon Beauty with its brand and categories, and what it was bought and "
    "seen with; Browser joins all that it shows, until *Connect result nodes* is switched off:",
    ("beauty", "similar"): "What the model puts closest to it:",
}
CAST = Cast(
    attribute=("Item", "HAS_TERM", "Term"),
    item="22055",
    wrong="strawbery",
    right="strawberry",
    duplicate="hydranga",
    keeps="hydrangea",
    has_duplicate="84805A",
    partner="22649",
    pinned="",
)
"""Words that are misspelled in the data. Pinned is whatever comes fifth once they are corrected."""


def main(names: Iterable[str]) -> None:
    for name in names:
        folder = (FOLDER / name).resolve()
        server = open_real_shop(SHOPS[name], folder)
        try:
            if name == EDITED:
                server = put_back(folder)
            with kindred_serve(folder, patient(server), ready_s=1800.0) as port:
                spelling, examples = material(folder, server)
                pictures(name, server, port, saved_queries(spelling, examples))
                show_pictures()
                if name == EDITED:
                    write_walk(spelling, server, folder, port)
        finally:
            stop(server.home)


def material(folder: Path, server: TestServer) -> tuple[Spelling, Examples]:
    """What the guide of the shop is made from."""
    with open_store(patient(server)) as store:
        assert isinstance(store, Neo4jStore)
        spelling = Spelling(store.schema, store.stored_names())
    return spelling, examples_from(GraphView(current_release(folder / "releases").snapshot))


def pictures(name: str, server: TestServer, port: int, queries: Iterable[SavedQuery]) -> None:
    """Nothing; what the guide's queries show, above the guide, is in the folder of images."""
    texts = {query.title: query.text for query in queries}
    with window(server, port) as browser:
        browser.log_in(server)
        browser.wait_for("Kindred: the curator's workbench")
        browser.tidy()
        browser.run(f":style http://{guide_address(server)}/curator/style.grass")
        for picture, title in PICTURES.items():
            browser.run(texts[title], keep=True)
            shown = browser.newest()
            if "ERROR" in shown or "no changes, no records" in shown:
                sys.exit(f"{title}: {shown}")
            browser.picture(IMAGES / f"browser-{name}-{picture}.png", settle_s=8.0)
            print(f"docs/images/browser-{name}-{picture}.png")


def show_pictures() -> None:
    """Nothing; the page shows every picture that there is."""
    there = {key: f"browser-{'-'.join(key)}.png" for key in CAPTIONS}
    blocks = [
        f"{CAPTIONS[key]}\n\n![{key[1].capitalize()} in Neo4j Browser, {key[0]}](images/{file})\n"
        for key, file in there.items()
        if (IMAGES / file).exists()
    ]
    write_between("pictures", "\n".join(blocks))


def write_walk(spelling: Spelling, server: TestServer, folder: Path, port: int) -> None:
    """Nothing; the page has the edits and the answers of this run between its marks."""
    hand = Hand(server)
    try:
        put_rules(port, PINS)
        steps = [told(one) for one in taken(corrections(spelling, CAST), port, hand)]
        cast = replace(CAST, pinned=asked(port, related_to(CAST))["items"][4]["item_id"])
        steps += [told(one) for one in taken(marks(spelling, cast), port, hand)]
        text = "\n".join(steps)
        text += "\n" + mistakes_told(spelling, server, folder, port, hand)
    finally:
        hand.close()
    write_between("walk", text)


def write_between(mark: str, text: str) -> None:
    """Nothing; the page has the text between the mark and its end."""
    begin, end = f"<!-- {mark} -->\n", f"<!-- end of {mark} -->"
    head, found, rest = PAGE.read_text().partition(begin)
    if not found or end not in rest:
        sys.exit(f"{PAGE} has no place for the {mark}")
    PAGE.write_text(f"{head}{begin}{text.rstrip()}\n\n{end}{rest.partition(end)[2]}")


def told(one: Taken) -> str:
    """A step as the page shows it."""
    before, after = one.before["graph_watermark"], one.after["graph_watermark"]
    return (
        f"### {one.step.title}\n\n{one.step.says}\n\n```cypher\n{one.step.cypher}\n```\n\n"
        f"`GET {one.step.path}` before:\n\n```text\n{listed(one.before)}\n```\n\n"
        f"{one.seconds:.1f} s later (watermark {before} → {after}):\n\n```text\n{listed(one.after)}\n```\n"
    ).replace("\n\n\n\n", "\n\n")


def mistakes_told(spelling: Spelling, server: TestServer, folder: Path, port: int, hand: Hand) -> str:
    """Mistakes, what is said of them, and that the fixes are right."""
    made = mistakes(spelling, CAST.item, CAST.partner)
    for mistake in made:
        hand(mistake.cypher)
    shown = kindred(folder, server, "graph", "check", code=1)
    problems = json.loads(kindred(folder, server, "graph", "check", "--json", code=1))
    listed_over_http = asked(port, "/v1/graph/problems")["problems"]
    assert {problem["kind"] for problem in problems} == {mistake.kind for mistake in made}
    assert [problem["where"] for problem in listed_over_http] == [problem["where"] for problem in problems]
    mended(hand, problems)
    left = kindred(folder, server, "graph", "check")
    hand("MATCH (n:Item) WHERE n.id STARTS WITH 'mended-' OR n.id = '4711' DETACH DELETE n")
    hand("MATCH (:Item)-[r:COMPLEMENTS]->(:Item) DELETE r")
    statements = ";\n".join(mistake.cypher for mistake in made)
    return (
        f"### Mistakes\n\n```cypher\n{statements};\n```\n\n```text\n$ kindred graph check\n{shown.rstrip()}\n```\n\n"
        f"With every fix run:\n\n```text\n$ kindred graph check\n{left.rstrip()}\n```\n"
    )


if __name__ == "__main__":
    main(sys.argv[1:] or SHOPS)
