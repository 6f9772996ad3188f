"""Mappings: which file and column becomes which node, property, edge."""

from __future__ import annotations

from ingest.mapping.cells import Cell, Condition, TimeCell
from ingest.mapping.document import MappingDocument
from ingest.mapping.file import Mapping, delivered_mappings, load_mapping, mapping_schema, parse_mapping
from ingest.mapping.rules import EdgeRule, HierarchyRule, NodeRule
from ingest.mapping.tables import Table

__all__ = [
    "Cell",
    "Condition",
    "EdgeRule",
    "HierarchyRule",
    "Mapping",
    "MappingDocument",
    "NodeRule",
    "Table",
    "TimeCell",
    "delivered_mappings",
    "load_mapping",
    "mapping_schema",
    "parse_mapping",
]
