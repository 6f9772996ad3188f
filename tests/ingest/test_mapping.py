"""Mappings: what is accepted, and how a mistake is explained."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from graph.errors import MappingError, NotFound
from graph.schema import EdgeRole, PropertyKind
from ingest.mapping import delivered_mappings, load_mapping, mapping_schema, parse_mapping

SMALL = """
mapping: 1
name: small
graph:
  nodes:
    User: {role: user}
    Item: {role: item, title: title, properties: {title: string}}
  edges:
    BOUGHT: {source: User, target: Item, role: interaction, kind: purchase}
tables:
  sales:
    files: "sales-${season}.csv"
    read: {format: delimited}
    edges: {type: BOUGHT, source: user, target: item}
variables: {season: 2025}
derive: {next: {}}
"""


def test_the_example_in_the_documentation_is_a_mapping() -> None:
    text = (Path(__file__).parents[2] / "docs" / "mapping.md").read_text(encoding="utf-8")
    example = re.search(r"```yaml\n(mapping: 1.*?)```", text, re.DOTALL)
    assert example is not None
    document = parse_mapping(example[1])
    assert {"PURCHASED", "NEXT"} <= {edge.relation for edge in document.graph_schema().edges}


def test_every_delivered_mapping_is_usable() -> None:
    for name in delivered_mappings():
        mapping = load_mapping(name, Path("nowhere"))
        assert mapping.schema.item_type, name


def test_next_is_shown_but_not_learned_from() -> None:
    schema = parse_mapping(SMALL).graph_schema()
    relations = {edge.relation: edge.learn for edge in schema.edges_with(EdgeRole.ITEM_RELATION)}
    assert relations == {"NEXT": False, "COMPLEMENTS": False}


def test_every_item_can_be_hidden_and_pinned_by_curators() -> None:
    schema = parse_mapping(SMALL).graph_schema()
    kinds = schema.node(schema.item_type).properties
    assert (kinds["hidden"], kinds["pinned"]) == (PropertyKind.BOOLEAN, PropertyKind.BOOLEAN)
    own = parse_mapping(SMALL.replace("{title: string}", "{title: string, hidden: string}")).graph_schema()
    assert own.node(own.item_type).properties["hidden"] is PropertyKind.STRING


@pytest.mark.parametrize(
    ("old", "new", "message", "line"),
    [
        ("role: item,", "rol: item,", "unknown key 'rol'", 7),
        ("type: BOUGHT", "type: BOUGT", "unknown edge type 'BOUGT'; there are: BOUGHT", None),
        ("format: delimited", "format: delimted", "delimted", 13),
        ("source: user", "source: {colum: user}", "unknown key 'colum'", 14),
        ("source: User", "source: Usr", "unknown node type 'Usr'", None),
        ("mapping: 1", "mapping: 2", "Input should be 1", 2),
        ("name: small", "name: small\nname: big", "the key 'name' stands twice", 4),
        ("title: title", "title: name", "title 'name' is not a property", None),
        ("name: small", "name: [", "not YAML", 5),
        ("source: user,", "source: {column: user, clean: {replace: '('}},", "RE2", 14),
        ("source: user,", "source: {column: user, value: x},", "exactly one of", 14),
        ("source: user,", "source: {column: u, lookup: {table: t, key: a, take: b}},", "unknown table 't'", None),
        ("target: item}", "target: item, properties: {colour: c}}", "'colour' is not declared", None),
        ("read: {format: delimited}", "read: {format: delimited, encoding: utf-9}", "unknown encoding", 13),
        ("read: {format: delimited}", "read: {format: delimited, header: none}", "`columns` names", 13),
    ],
)
def test_a_mistake_is_explained_with_file_and_place(old: str, new: str, message: str, line: int | None) -> None:
    assert old in SMALL
    with pytest.raises(MappingError) as caught:
        parse_mapping(SMALL.replace(old, new, 1), origin="shop.yaml")
    assert message in str(caught.value)
    assert (f"shop.yaml, line {line}" if line else "shop.yaml") in str(caught.value)


@pytest.mark.parametrize("text", ["", "- 1", "7", "\0", "a: *b", "x: " + "[" * 5000, "? {a: b}\n: 1"])
def test_what_is_no_mapping_is_a_mapping_error(text: str) -> None:
    with pytest.raises(MappingError):
        parse_mapping(text)


def test_aliases_cannot_multiply_a_mapping() -> None:
    bomb = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n"
    bomb += "".join(f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 9))
    with pytest.raises(MappingError, match="too large"):
        parse_mapping(bomb)


def test_variables_fill_file_names(tmp_path: Path) -> None:
    (tmp_path / "shop.yaml").write_text(SMALL)
    (tmp_path / "sales-2025.csv").write_text("user,item\n")
    mapping = load_mapping(tmp_path / "shop.yaml", tmp_path)
    assert mapping.files_of("sales") == [tmp_path / "sales-2025.csv"]
    other = load_mapping(tmp_path / "shop.yaml", tmp_path, variables={"season": "2026"})
    with pytest.raises(NotFound, match=r"sales-2026\.csv .*KINDRED_DATA_DIR"):
        other.files_of("sales")
    with pytest.raises(MappingError, match="unknown variable 'year'"):
        load_mapping(tmp_path / "shop.yaml", tmp_path, variables={"year": "2026"})


def test_an_unknown_name_lists_the_delivered_mappings() -> None:
    with pytest.raises(NotFound, match=r"docs/mapping\.md"):
        load_mapping("no-such-shop", Path())


def test_the_json_schema_knows_every_key() -> None:
    schema = mapping_schema()
    assert schema["additionalProperties"] is False
    assert {"graph", "tables", "derive", "variables"} <= set(schema["properties"])
    assert "drop_if" in schema["$defs"]["Table"]["properties"]
