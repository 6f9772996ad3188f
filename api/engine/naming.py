"""What a node is called: the title a shopper knows, never an opaque id."""

from __future__ import annotations

import re

from graph.view import GraphView

_WORDLIKE = re.compile(r"[^\W\d_]{3,}")
_MAX_NAME = 80


def name_of(view: GraphView, node_type: str, index: int) -> str | None:
    """The display name of a node, or ``None`` when all there is is an opaque id.

    A node type without a title property is named by its ids, if they read like words ("Nivea", not "m.03q8").
    """
    node_id, title = view.named(node_type, index)
    if title != node_id and title.strip():
        return _shortened(title)
    reads_like_words = _WORDLIKE.search(node_id) is not None and not any(letter.isdigit() for letter in node_id)
    return _shortened(node_id) if reads_like_words else None


def _shortened(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _MAX_NAME else line[: _MAX_NAME - 1].rstrip() + "…"
