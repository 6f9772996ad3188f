"""The filter language: one readable string, parsed to a small typed tree, read as a mask over items."""

from __future__ import annotations

from api.engine.filters.masks import FilterMasks
from api.engine.filters.parsing import FilterError, parse
from api.engine.filters.syntax import Expression

__all__ = ["Expression", "FilterError", "FilterMasks", "parse"]
