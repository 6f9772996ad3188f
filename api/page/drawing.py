"""Reasons as a drawing: their paths put together to one small graph, laid out from left to right."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from api.engine.answer import Reason
from api.engine.naming import name_of
from graph.records import NodeKey
from graph.schema import EdgeRole
from graph.view import GraphView

BOX_WIDTH, BOX_HEIGHT, GAP = 164, 44, 120
_ROW = 78
_MARGIN = 4
_LETTERS = 18
"""Small Latin letters that fit into a box."""
PEOPLE = "People"
"""Stands for customers who are not named."""


@dataclass(frozen=True, slots=True)
class Step:
    """One edge of a path: how it reads, and the edit that would cut it, if it is one edge of the graph."""

    relation: str
    start: NodeKey
    end: NodeKey
    count: int | None
    cut: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class ToldReason:
    """A reason in words, with its path as nodes and steps in turn."""

    text: str
    share: int
    nodes: list[tuple[NodeKey, str]]
    steps: list[Step]


@dataclass(slots=True)
class Box:
    """A node in the drawing, by its centre."""

    key: NodeKey
    title: str
    role: str
    column: int
    x: float = 0.0
    y: float = 0.0

    @property
    def words(self) -> list[str]:
        """The title in one or two lines, shortened to what fits."""
        lines = [""]
        for word in self.title.split():
            longer = f"{lines[-1]} {word}".strip()
            if lines[-1] and _width(longer) > _LETTERS and len(lines) < 2:
                lines.append(word)
            else:
                lines[-1] = longer
        return [_shortened(line) for line in lines]


@dataclass(frozen=True, slots=True)
class Line:
    """An edge in the drawing."""

    step: Step
    path: str
    x: float
    y: float

    @property
    def label(self) -> str:
        """The relation, or how many people it stands for."""
        return f"{self.step.count} people" if self.step.count else self.step.relation.replace("_", " ").lower()


@dataclass(frozen=True, slots=True)
class Drawing:
    """A small graph with places for everything."""

    boxes: list[Box]
    lines: list[Line]
    width: int
    height: int


def told(view: GraphView, reasons: Sequence[Reason], user_id: str | None) -> list[ToldReason]:
    """The reasons with their steps; before a choice of a known user stands the user."""
    return [_told(view, reason, user_id) for reason in reasons]


def drawing_of(view: GraphView, reasons: Sequence[ToldReason]) -> Drawing | None:
    """The paths of the reasons in one drawing; ``None`` where none has an edge."""
    steps = list({(step.start, step.relation, step.end): step for reason in reasons for step in reason.steps}.values())
    if not steps:
        return None
    boxes = _boxes(view, reasons)
    ways = [[boxes[step.start], *_bends(boxes, step), boxes[step.end]] for step in steps]
    width, height = _place(ways)
    lines = [_line(step, way) for step, way in zip(steps, ways, strict=True)]
    return Drawing(list(boxes.values()), lines, width, height)


def _told(view: GraphView, reason: Reason, user_id: str | None) -> ToldReason:
    nodes = list(reason.path.nodes)
    steps: list[Step] = []
    for at, hop in enumerate(reason.path.hops):
        start = nodes[at]
        end = nodes[at + 1] if at + 1 < len(nodes) else (PEOPLE, hop.edge_type[1])
        cut = None
        if hop.direction is not None:
            source, target = (start, end) if hop.direction == "out" else (end, start)
            cut = _removal(hop.edge_type[1], source, target)
        steps.append(Step(hop.edge_type[1], start, end, hop.count, cut))
    if len(reason.path.hops) == len(nodes) and steps:
        nodes.append(steps[-1].end)
    first = None if user_id is None or not steps else _chosen(view, user_id, nodes[0])
    if first is not None:
        nodes.insert(0, first.start)
        steps.insert(0, first)
    return ToldReason(
        reason.text, round(100 * reason.weight), [(node, _title(view, node, steps)) for node in nodes], steps
    )


def _chosen(view: GraphView, user_id: str, anchor: NodeKey) -> Step | None:
    """The user's own edge to the item a path starts from."""
    schema = view.schema
    user, item = view.index_of(schema.user_type, user_id), view.index_of(*anchor)
    if user is None or item is None or anchor[0] != schema.item_type:
        return None
    for spec in schema.edges_with(EdgeRole.INTERACTION):
        if spec.positive and not spec.holdout and view.has_edge(spec.edge_type, user, item):
            key = (schema.user_type, user_id)
            return Step(spec.relation, key, anchor, None, _removal(spec.relation, key, anchor))
    return None


