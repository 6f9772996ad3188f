"""What a write transaction makes of the rows it touches, worked out before anything is written."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from graph.errors import Conflict, InputError, NotFound
from graph.neo4j.cypher.names import Catalogue
from graph.neo4j.rows import EdgeKey
from graph.neo4j.writing.draft_rows import EdgeRow, NodeRow, State
from graph.neo4j.writing.edge_columns import edge_columns
from graph.records import DeleteEdges, DeleteNodes, Mutation, UpsertEdges, UpsertNodes, Value
from graph.schema import EdgeSpec, EdgeType
from graph.values import check_ids, checked_properties, column_list, edge_ids, id_list


class Draft:
    """The rows that a list of mutations ends in, each change with a sequence number of its own."""

    def __init__(self, catalogue: Catalogue, state: State, sequence: int) -> None:
        self._schema = catalogue.schema
        self._state = state
        self.started_at = sequence
        self.sequence = sequence
        self.changed = 0
        self.nodes: dict[str, dict[str, NodeRow]] = {spec.name: {} for spec in catalogue.schema.nodes}
        self.edges: dict[EdgeType, dict[tuple[str, str, str], EdgeRow]] = {
            spec.edge_type: {} for spec in catalogue.schema.edges
        }
        self._doomed: dict[str, None] = {}
        self._known_pairs: dict[EdgeType, set[tuple[str, str]]] = {edge_type: set() for edge_type in self.edges}

    @property
    def doomed_edges(self) -> list[str]:
        """Relationships that have to go."""
        return list(self._doomed)

    def is_all_new(self) -> bool:
        """Whether the statements that make rows say all; what was drafted from memory is."""
        if self._doomed:
            return False
        for nodes in self.nodes.values():
            for node in nodes.values():
                if node.sequence and (node.stored or node.doomed or node.buried or not node.live):
                    return False
        for edges in self.edges.values():
            for edge in edges.values():
                if edge.sequence and (edge.buried or edge.element is not None or not edge.live):
                    return False
        return True

    def write(self, mutation: Mutation) -> None:
        """Nothing; the rows are as the mutation says."""
        if isinstance(mutation, UpsertNodes):
            self._upsert_nodes(mutation)
        elif isinstance(mutation, UpsertEdges):
            self._upsert_edges(mutation)
        elif isinstance(mutation, DeleteNodes):
            self._delete_nodes(mutation)
        elif isinstance(mutation, DeleteEdges):
            self._delete_edges(mutation)
        else:
            expected = "UpsertNodes, UpsertEdges, DeleteNodes or DeleteEdges"
            raise InputError("this cannot be written", expected=expected, got=mutation)

    def _next(self) -> int:
        self.sequence += 1
        self.changed += 1
        return self.sequence

    # Nodes

    def _fetched(self, node_type: str, node_ids: Iterable[str]) -> dict[str, NodeRow]:
        """The rows of the type, with those of ``node_ids`` among them."""
        rows = self.nodes[node_type]
        unknown = [node_id for node_id in dict.fromkeys(node_ids) if node_id not in rows]
        if unknown:
            found = self._state.nodes(self._schema.node(node_type), unknown)
            rows.update(found)
            absent = [node_id for node_id in unknown if node_id not in found]
            versions = self._state.buried([(node_type, node_id) for node_id in absent])
            for node_id in absent:
                version = versions.get((node_type, node_id))
                rows[node_id] = NodeRow() if version is None else NodeRow(version=version, buried=True)
        return rows

    def _upsert_nodes(self, mutation: UpsertNodes) -> None:
        spec = self._schema.node(mutation.node_type)
        node_ids = id_list(mutation.node_ids, "node id")
        count = len(node_ids)
        check_ids(set(node_ids), "node id")
        patches: list[dict[str, Value]] | None = None
        if mutation.properties is not None:
            column = column_list(mutation.properties, "properties", count)
            patches = [
                checked_properties(spec.properties, properties, f"{spec.name} {node_id}")
                for node_id, properties in zip(node_ids, column, strict=True)
            ]
        expected = (
            None
            if mutation.expected_version is None
            else column_list(mutation.expected_version, "expected_version", count)
        )
        rows = self._fetched(spec.name, node_ids)
        for at, node_id in enumerate(node_ids):
            row = rows[node_id]
            if expected is not None:
                _check_version(row, expected[at], f"{spec.name} {node_id}")
            self._put_node(row, patches[at] if patches is not None else {}, mutation.replace)

    def _put_node(self, row: NodeRow, patch: Mapping[str, Value], replace: bool) -> None:
        old = row.properties if row.live and not replace else {}
        new = _merged(old, patch) if patch else old
        if row.live and new == row.properties:
            return
        row.properties, row.live, row.version, row.sequence = new, True, row.version + 1, self._next()

    def _delete_nodes(self, mutation: DeleteNodes) -> None:
        spec = self._schema.node(mutation.node_type)
        node_ids = dict.fromkeys(id_list(mutation.node_ids, "node id"))
        check_ids(node_ids, "node id")
        rows = self._fetched(spec.name, node_ids)
        doomed = [node_id for node_id in node_ids if rows[node_id].live]
        if not doomed:
            return
        at: dict[str, dict[EdgeKey, EdgeRow]] = {node_id: {} for node_id in doomed}
        for edge in self._schema.edges:
            for end, end_type in (("s", edge.source), ("t", edge.target)):
                if end_type == spec.name:
                    self._remember(edge, self._state.edges_at(edge, end, doomed))
            if spec.name in (edge.source, edge.target):
                for (source, target, qualifier), row in self.edges[edge.edge_type].items():
                    for node_type, node_id in ((edge.source, source), (edge.target, target)):
                        if node_type == spec.name and row.live and node_id in at:
                            at[node_id][edge.edge_type, source, target, qualifier] = row
        for node_id in doomed:
            for row in at[node_id].values():
                self._bury_edge(row)
            node = rows[node_id]
            node.doomed = node.doomed or node.stored
            node.live, node.stored, node.properties, node.sequence = False, False, {}, self._next()

    # Edges

    def _remember(self, spec: EdgeSpec, found: Iterable[tuple[EdgeKey, EdgeRow]]) -> None:
        rows = self.edges[spec.edge_type]
        for key, row in found:
            known = rows.setdefault(key[1:], row)
            if row.element is not None and row.element not in (known.element, *known.twins, *self._doomed):
                known.twins = (*known.twins, row.element)

    def _pairs_fetched(self, spec: EdgeSpec, pairs: Iterable[tuple[str, str]]) -> None:
        known = self._known_pairs[spec.edge_type]
        unknown = [pair for pair in dict.fromkeys(pairs) if pair not in known]
        if unknown:
            self._remember(spec, self._state.edges(spec, unknown))
            known.update(unknown)

    def _upsert_edges(self, mutation: UpsertEdges) -> None:
        spec = self._schema.edge(mutation.edge_type)
        edge_type = spec.edge_type
        columns = edge_columns(spec, mutation)
        weight, times, patches = columns.weight, columns.times, columns.patches
        weights = weight if isinstance(weight, list) else [weight] * columns.rows
        times = times or [None] * columns.rows
        for node_type, ids in ((spec.source, columns.source_ids), (spec.target, columns.target_ids)):
            self._check_ends(spec, node_type, ids, mutation.create_missing)
        rows = self.edges[edge_type]
        keys = columns.keys
        doubtful = self._state.doubtful(spec, keys)
        self._pairs_fetched(spec, [key[:2] for key in doubtful])
        self._bring_back(edge_type, [key for key in keys if key not in rows])
        nothing: dict[str, Value] = {}
        for at, key in enumerate(keys):
            row = rows.get(key)
            patch = patches[at] if patches is not None else None
            if row is None:  # a load makes many: all at once is half the time of a blank row that is filled in
                new = _merged(nothing, patch) if patch else nothing
                rows[key] = EdgeRow(1, weights[at], times[at], new, True, None, (), False, self._next())
                continue
            old = row.properties if row.live else {}
            new = _merged(old, patch) if patch else old
            if row.live and row.weight == weights[at] and row.timestamp_ms == times[at] and new == row.properties:
                continue
            row.weight, row.timestamp_ms, row.properties = weights[at], times[at], new
            row.live, row.version, row.sequence = True, row.version + 1, self._next()

    def _bring_back(self, edge_type: EdgeType, absent: Sequence[tuple[str, str, str]]) -> None:
        """Nothing; edges that once were there have a row with their last version."""
        rows = self.edges[edge_type]
        versions = self._state.buried([(edge_type, *key) for key in dict.fromkeys(absent)]) if absent else {}
        for (_, *key), version in versions.items():
            source, target, qualifier = key
            rows[source, target, qualifier] = EdgeRow(version=version, buried=True)

    def _check_ends(self, spec: EdgeSpec, node_type: str, node_ids: Sequence[str], create: bool) -> None:
        distinct = dict.fromkeys(node_ids)
        check_ids(distinct, "node id")
        live, rows = self._state.live(node_type), self.nodes[node_type]
        asked = [node_id for node_id in distinct if node_id in rows or node_id not in live]
        rows = self._fetched(node_type, asked)
        absent = [node_id for node_id in asked if not rows[node_id].live]
        if absent and not create:
            raise NotFound(
                f"{len(absent)} of the edges' end nodes {'is' if len(absent) == 1 else 'are'} not there",
                expected=f"{node_type} nodes",
                got=", ".join(absent[:5]),
                where="-".join(spec.edge_type),
                remedy="Write the nodes first, or use create_missing.",
            )
        for node_id in absent:
            self._put_node(rows[node_id], {}, replace=False)

    def _delete_edges(self, mutation: DeleteEdges) -> None:
        spec = self._schema.edge(mutation.edge_type)
        source_ids, target_ids, qualifiers = edge_ids(mutation)
        for ids in (source_ids, target_ids):
            check_ids(dict.fromkeys(ids), "node id")
        pairs = list(zip(source_ids, target_ids, strict=True))
        rows = self.edges[spec.edge_type]
        if qualifiers is not None:
            self._pairs_fetched(spec, pairs)
            doomed = [(*pair, qualifier) for pair, qualifier in zip(pairs, qualifiers, strict=True)]
        else:
            self._pairs_fetched(spec, pairs)
            wanted = set(pairs)
            doomed = [key for key in rows if key[:2] in wanted]
        for key in doomed:
            row = rows.get(key)
            if row is not None and row.live:
                self._bury_edge(row)

    def _bury_edge(self, row: EdgeRow) -> None:
        if row.element is not None:
            self._doomed.update(dict.fromkeys((row.element, *row.twins)))
            row.element, row.twins = None, ()
        row.live, row.weight, row.timestamp_ms, row.properties = False, 1.0, None, {}
        row.sequence = self._next()


def _merged(old: Mapping[str, Value], patch: Mapping[str, Value]) -> dict[str, Value]:
    merged = {**old, **patch}
    return {name: merged[name] for name in sorted(merged) if merged[name] is not None}


def _check_version(row: NodeRow, expected: int, where: str) -> None:
    version = row.version if row.live else 0
    if version != expected:
        raise Conflict(
            "the node changed since it was read",
            expected=f"version {expected}",
            got=f"version {version}",
            where=where,
            remedy="Read it again and repeat the edit.",
        )
