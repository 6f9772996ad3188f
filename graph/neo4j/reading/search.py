"""Text search through the full-text index; any user text is a safe question."""

from __future__ import annotations

from neo4j import Transaction

from graph.neo4j.cypher import statements
from graph.neo4j.cypher.names import Catalogue
from graph.neo4j.rows import read_node
from graph.records import NodeHit
from graph.schema import GraphSchema, NodeSpec, PropertyKind
from graph.words import folded, is_open, is_unspaced, words_of

MAX_LIMIT = 100_000
_LONGEST_WORD = 255
_TEXTS = (PropertyKind.STRING, PropertyKind.STRINGS)


def text_index_name(catalogue: Catalogue) -> str:
    """The name of the graph's full-text index."""
    return catalogue.names.prefixed("kindred_text")


def text_properties(spec: NodeSpec) -> list[str]:
    """The properties of a node type that hold text."""
    return [name for name, kind in spec.properties.items() if kind in _TEXTS]


def lucene_question(text: str) -> str | None:
    """A question for nodes with every word of ``text``, the last letters of each left open.

    None when there is no word in it. Only letters and digits reach the question.
    """
    parts = []
    for word in words_of(text):
        plain = folded(word)[:_LONGEST_WORD]
        if not plain:
            continue
        if is_unspaced(word):
            parts.append(f'"{word[:_LONGEST_WORD]}"')  # a phrase: the index has each character as a word
        else:
            parts.append(plain + "*" if is_open(word) else plain)
    return " AND ".join(parts) or None


def indexed_hits(transaction: Transaction, catalogue: Catalogue, question: str, limit: int) -> list[NodeHit]:
    """The nodes that the index finds, best first."""
    schema, names = catalogue.schema, catalogue.names
    type_of = {names.plain_label(spec.name): spec for spec in schema.nodes}
    hits = []
    index = text_index_name(catalogue)
    for node, score in transaction.run(statements.SEARCH, index=index, question=question, limit=limit).values():
        spec = next((type_of[label] for label in sorted(node.labels) if label in type_of), None)
        node_id = None if spec is None else node.get(names.plain_key(spec.name))
        if spec is not None and isinstance(node_id, str):
            cells = [node.get(names.plain_node_property(spec.name, name)) for name in spec.properties]
            hits.append(NodeHit(read_node(spec, node_id, node.get("_version"), cells), score))
    return hits


def searched_types(schema: GraphSchema, node_type: str | None) -> list[NodeSpec]:
    """The node types to search; :class:`~graph.errors.SchemaError` for one that is not there."""
    return list(schema.nodes) if node_type is None else [schema.node(node_type)]
