"""The hidden layer of the fusion: it learns what no sum of sources says, and its score can be told by source."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from gnn.fusion.examples import FusionExamples
from gnn.fusion.features import FeatureSpace
from gnn.fusion.hidden import HiddenLayer
from gnn.fusion.hidden_fitting import _gradients, learned_layer
from gnn.fusion.weights import FusionWeights
from graph.errors import ReleaseError

SPACE = FeatureSpace(("walk", "text"), ("even",))
COLUMNS = len(SPACE.columns)


def a_layer(seed: int = 0, units: int = 5) -> HiddenLayer:
    generator = np.random.default_rng(seed)
    shapes = ((COLUMNS + 1, units), (units,), (units,))
    return HiddenLayer(*(generator.normal(size=shape).astype(np.float32) for shape in shapes))


def either_or(num_users: int, seed: int) -> FusionExamples:
    """Users who choose what the walk or the text likes, but not what both like or neither."""
    generator = np.random.default_rng(seed)
    features = np.zeros((num_users, 4, COLUMNS), np.float32)
    for user in range(num_users):
        for place, (walk, text) in enumerate(generator.permutation([(1, 1), (0, 0), (1, 1), (0, 0)])):
            features[user, place, [0, 3]] = walk, text
        features[user, user % 4, [0, 3]] = (1, 0) if generator.random() < 0.5 else (0, 1)
    chosen = np.eye(4, dtype=np.float32)[np.arange(num_users) % 4]
    users = np.arange(num_users)
    one = np.ones(num_users, np.int64)
    present = np.ones((num_users, 4), bool)
    return FusionExamples(users.astype(np.int32), features, chosen, present, one, one, np.ones(num_users, np.float32))


def test_it_learns_what_no_weighted_sum_can_say() -> None:
    linear = FusionWeights.prior(SPACE)
    deeper = replace(linear, hidden=learned_layer(either_or(2_000, seed=1), linear, seed=1))
    unseen = either_or(400, seed=2)
    assert unseen.ndcg(linear, k=1).mean() < 0.6
    assert unseen.ndcg(deeper, k=1).mean() > 0.95


def test_the_same_seed_gives_the_same_layer() -> None:
    examples, linear = either_or(200, seed=1), FusionWeights.prior(SPACE)
    first, second, other = (learned_layer(examples, linear, seed) for seed in (3, 3, 4))
    assert np.array_equal(first.into, second.into)
    assert not np.array_equal(first.into, other.into)


def test_its_gradient_is_the_slope_of_the_loss() -> None:
    generator = np.random.default_rng(0)
    parts = [np.asarray(part, np.float64) for part in (a_layer().into, a_layer().bias, a_layer().out)]
    inputs = generator.normal(size=(6, 7, COLUMNS + 1))
    offset = generator.normal(size=(6, 7))
    offset[0, 5:] = -np.inf
    chosen = np.eye(7)[generator.integers(0, 5, 6)]
    kept = np.ones(5)

    def loss() -> float:
        score = offset + np.maximum(inputs @ parts[0] + parts[1], 0) @ parts[2]
        return float(np.mean(np.log(np.exp(score).sum(axis=1)) - score[chosen > 0]))

    for part, gradient in zip(parts, _gradients(parts, kept, inputs, offset, chosen), strict=True):
        for at in np.ndindex(part.shape):
            before, step = part[at], 1e-5
            part[at] = before + step
            above = loss()
            part[at] = before - step
            below = loss()
            part[at] = before
            assert gradient[at] == pytest.approx((above - below) / (2 * step), rel=1e-2, abs=1e-4)


def test_what_features_add_is_the_score_up_to_a_term_that_no_feature_has() -> None:
    layer, generator = a_layer(), np.random.default_rng(0)
    features = generator.normal(size=(3, 4, COLUMNS)).astype(np.float32)
    length = np.array([-1.0, 0.0, 2.0], np.float32)
    inner = features @ layer.into[:-1] + (layer.bias + length[:, None] * layer.into[-1])[:, None]
    of_none = ((inner > 0) * (inner - features @ layer.into[:-1])) @ layer.out
    told = (features * layer.slopes(features, length)).sum(axis=-1) + of_none
    assert told == pytest.approx(layer.scores(features, length), rel=1e-4, abs=1e-4)


def test_weights_with_a_layer_come_back_from_their_document() -> None:
    weights = replace(FusionWeights.prior(SPACE), hidden=a_layer())
    again = FusionWeights.from_document(json.loads(json.dumps(weights.to_document())))
    features = np.random.default_rng(1).normal(size=(2, 3, COLUMNS)).astype(np.float32)
    assert np.array_equal(again.scores(features, [1, 9]), weights.scores(features, [1, 9]))
    assert sum(weights.importance().values()) == pytest.approx(1.0)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda layer: layer | {"into": layer["into"][1:]},
        lambda layer: layer | {"out": [*layer["out"][1:], float("nan")]},
        lambda layer: layer | {"bias": "none"},
        lambda layer: {"into": layer["into"]},
    ],
)
def test_a_layer_that_does_not_fit_is_refused(spoil: object) -> None:
    document = replace(FusionWeights.prior(SPACE), hidden=a_layer()).to_document()
    with pytest.raises(ReleaseError):
        FusionWeights.from_document(document | {"hidden": spoil(document["hidden"])})  # type: ignore[operator]
