"""The page at ``/`` and the list of routes: rendered here, small scripts of our own, nothing fetched from elsewhere."""

from __future__ import annotations

from api.page.description import docs_page
from api.page.rendering import HEADERS, static_file
from api.page.start import Asked, index_page

__all__ = ["HEADERS", "Asked", "docs_page", "index_page", "static_file"]
