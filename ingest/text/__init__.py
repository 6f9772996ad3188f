"""Text features: what an item says about itself, as unit vectors."""

from ingest.text.cache import VectorCache
from ingest.text.encoder import SentenceEncoder
from ingest.text.encoding import encode_items
from ingest.text.exporting import portable_model
from ingest.text.models import TextModel, find_model
from ingest.text.portable import PortableEncoder, PortableModel
from ingest.text.protocol import TextEncoder
from ingest.text.templates import NodeText, item_texts, node_texts

__all__ = [
    "NodeText",
    "PortableEncoder",
    "PortableModel",
    "SentenceEncoder",
    "TextEncoder",
    "TextModel",
    "VectorCache",
    "encode_items",
    "find_model",
    "item_texts",
    "node_texts",
    "portable_model",
]
