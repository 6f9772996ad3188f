"""The curator's workbench in Neo4j Browser: a guide, a style and saved queries, all generated from the schema."""

from api.curator.examples import Examples, examples_from
from api.curator.guide import guide_page
from api.curator.queries import SavedQuery, queries_archive, queries_file, saved_queries
from api.curator.spelling import Spelling
from api.curator.style import style_sheet

__all__ = [
    "Examples",
    "SavedQuery",
    "Spelling",
    "examples_from",
    "guide_page",
    "queries_archive",
    "queries_file",
    "saved_queries",
    "style_sheet",
]