def _removal(relation: str, source: NodeKey, target: NodeKey) -> dict[str, Any]:
    return {"do": "remove_edge", "edge": relation, "from": list(source), "to": list(target)}


def _title(view: GraphView, key: NodeKey, steps: Sequence[Step]) -> str:
    if key[0] == PEOPLE:
        count = next((step.count for step in steps if step.end == key), None)
        return "a few people" if count is None else f"{count} people"
    return told_title(view, key)


def told_title(view: GraphView, key: NodeKey) -> str:
    """The node's title; people without one, and what is called by an opaque id alone, are named by type and id."""
    node_type, node_id = key
    index = view.index_of(*key)
    title = node_id if index is None else view.title(node_type, index)
    if title != node_id:
        return title
    tells = index is not None and node_type != view.schema.user_type and name_of(view, node_type, index) is not None
    return title if tells else f"{node_type} {title}"


def role_of(view: GraphView, node_type: str) -> str:
    """How a node is coloured: user, item, people, or one of three colours for the other types."""
    schema = view.schema
    if node_type == schema.user_type:
        return "user"
    if node_type == schema.item_type:
        return "item"
    if node_type == PEOPLE:
        return "people"
    others = [spec.name for spec in schema.nodes if spec.name not in (schema.user_type, schema.item_type)]
    return f"other{others.index(node_type) % 3}"


def _width(text: str) -> float:
    """About how wide a text is, in small Latin letters."""
    wide = {"W": 1.8, "F": 1.8}
    return sum(wide.get(unicodedata.east_asian_width(letter), 1.3 if letter.isupper() else 1.0) for letter in text)


def _shortened(line: str) -> str:
    """What fits into a line of a box."""
    if _width(line) <= _LETTERS:
        return line
    while _width(line) > _LETTERS - 1:
        line = line[:-1]
    return line.rstrip() + "…"


def _boxes(view: GraphView, reasons: Sequence[ToldReason]) -> dict[NodeKey, Box]:
    """Every node once, in the column of its longest way from the start; the ends of the paths share the last."""
    boxes: dict[NodeKey, Box] = {}
    last = max(len(reason.nodes) for reason in reasons) - 1
    for reason in reasons:
        for at, (key, title) in enumerate(reason.nodes):
            column = last if at == len(reason.nodes) - 1 and at else at
            box = boxes.setdefault(key, Box(key, title, role_of(view, key[0]), column))
            box.column = max(box.column, column)
    return boxes


def _bends(boxes: Mapping[NodeKey, Box], step: Step) -> list[Box]:
    """Places that a long edge keeps free for itself in the columns it passes, so that it runs into no box."""
    start, end = boxes[step.start].column, boxes[step.end].column
    return [Box(step.start, "", "", column) for column in range(start + 1, end)]


def _place(ways: Sequence[Sequence[Box]]) -> tuple[int, int]:
    """Gives every box on a way its place, beside those that lead to it; the drawing's width and height."""
    boxes = list({id(box): box for way in ways for box in way}.values())
    before: dict[int, list[Box]] = {id(box): [] for box in boxes}
    for near, far in (pair for way in ways for pair in pairwise(way)):
        before[id(far)].append(near)
    columns = [[box for box in boxes if box.column == at] for at in range(1 + max(box.column for box in boxes))]
    height = max(2, max(map(len, columns))) * _ROW
    for column, members in enumerate(columns):
        members.sort(key=lambda box: sum(near.y for near in before[id(box)]) / max(1, len(before[id(box)])))
        for at, box in enumerate(members):
            box.x = _MARGIN + BOX_WIDTH / 2 + column * (BOX_WIDTH + GAP)
            box.y = height * (at + 0.5) / len(members)
    return 2 * _MARGIN + BOX_WIDTH + (len(columns) - 1) * (BOX_WIDTH + GAP), height


def _line(step: Step, way: Sequence[Box]) -> Line:
    """A curve that leaves and enters boxes and bends level; its label stands at its first bend, or halfway."""
    start, *bends, end = way
    half = BOX_WIDTH / 2
    points = [(start.x + half, start.y)]
    for bend in bends:
        points += [(bend.x - half, bend.y), (bend.x + half, bend.y)]
    points.append((end.x - half, end.y))
    path = f"M{points[0][0]:.0f} {points[0][1]:.0f}"
    for (x1, y1), (x2, y2) in pairwise(points):
        middle = (x1 + x2) / 2
        path += f" C{middle:.0f} {y1:.0f} {middle:.0f} {y2:.0f} {x2:.0f} {y2:.0f}"
    label = (bends[0].x, bends[0].y) if bends else ((start.x + end.x) / 2, (start.y + end.y) / 2)
    return Line(step, path, *label)
