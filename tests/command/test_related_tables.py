"""The figures of related items, measured on a shop whose kinds are known to differ."""

from __future__ import annotations

from pathlib import Path

from api.command.recipe import Material
from api.command.related_tables import LATER, LATER_OTHER, _page, figures_of
from api.engine import RELATED_KINDS
from gnn.data.knowledge import holdout_from, interactions_from, knowledge_from
from tests.api.corner_shop import DAY_S, START_S, open_shop


def test_every_kind_and_baseline_is_measured_against_later_baskets_it_has_not_seen(tmp_path: Path) -> None:
    shop = open_shop(tmp_path)
    shop.store.close()
    material = Material(
        shop.snapshot, interactions_from(shop.snapshot), holdout_from(shop.snapshot), knowledge_from(shop.snapshot)
    )
    figures = figures_of(material, START_S + 10 * DAY_S, (), lambda _: None)
    assert list(figures["figures"]) == [*RELATED_KINDS, "popularity", "co-count"]
    assert set(figures["targets"]) == {LATER, LATER_OTHER}
    assert all(
        0 <= value <= 1 for row in figures["figures"].values() for part in row.values() for value in part.values()
    )
    assert figures["in_common"]["cross_category"] == 0.0
    assert figures["in_common"]["similar"] > figures["in_common"]["complementary"]
    assert figures["figures"]["bought_together"][LATER]["hr@10"] > 0.9
    page = "\n".join(_page({"online-retail": figures}))
    assert "| bought_together |" in page
    shop.snapshot.close()
