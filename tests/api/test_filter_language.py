"""The filter language: what it reads, what it refuses and where, and that its masks are those of a naive reading."""

from __future__ import annotations

import operator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from api.engine.filters import Expression, FilterError, FilterMasks, parse
from api.engine.filters.parsing import MAX_CHARACTERS, MAX_DEPTH, MAX_VALUES
from api.engine.filters.syntax import All, Among, Compare, Exists, Not, Some, Under
from graph.overlay import Overlay
from graph.records import DeleteNodes, Mutation, UpsertEdges, UpsertNodes
from graph.schema import GraphSchema
from graph.snapshot import build_snapshot
from graph.store import open_store
from graph.view import GraphView

SCHEMA = GraphSchema.parse(
    {
        "nodes": [
            {"name": "User", "role": "user"},
            {
                "name": "Item",
                "role": "item",
                "title": "title",
                "properties": {
                    "title": "string",
                    "price": "number",
                    "stock": "integer",
                    "organic": "boolean",
                    "added_at": "timestamp",
                    "tags": "strings",
                },
            },
            {"name": "Brand", "role": "attribute", "title": "name", "properties": {"name": "string"}},
            {"name": "Category", "role": "attribute"},
        ],
        "edges": [
            {"source": "Item", "relation": "HAS_BRAND", "target": "Brand", "role": "attribute"},
            {"source": "Item", "relation": "IN_CATEGORY", "target": "Category", "role": "attribute"},
            {"source": "Category", "relation": "UNDER", "target": "Category", "role": "hierarchy"},
            {"source": "Item", "relation": "COMPLEMENTS", "target": "Item", "role": "item_relation"},
            {"source": "Brand", "relation": "SPONSORS", "target": "Item", "role": "attribute"},
        ],
    }
)
ITEMS = [f"i{number}" for number in range(24)]
BRANDS = {"nivea": "Nivea", "dove": "Dove", "b3": "Émile"}
PARENTS = {"shampoo": "hair", "hair": "care", "soap": "care"}
CATEGORIES = ["care", "food", "hair", "shampoo", "soap"]
DAY_MS = 86_400_000
_COMPARE = {"=": operator.eq, "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}


class Shelf:
    """Items with every kind of property, some without; part of it in a snapshot, part changed since."""

    def __init__(self, folder: Path) -> None:
        self.store = open_store(f"sqlite:{folder / 'graph.db'}")
        self.store.ensure_schema(SCHEMA)
        self._write(self._items(ITEMS[:18]), *self._joined(ITEMS[:18]), *_hierarchy())
        snapshot = build_snapshot(self.store, folder / "snapshot")
        self.overlay = Overlay(snapshot)
        self.view = GraphView(snapshot, self.overlay)
        self.masks = FilterMasks(SCHEMA)
        self.write(
            self._items(ITEMS[18:]),
            *self._joined(ITEMS[18:]),
            UpsertNodes("Item", ["i1"], [{"price": 100.0, "title": None, "tags": ["New", "red"]}]),
            UpsertNodes("Brand", ["b4"], [{"name": "Late"}]),
            UpsertEdges(("Item", "HAS_BRAND", "Brand"), ["i2"], ["b4"]),
            DeleteNodes("Item", ["i3"]),
        )

    def _write(self, *mutations: Mutation) -> None:
        self.store.apply(mutations, batch_id="b", actor="test")

    def write(self, *mutations: Mutation) -> None:
        self._write(*mutations)
        self.overlay.apply(self.store.changes_since(self.overlay.state.watermark))

    def _items(self, items: list[str]) -> UpsertNodes:
        rows = []
        for item in items:
            number = int(item[1:])
            row = {
                "title": f"Title {number % 4}" if number % 5 else None,
                "price": float(number) if number % 3 else None,
                "stock": number % 4,
                "organic": number % 2 == 0 if number % 7 else None,
                "added_at": number * DAY_MS,
                "tags": [f"t{number % 3}", "Red"] if number % 4 else [],
            }
            rows.append({name: value for name, value in row.items() if value is not None})
        return UpsertNodes("Item", items, rows)

    def _joined(self, items: list[str]) -> list[Mutation]:
        numbers = [int(item[1:]) for item in items]
        branded = [item for item, number in zip(items, numbers, strict=True) if number % 5]
        return [
            UpsertNodes("Brand", list(BRANDS), [{"name": name} for name in BRANDS.values()]),
            UpsertNodes("Category", CATEGORIES),
            UpsertEdges(("Item", "HAS_BRAND", "Brand"), branded, [list(BRANDS)[int(i[1:]) % 3] for i in branded]),
            UpsertEdges(("Item", "IN_CATEGORY", "Category"), items, [CATEGORIES[n % 5] for n in numbers]),
            UpsertEdges(("Brand", "SPONSORS", "Item"), ["dove"], [items[0]]),
        ]

    def ids(self, text: str) -> set[str]:
        mask = self.masks(self.view, text)
        rows = [row for row in np.flatnonzero(mask).tolist() if self.view.exists("Item", row)]
        return {self.view.id_of("Item", row) for row in rows}

    def naive(self, expression: Expression, row: int) -> bool:
        """The meaning of a filter for one item, read from the store one value at a time."""
        match expression:
            case All(parts):
                return all(self.naive(part, row) for part in parts)
            case Some(parts):
                return any(self.naive(part, row) for part in parts)
            case Not(inner):
                return not self.naive(inner, row)
            case Exists(name):
                return bool(self.values(name.text, row))
            case Compare(name, "!=", value):
                return not self.naive(Compare(name, "=", value), row)
            case Compare(name, comparison, value):
                wanted = _plain(name.text, value.scalar)
                return any(_COMPARE[comparison](given, wanted) for given in self.values(name.text, row))
            case Among(name, values):
                return any(self.naive(Compare(name, "=", value), row) for value in values)
            case Under(name, values):
                below = {str(value.scalar).casefold() for value in values}
                while more := {child for child, parent in PARENTS.items() if parent in below} - below:
                    below |= more
                return any(given in below for given in self.values(name.text, row))

    def values(self, name: str, row: int) -> list:
        item_id = self.view.id_of("Item", row)
        if name == "item_id":
            return [item_id]
        if name in ("brand", "category", "sponsors"):
            relation = {"brand": "HAS_BRAND", "category": "IN_CATEGORY", "sponsors": "SPONSORS"}[name]
            page = self.store.neighbors("Item", item_id, limit=100)
            found = [entry.node for entry in page.neighbors if entry.edge.edge_type[1] == relation]
            names = [(key[1], self.store.node(*key).properties.get("name")) for key in found]
            return [text.casefold() for pair in names for text in pair if text]
        value = self.store.node("Item", item_id).properties.get(name)
        given = value if isinstance(value, list) else [] if value is None else [value]
        return [entry.casefold() if isinstance(entry, str) else entry for entry in given]


def _plain(name: str, scalar):
    if name == "added_at":
        return int(scalar[8:10]) * DAY_MS - DAY_MS if isinstance(scalar, str) else scalar * 1000
    return scalar.casefold() if isinstance(scalar, str) and name != "item_id" else scalar


def _hierarchy() -> list[Mutation]:
    return [UpsertEdges(("Category", "UNDER", "Category"), list(PARENTS), list(PARENTS.values()))]


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Shelf:
    return Shelf(tmp_path_factory.mktemp("shelf"))


def _quoted(values: list[str]) -> st.SearchStrategy[str]:
    return st.sampled_from(values).map(lambda text: f'"{text}"')


NUMBERS = st.sampled_from(["0", "1", "2.5", "7", "100", "-1"])
DAYS = st.sampled_from(['"1970-01-05"', '"1970-01-12T00:00:00Z"', "259200"])
BY_NAME = {
    "title": _quoted(["Title 1", "TITLE 2", "nothing"]),
    "tags": _quoted(["red", "t1", "New"]),
    "brand": _quoted(["nivea", "Dove", "ÉMILE", "late", "b4"]),
    "category": _quoted(["care", "hair", "Shampoo", "food"]),
    "sponsors": _quoted(["dove", "nivea"]),
    "item_id": _quoted(["i1", "i20", "I1"]),
    "organic": st.sampled_from(["true", "false"]),
    "price": NUMBERS,
    "stock": NUMBERS,
    "added_at": DAYS,
}
ORDERED = ("price", "stock", "added_at")


@st.composite
def leaf(draw: st.DrawFn) -> str:
    name = draw(st.sampled_from(list(BY_NAME)))
    form = draw(st.sampled_from(["compare", "in", "exists", "under"]))
    if form == "exists":
        return f"exists {name}"
    if form == "under":
        return f"category under ({', '.join(draw(st.lists(BY_NAME['category'], min_size=1, max_size=2)))})"
    if form == "in":
        values = ", ".join(draw(st.lists(BY_NAME[name], min_size=1, max_size=3)))
        return f"{name} {draw(st.sampled_from(['in', 'not in']))} ({values})"
    comparison = draw(st.sampled_from(["=", "!=", "<", "<=", ">", ">="] if name in ORDERED else ["=", "!="]))
    return f"{name} {comparison} {draw(BY_NAME[name])}"


FILTERS = st.recursive(
    leaf(),
    lambda inner: st.one_of(
        inner.map(lambda text: f"not ({text})"),
        st.tuples(inner, inner).map(lambda pair: f"({pair[0]} and {pair[1]})"),
        st.tuples(inner, inner).map(lambda pair: f"{pair[0]} or {pair[1]}"),
    ),
    max_leaves=5,
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=FILTERS)
def test_a_mask_is_what_a_naive_reading_of_the_store_says(shelf: Shelf, text: str) -> None:
    expression = parse(text)
    rows = [row for row in range(shelf.view.num_nodes("Item")) if shelf.view.exists("Item", row)]
    wanted = {shelf.view.id_of("Item", row) for row in rows if shelf.naive(expression, row)}
    assert shelf.ids(text) == wanted


def test_and_binds_closer_than_or_and_not_closest(shelf: Shelf) -> None:
    assert shelf.ids('brand="dove" or brand="nivea" and price < 5') == shelf.ids('brand="dove"') | shelf.ids(
        'brand="nivea" and price < 5'
    )
    assert shelf.ids("not price < 5 and stock = 1") == shelf.ids("(not price < 5) and stock = 1")


def test_a_missing_value_fits_no_comparison_and_so_fits_its_not(shelf: Shelf) -> None:
    without = shelf.ids("not exists price")
    assert without
    assert without.isdisjoint(shelf.ids("price < 1000"))
    assert without <= shelf.ids("not price < 1000")


def test_names_may_be_relations_or_node_types_in_any_case(shelf: Shelf) -> None:
    assert shelf.ids('brand = "nivea"') == shelf.ids('HAS_BRAND = "Nivea"') == shelf.ids('has_brand = "NIVEA"')
    assert shelf.ids('category = "food"') == shelf.ids("in_category = 'food'") == shelf.ids('`CATEGORY` in ("food")')


def test_the_next_answer_follows_an_edit_of_the_graph(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path)
    before = shelf.ids('category under "hair"')
    shelf.write(UpsertEdges(("Category", "UNDER", "Category"), ["food"], ["hair"]))
    assert shelf.ids('category under "hair"') == before | shelf.ids('category = "food"') > before
    shelf.write(UpsertNodes("Item", ["i4"], [{"price": 0.5}]))
    assert "i4" in shelf.ids("price < 1")
    shelf.write(UpsertNodes("Brand", ["nivea"], [{"name": "Nova"}]))
    assert shelf.ids('brand = "nova"') == shelf.ids('brand = "nivea"') != set()


def test_a_mask_is_kept_until_what_it_reads_changes(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path)
    first = shelf.masks(shelf.view, 'brand = "nivea"')
    shelf.write(UpsertNodes("Category", ["new"]))
    assert shelf.masks(shelf.view, 'brand = "nivea"') is first
    shelf.write(UpsertEdges(("Item", "HAS_BRAND", "Brand"), ["i5"], ["nivea"]))
    assert shelf.masks(shelf.view, 'brand = "nivea"') is not first


@pytest.mark.parametrize(
    ("text", "column", "expected"),
    [
        ("", 1, "a name"),
        ("price", 6, "in"),
        ("price <", 8, "a value"),
        ("price < 5 and", 14, "a name"),
        ("price < 5 stock", 11, '"and", "or" or the end'),
        ("(price < 5", 11, '")"'),
        ("brand in", 9, '"("'),
        ('brand in ("a" "b")', 15, '","'),
        ('brand = "a', 9, "a closing"),
        ("price < $", 9, "a name, a value"),
        ("price < 1.2.3", 9, "a number"),
        ("colour = 1", 1, "one of title, price, stock"),
        ('price < "cheap"', 9, "a number"),
        ("title = 5", 9, "text in quotes"),
        ('title < "a"', 9, "="),
        ("organic = 1", 11, "true or false"),
        ('added_at > "yesterday"', 12, "a date"),
        ('added_at > "2026-01-01T10:00:00"', 12, "a date"),
        ("brand = 5", 9, "an id or a title"),
        ('brand > "a"', 9, "="),
        ('price under "care"', 1, "a relation"),
        ("price < 1e999", 9, "a finite number"),
        ("not " * (MAX_DEPTH + 1) + "exists price", 4 * (MAX_DEPTH + 1) + 1, "levels"),
        ("(" * 200_000, MAX_CHARACTERS + 1, "characters"),
        ("stock in (" + "1," * (MAX_VALUES + 1), 10 + 2 * MAX_VALUES + 1, "values"),
        ('title = "\ud800"', 1, "Unicode"),
    ],
)
def test_a_filter_that_cannot_be_read_says_where_and_what_was_expected(
    shelf: Shelf, text: str, column: int, expected: str
) -> None:
    with pytest.raises(FilterError, match=f"column {column}\\)") as caught:
        shelf.masks.check(text)
    assert caught.value.column == column
    assert expected in str(caught.value)


@settings(max_examples=200, deadline=None)
@given(text=st.text(max_size=60))
def test_any_text_is_read_or_refused_with_a_column_inside_it(text: str) -> None:
    assert 1 <= _column(text) <= len(text) + 1


def _column(text: str) -> int:
    try:
        parse(text)
    except FilterError as error:
        return error.column
    return 1
