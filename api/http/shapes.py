"""Shapes of documents that the engine writes itself, for the OpenAPI description."""

from __future__ import annotations

from typing import Annotated, Any, TypeAlias

from msgspec import Meta

_REFERENCE = "#/components/schemas/"
PathStep: TypeAlias = Annotated[dict[str, Any], Meta(extra_json_schema={"$ref": f"{_REFERENCE}PathStep"})]
"""A node or an edge of a path, in turn."""
ReasonDocument: TypeAlias = Annotated[dict[str, Any], Meta(extra_json_schema={"$ref": f"{_REFERENCE}Reason"})]
"""One reason of an item."""
Properties: TypeAlias = Annotated[dict[str, Any], Meta(extra_json_schema={"additionalProperties": True})]
"""What the graph knows of a node, by the names of the shop's own schema."""

SHAPES: dict[str, dict[str, Any]] = {
    "PathStep": {
        "anyOf": [
            {
                "type": "object",
                "required": ["node"],
                "properties": {
                    "node": {
                        "type": "array",
                        "items": {"type": "string"},
                        "minItems": 2,
                        "maxItems": 2,
                        "description": "Type and id.",
                    }
                },
            },
            {
                "type": "object",
                "required": ["edge"],
                "properties": {
                    "edge": {"type": "string"},
                    "direction": {"enum": ["in", "out"], "type": "string"},
                    "count": {"type": "integer", "description": "Customers; absent when too few to say."},
                },
            },
        ]
    },
    "Reason": {
        "type": "object",
        "required": ["text", "path", "weight"],
        "properties": {
            "text": {"type": "string"},
            "path": {"type": "array", "items": {"$ref": f"{_REFERENCE}PathStep"}},
            "weight": {"type": "number", "description": "Its share among the item's reasons."},
        },
    },
}
"""Said once here; message types refer to them by name."""
