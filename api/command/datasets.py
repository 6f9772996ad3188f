"""What a data set is called in tables, wherever its files lie."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ingest.sources import SOURCES

DATA_OF_SOURCE: Mapping[str, str] = {
    "movielens": "movielens-100k",
    "online-retail": "online-retail",
    "retailrocket": "retailrocket",
    "tafeng": "tafeng",
    "amazon-sports": "amazon-sports",
    "industrial-office": "industrial-office",
}
"""Sources that are one data set."""
DATA_OF_FOLDER: Mapping[str, str] = {
    "gowalla_lightgcn": "gowalla",
    "lastfm_kgcn": "lastfm",
    "book_crossing_kg": "book-crossing",
    "amazon_beauty_kg": "amazon-beauty",
    "amazon_sports": "amazon-sports",
}
"""Folders that sources of any data of their shape are pointed to."""


def data_named(source: str, folder: Path) -> str:
    """The data set's name: what it is known by, else its folder's name, else that of its mapping."""
    if folder.name in DATA_OF_FOLDER:
        return DATA_OF_FOLDER[folder.name]
    if source in DATA_OF_SOURCE:
        return DATA_OF_SOURCE[source]
    return folder.name if source in SOURCES else Path(source).stem
