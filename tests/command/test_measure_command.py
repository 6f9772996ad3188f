"""``kindred measure``: reasons, audiences, fake users, and the page they are written into."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from api.measures.integrity import PUSHED, SHARES, measure_pushing
from gnn.data import Interactions, ItemKnowledge
from gnn.fusion import FeatureSpace, FusionWeights
from gnn.operators import ConstantOperator
from gnn.splits import Split, temporal_global
from tests.command.conftest import Trained
from tests.command.small_shop import kindred_in


def measured(trained: Trained, *arguments: str) -> dict[str, Any]:
    ran = kindred_in(trained.folder, "measure", *arguments, "--json")
    assert ran.code == 0, ran.err
    tables: dict[str, Any] = ran.json
    return tables


def test_reasons_are_counted_by_kind_and_most_of_them_lower_the_score(trained: Trained) -> None:
    (rows,) = measured(trained, "reasons", "--users", "10", "-n", "5").values()
    shown = {row["kind of path"]: row["shown"] for row in rows}
    assert shown["all"] == sum(count for kind, count in shown.items() if kind != "all") > 0
    assert 0.8 <= rows[-1]["lower the score"] <= 1


def test_audiences_of_a_taste_are_found_where_activity_says_nothing(trained: Trained) -> None:
    (audiences,) = measured(trained, "users").values()  # two brands are too few to be ranked
    by_name = {row["ranking"]: row for row in audiences}
    assert by_name["audience, as served"]["ndcg@20"] > by_name["most active users (popularity)"]["ndcg@20"]
    assert {row["asked"] for row in audiences} != {0}


def test_tables_are_added_to_the_file_and_the_page_beside_it(trained: Trained, tmp_path: Path) -> None:
    file = tmp_path / "measures.json"
    for name in ("one shop", "another"):
        measured(trained, "reasons", "--users", "3", "--name", name, "--write", str(file))
    assert list(json.loads(file.read_text())) == ["Reasons, one shop", "Reasons, another"]
    assert file.with_suffix(".md").read_text().count("| kind of path |") == 2


def twelve_favourites() -> Split:
    """200 users who took six of twelve favourites, and six of 148 items that are about equally rare."""
    rng = np.random.default_rng(5)
    users = np.repeat(np.arange(200), 12)
    items = [np.append(rng.choice(12, 6, replace=False), 12 + rng.choice(148, 6, replace=False)) for _ in range(200)]
    taken = np.concatenate([rng.permutation(own) for own in items])
    times = np.tile(np.arange(12) * 86_400, 200) + users
    return temporal_global(Interactions.of(users, taken, num_users=200, num_items=160, timestamp_s=times))


def test_fake_users_raise_an_item_and_honest_lists_are_what_is_counted() -> None:
    split = twelve_favourites()
    operators = {"popularity": ConstantOperator(np.ones(160, np.float32))}
    weights = FusionWeights.prior(FeatureSpace.over(operators))
    rows: list[dict[str, Any]] = measure_pushing(split, ItemKnowledge(), {"popularity": {}}, weights)
    assert [row["fake users"] for row in rows] == [f"{share:.0%}" for _ in PUSHED for share in SHARES]
    assert {row["honest users"] for row in rows} == {200}
    for clean, *attacked in (rows[:3], rows[3:]):
        assert clean["times the clean share"] in (1.0, None)
        assert all(row["share of lists"] >= clean["share of lists"] for row in attacked)
        assert all(abs(row["honest ndcg@20"] - clean["honest ndcg@20"]) < 0.1 for row in attacked)
    # Six fake customers are enough where two hundred hardly differ, and the measure says so.
    assert rows[2]["share of lists"] > rows[0]["share of lists"]
