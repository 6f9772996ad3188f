"""Text features: what an item says about itself, as unit vectors."""

from ingest.text.cache import VectorCache
from ingest.text.encoder import SentenceEncoder, TextEncoder
from ingest.text.encoding import encode_items
from ingest.text.models import TextModel, find_model
from ingest.text.templates import item_texts, node_texts

__all__ = [
    "SentenceEncoder",
    "TextEncoder",
    "TextModel",
    "VectorCache",
    "encode_items",
    "find_model",
    "item_texts",
    "node_texts",
]
