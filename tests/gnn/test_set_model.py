"""The flagship where order means nothing: numpy against torch, sets that have no order, and a world it has to learn."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="NOT TESTED: the sequence model needs torch")

from gnn.data import Interactions, ItemKnowledge, TrainingData  # noqa: E402
from gnn.data.histories import Histories  # noqa: E402
from gnn.models import MODELS  # noqa: E402
from gnn.models.sequence import GraphSequence, SequenceObjective, _shuffled  # noqa: E402
from gnn.models.set_side import SetSide  # noqa: E402
from gnn.operators import OperatorRanker, OrderedOperator, operator_from_arrays  # noqa: E402
from gnn.operators.sets import SetOperator  # noqa: E402
from graph.errors import ReleaseError  # noqa: E402


@pytest.fixture(scope="module")
def trained(checkerboard) -> SetOperator:
    data = replace(checkerboard.data, ordered=False)
    operator = MODELS["sequence"].build(epochs=30, learning_rate=0.01).fit(data)
    assert isinstance(operator, SetOperator)
    return operator


def test_unordered_data_is_learned_by_known_and_unknown_users_and_cold_items(trained, checkerboard) -> None:
    histories = checkerboard.data.train.histories()
    lists = OperatorRanker(trained).rank(histories, 3)
    assert (lists % 2 == np.arange(len(histories))[:, None] % 2).mean() >= 0.97
    even, odd = checkerboard.cold_items
    given = trained.score(Histories.of([[0, 2, 4], [1, 3, 5]], checkerboard.num_items).even())
    assert given[0, even] > given[0, odd]
    assert given[1, odd] > given[1, even]


def test_the_order_of_a_set_means_nothing_and_weights_do(trained, checkerboard) -> None:
    assert not isinstance(trained, OrderedOperator)
    rows = Histories.of([[0, 2, 5], [5, 0, 2]], checkerboard.num_items)
    even = trained.score(rows.even())
    np.testing.assert_array_equal(even[0], even[1])
    recent = trained.score(rows.recent())
    assert abs(recent[0] - recent[1]).max() > 1e-3
    assert not trained.score(Histories.of([[]], checkerboard.num_items).even()).any()


def test_the_torch_side_gives_a_place_the_vector_of_what_lies_before_it_in_any_order() -> None:
    torch.manual_seed(4)
    side = SetSide(8, 2, dropout=0.5).eval()
    torch.nn.init.normal_(side.attention.weight)
    events = torch.randn(1, 5, 8)
    nothing = torch.zeros(1, 5, dtype=torch.bool)
    turned = events[:, [2, 0, 3, 1, 4]]
    with torch.no_grad():
        torch.testing.assert_close(side(events, nothing)[:, 3:], side(turned, nothing)[:, 3:])
        padded = torch.cat([torch.randn(1, 2, 8), events], 1)
        padding = torch.tensor([[True, True, False, False, False, False, False]])
        torch.testing.assert_close(side(padded, padding)[:, 2:], side(events, nothing))


def test_numpy_scores_are_torch_s(checkerboard) -> None:
    objective = SequenceObjective(GraphSequence.Config(embedding_dim=16), replace(checkerboard.data, ordered=False))
    torch.manual_seed(1)
    for parameter in objective.module.parameters():
        parameter.data += 0.3 * torch.randn_like(parameter)
    objective.module.eval()
    rows = [[3], [4, 5], [1, 2, 3, 4, 5], [9, 8, 7, 6]]
    with torch.no_grad():
        got = objective.operator().score(Histories.of(rows, checkerboard.num_items).even())
        items = objective.module["item_side"](objective._text)
        for row, scores in zip(rows, got, strict=True):
            after = objective.module["user_side"](items[row][None], torch.zeros(1, len(row), dtype=torch.bool))[0, -1]
            np.testing.assert_allclose(scores, (items @ after).numpy(), atol=1e-3, rtol=1e-3)


def test_named_arrays_rebuild_it_and_damaged_ones_are_refused(trained, checkerboard) -> None:
    weights = Histories.of([[1, 2, 3]], checkerboard.num_items).even()
    arrays = trained.arrays()
    np.testing.assert_array_equal(operator_from_arrays("set", arrays).score(weights), trained.score(weights))
    for name in ("attention", "value", "widen", "final_norm"):
        for damaged in (arrays | {name: arrays[name][..., :-1]}, {key: a for key, a in arrays.items() if key != name}):
            if name != "attention" or name not in damaged:
                with pytest.raises(ReleaseError):
                    operator_from_arrays("set", damaged)


def test_a_shuffled_history_keeps_its_items_and_its_owner() -> None:
    rows = [[1, 2, 3, 4, 5, 6, 7], [8], [], [9, 10]]
    shuffled = _shuffled(Histories.of(rows, 12), np.random.default_rng(3))
    found = np.split(shuffled.item_index, shuffled.indptr[1:-1])
    assert [sorted(row.tolist()) for row in found] == rows
    assert found[0].tolist() != rows[0]


def test_a_repeated_item_is_never_asked_for_in_a_set() -> None:
    train = Interactions.of([0] * 6, [1, 1, 1, 2, 2, 1], num_users=1, num_items=4)
    objective = SequenceObjective(
        GraphSequence.Config(embedding_dim=4), TrainingData(train, ItemKnowledge(), ordered=False)
    )
    assert objective._histories.item_index.tolist() == [1, 2]
