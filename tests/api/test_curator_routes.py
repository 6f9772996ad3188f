"""The curator's guide, style and saved queries, as Neo4j Browser asks for them."""

from __future__ import annotations

import io
import re
import zipfile
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.curator import Examples, Spelling, examples_from, guide_page, queries_archive, saved_queries, style_sheet
from api.curator.words import literal, name, tame
from graph.records import UpsertEdges, UpsertNodes
from graph.schema import GraphSchema
from tests.api.corner_shop import HAS_BRAND, PURCHASED, SCHEMA, Shop
from tests.api.http_world import SHOP, World, run, running

FILES = ("guide.html", "style.grass", "queries.cypher", "queries.zip")
SPELLING = Spelling(SCHEMA)
BROWSER = {"origin": "http://127.0.0.1:7474"}


def in_world(folder: Path, scenario, **settings) -> None:
    async def body() -> None:
        async with running(folder, **settings) as world:
            await scenario(world)

    run(body())


def test_every_file_is_served_with_the_preflight_that_browser_sends(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        for file in FILES:
            asked = BROWSER | {
                "access-control-request-method": "GET",
                "access-control-request-headers": "cache-control,pragma",
            }
            preflight = await world.client.options(f"/curator/{file}", headers=asked)
            assert preflight.status_code == 204
            assert {"cache-control", "pragma"} <= set(
                re.split(r",\s*", preflight.headers["access-control-allow-headers"])
            )
            reply = await world.client.get(f"/curator/{file}", headers=BROWSER)
            assert reply.status_code == 200
            assert reply.headers["access-control-allow-origin"] == preflight.headers["access-control-allow-origin"]
            assert reply.headers["access-control-allow-origin"] == BROWSER["origin"]

    in_world(tmp_path, scenario)


def test_a_foreign_page_cannot_read_the_workbench_unless_it_is_configured(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        for origin, allowed in (
            ("https://evil.example", False),
            ("null", False),
            ("http://127.0.0.1.evil.example", False),
            ("https://graph.shop.example", True),
            ("http://localhost:7474", True),
        ):
            reply = await world.client.get("/curator/guide.html", headers={"origin": origin})
            assert (reply.headers.get("access-control-allow-origin") == origin) == allowed, origin
            assert reply.headers["vary"] == "Origin"

    in_world(tmp_path, scenario, cors_origins=("https://a.example", "https://graph.shop.example"))


def test_the_guide_exists_before_the_first_release(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        reply = await world.get("/curator/guide.html")
        assert reply.status_code == 200
        assert "ITEM ID" in reply.text

    in_world(tmp_path, scenario, ready=False)


def test_the_guide_may_take_longer_than_an_answer_or_a_write(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        assert (await world.get("/curator/guide.html")).status_code == 200

    in_world(tmp_path, scenario, read_deadline_s=1e-6, write_deadline_s=1e-6)


def test_the_guide_names_items_of_the_live_release(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        text = (await world.get("/curator/guide.html")).text
        assert "ITEM ID" not in text
        assert "{id: &quot;i0&quot;}" in text  # the item with the most buyers

    in_world(tmp_path, scenario)


class Nesting(HTMLParser):
    """Fails for a tag that is not closed where it was opened."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.slides = 0
        self.runnable: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.open.append(tag)
        self.slides += tag == "slide"
        if ("class", "code runnable") in attrs:
            self.runnable.append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "pre":
            self.runnable[-1] += data


def test_the_guide_is_well_formed_and_holds_every_query(shop: Shop) -> None:
    examples = examples_from(shop.view)
    queries = saved_queries(SPELLING, examples)
    nesting = Nesting()
    nesting.feed(guide_page(SPELLING, queries, examples, "http://127.0.0.1:8000/"))
    assert nesting.open == []
    assert nesting.slides >= 8
    assert nesting.runnable[0] == ":style http://127.0.0.1:8000/curator/style.grass"
    assert sorted(nesting.runnable[1:]) == sorted(query.text for query in queries)


def test_the_archive_is_one_favourite_per_query_in_folders() -> None:
    queries = saved_queries(SPELLING)
    with zipfile.ZipFile(io.BytesIO(queries_archive(queries))) as archive:
        names = archive.namelist()
        assert len(set(names)) == len(queries)
        assert {name.partition("/")[0] for name in names} == {"Kindred look", "Kindred check", "Kindred repair"}
        for name_, query in zip(names, queries, strict=True):
            assert archive.read(name_).decode() == f"// {query.title}\n{query.text}\n"
    assert queries_archive(queries) == queries_archive(queries)


@pytest.mark.parametrize("schema", [SCHEMA, SHOP], ids=["corner shop", "small shop"])
def test_queries_and_style_name_only_what_the_schema_has(schema: GraphSchema) -> None:
    labels = {spec.name for spec in schema.nodes}
    relations = {spec.relation for spec in schema.edges} | {"SIMILAR_TO"}
    for query in saved_queries(Spelling(schema)):
        for label in re.findall(r"\(\w*:([A-Z][A-Za-z0-9]*)", query.text):
            assert label in labels or label.startswith("Kindred"), query.text
        for group in re.findall(r"\[\w*:([A-Z_|]+)", query.text):
            assert set(group.split("|")) <= relations, query.text
    sheet = style_sheet(Spelling(schema))
    styled = set(re.findall(r"^node\.(\w+)", sheet, re.MULTILINE))
    assert labels <= styled
    colours = {label: re.search(rf"^node\.{label} {{[^}}]*?\n  color: (\S+);", sheet, re.MULTILINE) for label in labels}
    assert len({match[1] for match in colours.values() if match}) == len(labels)
    assert "node.Brand" in sheet
    assert 'caption: "{title}"' in sheet


def test_an_item_whose_id_could_change_a_query_is_never_an_example(shop: Shop) -> None:
    bad = 'x"}) DETACH DELETE (n) //'
    buyers = [f"t{number:02}" for number in range(20)] + [f"b{number:02}" for number in range(20)]
    shop.write(
        UpsertNodes("Product", [bad], [{"title": r"A\u0022 title"}]),
        UpsertNodes("Brand", [r"\u0022"]),
        UpsertEdges(PURCHASED, buyers, [bad] * len(buyers)),
        UpsertEdges(HAS_BRAND, [bad], [r"\u0022"]),
    )
    for query in saved_queries(SPELLING, examples_from(shop.view)):
        assert bad not in query.text
        assert "\\u0022" not in query.text


@given(st.text(max_size=100))
def test_a_tame_text_has_nothing_that_ends_a_literal(text: str) -> None:
    if tame(text):
        assert not set(text) & set("\"'\\`\n\r$")
        assert literal(text) == f'"{text}"'
    quoted = name(text)
    if quoted != text:
        assert "`" not in quoted[1:-1].replace("``", "")


def test_an_empty_graph_has_placeholders() -> None:
    assert "ITEM ID" in saved_queries(SPELLING, Examples())[1].text
