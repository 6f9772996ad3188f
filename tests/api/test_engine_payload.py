"""The engine's part of a release: what goes in comes back, and what does not fit is refused."""

from __future__ import annotations

import copy
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from api.engine import Engine, Policy, engine_payload
from api.engine.payload import engine_part
from gnn.fusion import FeatureSpace, FusedRanker, FusionWeights
from gnn.operators import SparseOperator
from graph.errors import ReleaseError
from graph.release import Release, write_release
from tests.api.corner_shop import Shop


def written(shop: Shop, root: Path, arrays: dict[str, Any], documents: dict[str, Any]) -> Release:
    return write_release(
        root, snapshot=shop.snapshot.directory, arrays=arrays, documents=documents, now=datetime(2026, 1, 2, tzinfo=UTC)
    )


def test_what_goes_in_comes_back(still_shop: Shop, tmp_path: Path) -> None:
    arrays, documents = engine_payload(
        still_shop.operators,
        still_shop.weights,
        options={"attributes": {"rarity_power": 0.5}, "itemknn": {"neighbors": 3}},
        policy=Policy(repeat=True),
    )
    part = engine_part(written(still_shop, tmp_path, arrays, documents))
    assert set(part.operators) == set(still_shop.operators)
    assert part.policy == Policy(repeat=True)
    assert part.options == {"attributes": {"rarity_power": 0.5}}, "only live sources are fitted again"
    assert part.families["rp3beta"] == "walk"
    assert (part.weights.weight == still_shop.weights.weight).all()
    for name, operator in still_shop.operators.items():
        back = part.operators[name].arrays()
        assert all((back[key] == array).all() for key, array in operator.arrays().items())


def test_arrays_are_named_by_source(still_shop: Shop) -> None:
    arrays, documents = engine_payload(still_shop.operators, still_shop.weights)
    assert {name.split("/")[0] for name in arrays} == {"operators"}
    assert "operators/popularity/item_score" in arrays
    assert documents["engine"]["sources"]["popularity"] == {"kind": "constant", "family": "baseline", "fused": True}


def without(path: str) -> Any:
    def damage(document: dict[str, Any]) -> None:
        *parents, last = path.split("/")
        for key in parents:
            document = document[key]
        del document[last]

    return damage


def swapped(path: str, value: object) -> Any:
    def damage(document: dict[str, Any]) -> None:
        *parents, last = path.split("/")
        for key in parents:
            document = document[key]
        document[last] = value

    return damage


@pytest.mark.parametrize(
    "damage",
    [
        without("format"), without("sources"), without("fusion"), without("policy/repeat"), without("options"),
        without("sources/itemknn/kind"), without("sources/itemknn"), swapped("format", 2),
        swapped("sources", ["itemknn"]),
        swapped("sources/itemknn/kind", "pickle"), swapped("sources/itemknn/kind", "dense"), swapped("policy", None),
        swapped("options", {"attributes": 3}), swapped("options", []),
    ],
)  # fmt: skip
def test_a_document_that_does_not_fit_is_refused(still_shop: Shop, tmp_path: Path, damage: Any) -> None:
    arrays, documents = engine_payload(still_shop.operators, still_shop.weights)
    documents = copy.deepcopy(documents)
    damage(documents["engine"])
    with pytest.raises(ReleaseError):
        Engine.from_release(written(still_shop, tmp_path, arrays, documents))


def test_a_release_without_an_engine_is_refused(still_shop: Shop, tmp_path: Path) -> None:
    with pytest.raises(ReleaseError, match="no engine"):
        Engine.from_release(written(still_shop, tmp_path, {}, {}))


def test_a_source_over_other_items_is_refused(still_shop: Shop, tmp_path: Path) -> None:
    operators = dict(still_shop.operators)
    walk = operators["itemknn"]
    assert isinstance(walk, SparseOperator)
    operators["itemknn"] = SparseOperator(walk.item_item[:-1, :-1].tocsr())
    arrays, documents = engine_payload(operators, still_shop.weights)
    with pytest.raises(ReleaseError, match="itemknn"):
        Engine.from_release(written(still_shop, tmp_path, arrays, documents))


def test_popularity_of_the_snapshot_stands_in_for_a_missing_popularity_source(still_shop: Shop) -> None:
    operators = {"itemknn": still_shop.operators["itemknn"]}
    ranker = FusedRanker(operators, FusionWeights.prior(FeatureSpace.over(operators)))
    engine = Engine(still_shop.view, ranker)
    listed = engine.rank(engine.histories(["stranger"]), 1)
    assert still_shop.view.id_of("Product", int(listed[0, 0])) == "tea"
    assert np.isfinite([item.score for item in engine.related("cup").items]).all()
