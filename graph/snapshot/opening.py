"""Opening a snapshot: its manifest checked, its files mapped, its tables parsed on first use."""

from __future__ import annotations

import hashlib
import json
import threading
from pathlib import Path
from typing import Any, Self

import pyarrow as pa

from graph.errors import ReleaseError, SchemaError
from graph.schema import EdgeType, GraphSchema
from graph.snapshot.edges import Csr, EdgeColumns, EdgeTable
from graph.snapshot.mapped import MappedFiles, parse_entries
from graph.snapshot.nodes import NodeTable
from graph.snapshot.vocabulary import Vocabulary

FORMAT = "kindred-snapshot/1"
MANIFEST = "manifest.json"
_MAX_MANIFEST_BYTES = 64 << 20
_FIELDS = {"format", "schema", "schema_version", "watermark", "digest", "nodes", "edges", "files"}


def node_directory(node_type: str) -> str:
    return f"nodes/{node_type}"


def edge_directory(edge_type: EdgeType) -> str:
    return "edges/" + "-".join(edge_type)


def digest_of(document: dict[str, Any]) -> str:
    """Hash of what a manifest says of the data; the watermark has no part in it."""
    content = {name: value for name, value in document.items() if name not in ("watermark", "digest")}
    return hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def open_snapshot(directory: Path, *, verify: bool = False) -> Snapshot:
    """The snapshot in ``directory``, its files mapped into memory.

    With ``verify`` every file's sha256 is checked before anything but the manifest is parsed.

    Raises:
        ReleaseError: when it is damaged, incomplete, or of another format.
    """
    directory = Path(directory)
    document = _read_manifest(directory)
    files = MappedFiles(directory, parse_entries(document["files"], str(directory)), verify=verify)
    return Snapshot(directory, document, files)


def _read_manifest(directory: Path) -> dict[str, Any]:
    path = directory / MANIFEST
    try:
        if path.stat().st_size > _MAX_MANIFEST_BYTES:
            raise ReleaseError("the snapshot's manifest is too large", where=str(path))
        document = json.loads(path.read_bytes())
    except OSError as error:
        raise ReleaseError(
            "no snapshot here", expected=MANIFEST, got=error.strerror, where=str(directory), remedy="Build one first."
        ) from error
    except (ValueError, RecursionError) as error:
        raise ReleaseError("the snapshot's manifest is not JSON", got=str(error), where=str(path)) from error
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        got = document.get("format") if isinstance(document, dict) else document
        raise ReleaseError(
            "another snapshot format", expected=FORMAT, got=got, where=str(path), remedy="Build the snapshot again."
        )
    if document.keys() != _FIELDS or digest_of(document) != document["digest"]:
        raise ReleaseError("the snapshot's manifest is damaged", where=str(path), remedy="Build the snapshot again.")
    return document


class Snapshot:
    """The graph at one watermark, mapped into memory. Safe to read from several threads."""

    def __init__(self, directory: Path, document: dict[str, Any], files: MappedFiles) -> None:
        try:
            self.schema = GraphSchema.parse(document["schema"])
        except SchemaError as error:
            raise ReleaseError("the snapshot's schema is not usable", got=error.what, where=str(directory)) from error
        self.directory = directory
        self.watermark = str(document["watermark"])
        self.digest = str(document["digest"])
        self._files = files
        self._edge_facts: dict[EdgeType, dict[str, Any]] = {
            edge.edge_type: document["edges"]["-".join(edge.edge_type)] for edge in self.schema.edges
        }
        self._nodes: dict[str, NodeTable] = {}
        self._edges: dict[EdgeType, EdgeTable] = {}
        self._lock = threading.Lock()

    def nodes(self, node_type: str) -> NodeTable:
        """The nodes of one type; :class:`~graph.errors.SchemaError` for a type the schema does not know."""
        table = self._nodes.get(node_type)
        if table is None:
            with self._lock:
                table = self._nodes.setdefault(node_type, self._load_nodes(node_type))
        return table

    def edges(self, edge_type: EdgeType) -> EdgeTable:
        """The edges of one type; :class:`~graph.errors.SchemaError` for a type the schema does not know."""
        table = self._edges.get(edge_type)
        if table is None:
            with self._lock:
                table = self._edges.setdefault(edge_type, self._load_edges(edge_type))
        return table

    def _load_nodes(self, node_type: str) -> NodeTable:
        spec = self.schema.node(node_type)
        at = node_directory(node_type)
        ids = _only_chunk(self._files.table(f"{at}/ids.arrow").column("node_id"))
        vocabulary = Vocabulary(ids, self._files.array(f"{at}/hashes.npy"), self._files.array(f"{at}/hash_rows.npy"))
        properties = f"{at}/properties.arrow"
        return NodeTable(spec, vocabulary, self._files.table(properties) if properties in self._files else None)

    def _load_edges(self, edge_type: EdgeType) -> EdgeTable:
        self.schema.edge(edge_type)
        at, files, facts = edge_directory(edge_type), self._files, self._edge_facts[edge_type]

        def optional(name: str) -> Any:
            return files.array(f"{at}/{name}.npy") if f"{at}/{name}.npy" in files else None

        weight: Any = facts.get("weight")
        if weight is None:
            codes = optional("weight_codes")
            weight = (codes, optional("weight_codebook")) if codes is not None else files.array(f"{at}/weight.npy")
        names = f"{at}/qualifier_names.arrow"
        columns = EdgeColumns(
            weight=weight,
            timestamp=optional("timestamp"),
            time_offset_s=int(facts.get("time_offset_s", 0)),
            millisecond=optional("millisecond"),
            qualifier=optional("qualifier"),
            qualifier_names=_only_chunk(files.table(names).column("qualifier"))
            if names in files
            else pa.array([], pa.string()),
            first_of_pair=optional("first_of_pair"),
        )
        out = Csr(files.array(f"{at}/out_indptr.npy"), files.array(f"{at}/out_indices.npy"))
        into = Csr(files.array(f"{at}/into_indptr.npy"), files.array(f"{at}/into_indices.npy"))
        return EdgeTable(edge_type, out, into, files.array(f"{at}/into_rank.npy"), columns)

    @property
    def file_names(self) -> list[str]:
        """Names of the data files, sorted; the manifest is not among them."""
        return sorted(self._files.entries)

    def close(self) -> None:
        """Let go of the files; each is unmapped when the last array over it goes."""
        with self._lock:
            self._nodes.clear()
            self._edges.clear()
            self._files.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


def _only_chunk(column: pa.ChunkedArray) -> pa.Array:
    return column.chunk(0) if column.num_chunks == 1 else pa.array([], column.type)
