"""The guide that opens in Neo4j Browser: slides with queries that a click puts into the editor."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from api.curator.examples import Examples
from api.curator.saved import SavedQuery
from api.curator.spelling import Spelling
from graph.curation import PINNED
from graph.schema import HIDDEN, EdgeRole, EdgeSpec, NodeRole, NodeSpec

_ROLES = {NodeRole.USER: "who chooses", NodeRole.ITEM: "what is recommended", NodeRole.ATTRIBUTE: "what items have"}
_EDGE_ROLES = {
    EdgeRole.INTERACTION: "behaviour, written by the shop; leave it alone",
    EdgeRole.ATTRIBUTE: "an item's attribute; yours to edit",
    EdgeRole.ITEM_RELATION: "joins two items; yours to edit",
    EdgeRole.HIERARCHY: "one attribute under another; yours to edit",
    EdgeRole.SOCIAL: "joins people",
    EdgeRole.KNOWLEDGE: "facts; yours to edit",
}


def guide_page(spelling: Spelling, queries: Sequence[SavedQuery], examples: Examples, base_url: str) -> str:
    """The guide as Browser reads it; ``base_url`` is where the style, the queries and the answers are."""
    base_url = base_url.rstrip("/")
    by_group = {group: [query for query in queries if query.group == group] for group in ("look", "check", "repair")}
    slides = [
        _welcome(base_url),
        _what_it_is(spelling),
        _slide(
            "Look around", "<p>Click a query to put it into the editor, then run it.</p>" + _listed(by_group["look"])
        ),
        _slide(
            "What looks wrong",
            "<p>Duplicates, spellings, missing attributes, orphans. "
            f"<code>kindred graph check</code> and <code>{escape(base_url)}/v1/graph/problems</code> list what breaks "
            "the schema, with the fix.</p>" + _listed(by_group["check"]),
        ),
        *_repair_slides(spelling, by_group["repair"]),
        _see_the_answer(examples, base_url),
        _rules_of_the_house(spelling),
    ]
    return (
        '<article class="guide">\n<title>Kindred: the curator\'s workbench</title>\n'
        '<carousel class="deck container-fluid">\n' + "\n".join(slides) + "\n</carousel>\n</article>\n"
    )


def _slide(title: str, body: str) -> str:
    return f'<slide class="row-fluid"><div class="col-sm-12">\n<h3>{escape(title)}</h3>\n{body}\n</div></slide>'


def _runnable(text: str) -> str:
    return f'<pre class="code runnable">{escape(text)}</pre>'


def _listed(queries: Sequence[SavedQuery]) -> str:
    return "\n".join(
        f"<h4>{escape(query.title)}</h4>\n<p>{escape(query.purpose)}</p>\n{_runnable(query.text)}" for query in queries
    )


def _welcome(base_url: str) -> str:
    return _slide(
        "Kindred: the curator's workbench",
        "<p>This graph is what the shop's recommendations are made of. What you correct here is in the next answer "
        "within a few seconds; nothing has to be restarted.</p>"
        "<p>First give the graph its colours:</p>"
        + _runnable(f":style {base_url}/curator/style.grass")
        + "<p>Saved queries: download "
        f'<a href="{escape(base_url)}/curator/queries.zip">queries.zip</a> and drop it on this window; they become '
        "favourites in three folders. The same as one file: "
        f'<a href="{escape(base_url)}/curator/queries.cypher">queries.cypher</a>.</p>',
    )


def _what_it_is(spelling: Spelling) -> str:
    names = spelling.names
    nodes = "".join(
        f"<tr><td><code>(:{escape(names.plain_label(spec.name))})</code></td><td>{_ROLES[spec.role]}</td>"
        f"<td>{escape(', '.join([f'{names.plain_key(spec.name)} (its id)', *_properties(spelling, spec)]))}</td></tr>"
        for spec in spelling.schema.nodes
    )
    edges = "".join(
        f"<tr><td><code>{escape(_arrow(spelling, spec))}</code></td><td>{_EDGE_ROLES[spec.role]}</td></tr>"
        for spec in spelling.schema.edges
    )
    bookkeeping = names.prefixed("Kindred")
    return _slide(
        "What the graph is",
        "<p>The first property of every node is its id: the shop's own number. A relation needs no properties.</p>"
        f"<table><tr><th>node</th><th>what it is</th><th>properties</th></tr>{nodes}</table>"
        f"<table><tr><th>relation</th><th>what it is</th></tr>{edges}</table>"
        f"<p>Labels that begin with <code>{escape(bookkeeping)}</code> are bookkeeping: do not touch them.</p>",
    )


def _properties(spelling: Spelling, spec: NodeSpec) -> list[str]:
    return [spelling.names.plain_node_property(spec.name, name) for name in spec.properties]


def _arrow(spelling: Spelling, spec: EdgeSpec) -> str:
    source, target = spelling.label(spec.source), spelling.label(spec.target)
    return f"(:{source})-[:{spelling.relation(spec.edge_type)}]->(:{target})"


def _repair_slides(spelling: Spelling, queries: Sequence[SavedQuery]) -> list[str]:
    """Repairs by what they are about, a slide each."""
    about = {
        "Correct an attribute": [query for query in queries if query.title.startswith("Correct")],
        "Merge duplicates": [query for query in queries if query.title.startswith("Merge")],
        "Relate two items": [query for query in queries if "relation" in query.title],
        "Hide and pin": [query for query in queries if query.title.split()[0] in ("Hide", "Show", "Pin", "Unpin")],
    }
    notes = {
        "Merge duplicates": "<p>Look for duplicates first. Put the id of the one that goes in place of "
        "<code>DUPLICATE ID</code>.</p>",
        "Hide and pin": f"<p><code>{spelling.mark(HIDDEN)}: true</code> on an item keeps it out of every answer. "
        f"<code>{spelling.mark(PINNED)}: true</code> puts it at the top, where the shop's rules have this promotion "
        "(<code>PUT /v1/rules</code>): "
        f'<code>{{"name": "pinned by hand", "filter": "{PINNED} = true", "at_most": 3}}</code></p>',
    }
    return [_slide(title, notes.get(title, "") + _listed(chosen)) for title, chosen in about.items() if chosen]


def _see_the_answer(examples: Examples, base_url: str) -> str:
    address = f"{base_url}/v1/items/{examples.item}/related?n=5&include=reasons"
    return _slide(
        "See the answer change",
        "<p>Open this before and after an edit: the list, the reasons and <code>graph_watermark</code> move.</p>"
        f'<p><a href="{escape(address)}" target="_blank">{escape(address)}</a></p>'
        f'<p><a href="{escape(base_url)}/" target="_blank">The storefront</a> shows the same to people.</p>',
    )


def _rules_of_the_house(spelling: Spelling) -> str:
    return _slide(
        "Rules of the house",
        "<ul>"
        f"<li>Give every new node its id ({escape(_keys(spelling))}), a text, unique within its label.</li>"
        "<li>Use the labels and relations of the table only. Something new needs a line in the mapping first; until "
        "then it is listed as a problem and has no effect.</li>"
        "<li>A wrong edit breaks nothing: it is listed, and the rest goes on.</li>"
        "<li>Undo a deletion by writing the thing again; the same id is the same thing.</li>"
        "<li>SIMILAR_TO is written by the model and replaced with every release: write COMPLEMENTS or another relation "
        "of the table when you mean it.</li>"
        "</ul>",
    )


def _keys(spelling: Spelling) -> str:
    """The properties that hold ids: one for all labels, or by label where they differ."""
    by_label = {spelling.label(spec.name): spelling.key(spec.name) for spec in spelling.schema.nodes}
    if len(set(by_label.values())) == 1:
        return next(iter(by_label.values()))
    return ", ".join(f"{label}.{key}" for label, key in by_label.items())
