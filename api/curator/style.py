"""The GraSS style sheet of Neo4j Browser, from the schema."""

from __future__ import annotations

import re

from api.curator.spelling import Spelling
from api.curator.words import INTERNAL_LABELS
from graph.curation import is_imported
from graph.schema import EdgeRole, EdgeSpec, NodeRole, NodeSpec

_USER = ("#6b7280", "#4b5563", "#ffffff", 40)
_ITEM = ("#2563eb", "#1e40af", "#ffffff", 65)
_ATTRIBUTES = (
    ("#f59e0b", "#b45309", "#1f2937", 50),
    ("#10b981", "#047857", "#ffffff", 50),
    ("#a855f7", "#7e22ce", "#ffffff", 50),
    ("#ef4444", "#b91c1c", "#ffffff", 50),
    ("#14b8a6", "#0f766e", "#ffffff", 50),
    ("#eab308", "#a16207", "#1f2937", 50),
    ("#ec4899", "#be185d", "#ffffff", 50),
    ("#84cc16", "#4d7c0f", "#1f2937", 50),
)
_INTERNAL = ("#e5e7eb", "#d1d5db", "#6b7280", 25)
_RELATIONS = {
    EdgeRole.INTERACTION: ("#9ca3af", 1),
    EdgeRole.ATTRIBUTE: ("#b45309", 2),
    EdgeRole.ITEM_RELATION: ("#1d4ed8", 4),
    EdgeRole.HIERARCHY: ("#047857", 2),
    EdgeRole.SOCIAL: ("#6b7280", 1),
    EdgeRole.KNOWLEDGE: ("#7e22ce", 2),
}
_UNWRITABLE = re.compile(r"""[{}"'\x00-\x1f]""")
_IMPORTED = ("#93c5fd", 1)
"""Thin and pale where a data set or an import relates two items; thick and dark where people do."""
_LEARNED = ("#f472b6", 1)
"""How learned SIMILAR_TO edges look: not like anything a person wrote."""


def style_sheet(spelling: Spelling) -> str:
    """A rule for every label and relationship type: users, items and each attribute look different."""
    schema, names = spelling.schema, spelling.names
    rules = [_node("node", _INTERNAL, "<id>"), _relation("relationship", ("#9ca3af", 1))]
    colours = iter(_ATTRIBUTES * (len(schema.nodes) // len(_ATTRIBUTES) + 1))
    for node in schema.nodes:
        look, label = _look(node) or next(colours), names.plain_label(node.name)
        if _writable(label):
            shown = spelling.plain_caption(node.name)
            rules.append(_node(f"node.{_dotted(label)}", look, f"{{{shown}}}" if _writable(shown) else "<id>"))
    rules += [_node(f"node.{names.prefixed(label)}", _INTERNAL, label) for label in INTERNAL_LABELS]
    relations = {names.plain_type(edge.edge_type): _edge_look(edge) for edge in schema.edges}
    rules += [
        _relation(f"relationship.{_dotted(relation)}", look)
        for relation, look in relations.items()
        if _writable(relation)
    ]
    rules.append(_relation("relationship.SIMILAR_TO", _LEARNED, "{score}"))
    return "\n".join(rules)


def _writable(text: str) -> bool:
    """Whether the format can hold a name: it has no quotes. What it cannot hold keeps Browser's own look."""
    return _UNWRITABLE.search(text) is None


def _dotted(text: str) -> str:
    """A name in a selector, where a dot would begin a class."""
    return text.replace(".", "\\.")


def _edge_look(spec: EdgeSpec) -> tuple[str, int]:
    return _IMPORTED if is_imported(spec) else _RELATIONS[spec.role]


def _look(spec: NodeSpec) -> tuple[str, str, str, int] | None:
    return {NodeRole.USER: _USER, NodeRole.ITEM: _ITEM}.get(spec.role)


def _node(selector: str, look: tuple[str, str, str, int], shown: str) -> str:
    fill, border, text, diameter = look
    return (
        f"{selector} {{\n  diameter: {diameter}px;\n  color: {fill};\n  border-color: {border};\n  border-width: 2px;\n"
        f'  text-color-internal: {text};\n  font-size: 10px;\n  caption: "{shown}";\n}}\n'
    )


def _relation(selector: str, look: tuple[str, int], shown: str = "<type>") -> str:
    colour, width = look
    return (
        f"{selector} {{\n  color: {colour};\n  shaft-width: {width}px;\n  font-size: 8px;\n  padding: 3px;\n"
        f'  text-color-external: #374151;\n  text-color-internal: #ffffff;\n  caption: "{shown}";\n}}\n'
    )
