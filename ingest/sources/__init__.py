"""Data sets that come with a mapping: found in the data directory, or fetched."""

from ingest.sources.registry import SOURCES, open_source
from ingest.sources.source import Source, SourceData

__all__ = ["SOURCES", "Source", "SourceData", "open_source"]
