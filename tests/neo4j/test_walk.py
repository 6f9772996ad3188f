"""The walk of docs/curators.md in the corner shop: every edit of the guide is in the next answer and its reasons."""

from __future__ import annotations

from pathlib import Path

import pytest

from api.curator import Spelling
from tests.api.corner_shop import IN_CATEGORY, SCHEMA
from tests.neo4j.curated_shop import Hand, kindred_serve, shop_in, slow_url
from tests.neo4j.walk import PINS, Cast, corrections, marks, put_rules, taken
from tests.neo4j_servers import TestServer

CAST = Cast(
    attribute=IN_CATEGORY,
    item="cup",
    wrong="Food",
    right="Crockery",
    duplicate="Pottery",
    keeps="Crockery",
    has_duplicate="pot",
    partner="duck",
    pinned="saucer",
)
MISTAKES = """
    MATCH (cup:Product {id: 'cup'})-[right:IN_CATEGORY]->(), (pot:Product {id: 'pot'})-[one:IN_CATEGORY]->(),
          (tea:Product {id: 'tea'}), (food:Category {id: 'Food'})
    DELETE right, one
    CREATE (cup)-[:IN_CATEGORY]->(food), (twice:Category {id: 'Pottery'}),
           (pot)-[:IN_CATEGORY]->(twice), (tea)-[:IN_CATEGORY]->(twice)
    WITH tea, pot MATCH (crockery:Category {id: 'Crockery'}) CREATE (tea)-[:IN_CATEGORY]->(crockery)
"""


@pytest.mark.slow
def test_every_edit_of_the_guide_changes_the_next_answer(empty_neo4j: TestServer, tmp_path: Path) -> None:
    shop = shop_in(empty_neo4j, tmp_path)
    shop.store.close()
    shop.snapshot.close()
    hand = Hand(empty_neo4j)
    hand(MISTAKES)
    try:
        with kindred_serve(tmp_path, slow_url(empty_neo4j)) as port:
            put_rules(port, PINS)
            steps = [*corrections(Spelling(SCHEMA), CAST), *marks(Spelling(SCHEMA), CAST)]
            found = list(taken(steps, port, hand))
    finally:
        hand.close()
    assert len(found) == 8
    watermarks = [int(answer["graph_watermark"]) for one in found for answer in (one.before, one.after)]
    assert watermarks == sorted(watermarks)
    assert all(int(one.after["graph_watermark"]) > int(one.before["graph_watermark"]) for one in found)
