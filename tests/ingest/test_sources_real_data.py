"""The delivered sources on the public data they were written for: known counts."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from graph.errors import NotFound
from graph.store import open_store
from ingest.loading import ingest
from ingest.mapping import load_mapping
from ingest.report import IngestReport
from ingest.sources import SOURCES, open_source

pytestmark = [pytest.mark.real_data, pytest.mark.slow, pytest.mark.timeout(900)]

KNOWN: dict[str, tuple[dict[str, int], dict[str, int]]] = {
    "invented-shop": (
        {"User": 450, "Item": 240, "Brand": 10, "Category": 8},
        {"VIEWED": 2_105, "PURCHASED": 4_345, "HAS_BRAND": 240, "IN_CATEGORY": 240, "GOES_WITH": 270},
    ),
    "movielens": (
        {"User": 943, "Item": 1682, "Genre": 18},
        {
            "LIKED": 55_375, "RATED": 44_625, "HAS_GENRE": 2_891, "HAS_ACTOR": 40_152, "DIRECTED_BY": 1_727,
            "WRITTEN_BY": 2_381, "PRODUCED_BY": 2_615, "CINEMATOGRAPHY_BY": 1_416, "HAS_KG_GENRE": 7_184,
            "IN_LANGUAGE": 2_231, "FROM_COUNTRY": 2_212, "AWARD_WON": 2_501, "AWARD_NOMINATED": 6_347,
            "PRODUCED_BY_COMPANY": 1_396, "CONTENT_RATING": 1_345, "ABOUT_SUBJECT": 709,
            "HAS_SEQUEL": 57, "HAS_PREQUEL": 57,
        },
    ),
    "online-retail": ({"User": 4_362, "Item": 3_812}, {"PURCHASED": 386_326, "RETURNED": 8_475}),
    "retailrocket": (
        {"User": 2_174, "Item": 30_113},
        {
            "VIEWED": 75_374, "CARTED": 12_456, "PURCHASED": 9_551, "PURCHASED_IN_TEST": 2_174,
            "VIEWED_WITH": 298_072, "CARTED_WITH": 94, "BOUGHT_WITH": 138,
        },
    ),
    "tafeng": ({"User": 13_858, "Item": 11_997}, {"PURCHASED": 480_611, "PURCHASED_IN_TEST": 91_322}),
    "lightgcn": ({"User": 29_858, "Item": 40_981}, {"INTERACTED": 810_128, "INTERACTED_IN_TEST": 217_242}),
    "s3rec": (
        {"User": 22_363, "Item": 12_101, "Brand": 2_076, "Category": 247},
        {
            "PURCHASED": 198_502, "HAS_BRAND": 10_003, "HAS_CATEGORY": 37_655, "ALSO_BOUGHT": 239_345,
            "ALSO_VIEWED": 155_350, "BOUGHT_TOGETHER": 9_021, "HAS_ATTRIBUTE": 0,
        },
    ),
    "industrial-office": (
        {"User": 6_516, "Item": 7_145, "Brand": 2_045},
        {"PURCHASED": 42_852, "HAS_BRAND": 7_129, "NEXT": 82_197},
    ),
    "amazon-sports": (
        {"User": 35_598, "Item": 18_357, "Attribute": 2_277},
        {"PURCHASED": 296_337, "HAS_BRAND": 0, "ALSO_BOUGHT": 0},
    ),
    "kgcn": ({"User": 1_872, "Item": 3_846}, {"INTERACTED": 21_173, "HAS_FACT": 15_462, "ITEM_FACT": 56}),
}  # fmt: skip
READ = {"movielens": 195_854, "online-retail": 541_909}


def _ingested(name: str, tmp_path: Path) -> IngestReport:
    data_dir = os.environ.get("KINDRED_DATA_DIR")
    if data_dir is None and SOURCES[name].fetch is None:
        pytest.skip(f"set KINDRED_DATA_DIR to a folder with {SOURCES[name].folders[0]} to run this")
    try:
        data = open_source(name, Path(data_dir) if data_dir else None, tmp_path / "cache")
    except NotFound as error:
        pytest.skip(str(error))
    mapping = load_mapping(data.mapping_path, data.data_dir, variables=data.variables)
    with open_store(f"sqlite:{tmp_path / 'graph.db'}") as store:
        return ingest(mapping, store, work_dir=tmp_path / "work")


@pytest.mark.parametrize("name", KNOWN)
def test_public_data_gives_its_published_counts(name: str, tmp_path: Path) -> None:
    report = _ingested(name, tmp_path)
    nodes, edges = KNOWN[name]
    assert {kind: report.nodes.get(kind, 0) for kind in nodes} == nodes
    found = {key.split("-")[1]: count for key, count in report.edges.items()}
    assert {relation: found.get(relation, 0) for relation in edges} == edges
    assert report.quarantined == 0
    assert report.read == READ.get(name, report.read) == report.stored + report.filtered


def test_every_source_has_known_counts() -> None:
    assert set(KNOWN) == set(SOURCES)
