"""The flagship: its numpy side against torch, order that matters, and the softmax it is trained with."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp

torch = pytest.importorskip("torch", reason="NOT TESTED: the sequence model needs torch")

from gnn.data import Interactions, ItemKnowledge, TrainingData  # noqa: E402
from gnn.data.histories import Histories  # noqa: E402
from gnn.models import MODELS  # noqa: E402
from gnn.models.sequence import GraphSequence, SequenceObjective  # noqa: E402
from gnn.operators import OperatorRanker, operator_from_arrays  # noqa: E402
from gnn.operators.foldin import ItemFoldIn  # noqa: E402
from gnn.operators.sequences import SequenceOperator, aligned  # noqa: E402
from gnn.training.softmax import item_softmax_loss  # noqa: E402
from graph.errors import ReleaseError  # noqa: E402

NUM_ITEMS = 40


def chain(num_users: int = 200, seed: int = 2) -> TrainingData:
    """Users who walk up or down the items one by one: the next item follows from the last two, not from one."""
    rng = np.random.default_rng(seed)
    users, items, times = [], [], []
    for user in range(num_users):
        start, step = int(rng.integers(NUM_ITEMS)), 1 if user % 2 else -1
        for back in range(int(rng.integers(3, 8))):
            users.append(user)
            items.append((start + step * back) % NUM_ITEMS)
            times.append(back)
    train = Interactions.of(users, items, num_users=num_users, num_items=NUM_ITEMS, timestamp_s=times)
    return TrainingData(train, ItemKnowledge(), None, seed=5)


@pytest.fixture(scope="module")
def trained() -> SequenceOperator:
    operator = MODELS["sequence"].build(epochs=60, dropout=0.0, learning_rate=0.01).fit(chain())
    assert isinstance(operator, SequenceOperator)
    return operator


def test_the_order_of_events_decides(trained: SequenceOperator) -> None:
    rng = np.random.default_rng(0)
    starts = rng.integers(0, NUM_ITEMS, 50)
    up = [[int(start + step) % NUM_ITEMS for step in range(4)] for start in starts]
    ranked = OperatorRanker(trained).rank(Histories.of(up, NUM_ITEMS), 1)[:, 0]
    reverse = OperatorRanker(trained).rank(Histories.of([row[::-1] for row in up], NUM_ITEMS), 1)[:, 0]
    assert np.mean(ranked == (starts + 4) % NUM_ITEMS) > 0.9
    assert np.mean(reverse == (starts - 1) % NUM_ITEMS) > 0.9


def test_numpy_scores_are_torch_s() -> None:
    data = chain(60)
    objective = SequenceObjective(GraphSequence.Config(events=5, layers=3, heads=4), data)
    torch.manual_seed(1)
    for parameter in objective.module.parameters():
        parameter.data += 0.1 * torch.randn_like(parameter)
    objective.module.eval()
    with torch.no_grad():
        operator = objective.operator()
        items = objective.module["item_side"](None)
        rows = [[3], [4, 5], [1, 2, 3, 4, 5], [9, 8, 7, 6, 5, 4, 3, 2]]
        got = operator.score_ordered(Histories.of(rows, NUM_ITEMS))
        for row, scores in zip(rows, got, strict=True):
            events = items[torch.tensor(row[-5:])][None]
            after = objective.module["user_side"](events, torch.zeros(1, events.shape[1], dtype=torch.bool))[0, -1]
            np.testing.assert_allclose(scores, (items @ after).numpy(), atol=1e-4, rtol=1e-4)


def test_a_history_scores_the_same_alone_and_among_others(trained: SequenceOperator) -> None:
    rows = [[1, 2, 3], [7], [], [5, 6, 7, 8, 9, 10, 11], [30, 29]]
    together = trained.score_ordered(Histories.of(rows, NUM_ITEMS))
    for row, scores in zip(rows, together, strict=True):
        alone = trained.score_ordered(Histories.of([row], NUM_ITEMS))[0]
        np.testing.assert_allclose(scores, alone, rtol=1e-4, atol=1e-4)
    assert not together[2].any()


def test_named_arrays_rebuild_it_bit_for_bit(trained: SequenceOperator) -> None:
    again = operator_from_arrays("sequence", trained.arrays())
    histories = Histories.of([[1, 2, 3], [9, 4]], NUM_ITEMS)
    np.testing.assert_array_equal(again.score_ordered(histories), trained.score_ordered(histories))


@pytest.mark.parametrize(
    "name", ["item_input", "final_norm", "layer_mix", "layer_distance", "layer_widen", "layer_norm"]
)
def test_damaged_arrays_are_refused(trained: SequenceOperator, name: str) -> None:
    arrays = trained.arrays()
    without = {key: array for key, array in arrays.items() if key != name}
    narrower = arrays | {name: arrays[name][..., :-1]}
    for damaged in (without, narrower) if name != "layer_distance" else (without, arrays | {name: arrays[name][0]}):
        with pytest.raises(ReleaseError):
            operator_from_arrays("sequence", damaged)


def test_weights_are_read_as_an_order_the_heaviest_last(trained: SequenceOperator) -> None:
    histories = Histories.of([[3, 9, 4]], NUM_ITEMS)
    np.testing.assert_allclose(
        trained.score(histories.recent()), trained.score_ordered(histories), rtol=1e-4, atol=1e-5
    )


def test_aligned_blocks_hold_every_history_s_last_events_once() -> None:
    rng = np.random.default_rng(4)
    rows = [rng.integers(0, NUM_ITEMS, rng.integers(0, 30)).tolist() for _ in range(300)]
    histories = Histories.of(rows, NUM_ITEMS)
    found: dict[int, list[int]] = {}
    for block, at in aligned(histories, 12):
        for row, positions in zip(block.tolist(), at, strict=True):
            assert row not in found
            found[row] = histories.item_index[positions[positions >= 0]].tolist()
    assert found == {number: row[-12:] for number, row in enumerate(rows) if row}


def test_aligned_histories_can_be_cut_off_earlier() -> None:
    histories = Histories.of([[1, 2, 3, 4, 5], [6], [7, 8]], NUM_ITEMS)
    blocks = list(aligned(histories, 3, np.array([0, 2]), np.array([4, 7])))
    found = {
        int(row): histories.item_index[at[at >= 0]].tolist() for block in blocks for row, at in zip(*block, strict=True)
    }
    assert found == {0: [2, 3, 4], 2: [7]}


def test_a_long_history_is_read_in_all_its_stretches() -> None:
    train = Interactions.of(
        np.zeros(40, int), np.arange(40), num_users=1, num_items=NUM_ITEMS, timestamp_s=np.arange(40)
    )
    objective = SequenceObjective(GraphSequence.Config(events=4), TrainingData(train, ItemKnowledge(), None))
    rng = np.random.default_rng(0)
    ends = {int(objective._ends(np.array([0], np.int32), 5, rng)[0]) for _ in range(2000)}
    assert ends == set(range(5, 41))


def test_users_with_one_event_alone_teach_nothing_and_break_nothing() -> None:
    few = chain(20)
    shape = {"num_users": 23, "num_items": NUM_ITEMS}
    train = Interactions.of(
        [*few.train.user_index, 20, 21, 22],
        [*few.train.item_index, 1, 2, 3],
        timestamp_s=np.arange(len(few.train) + 3),
        **shape,
    )
    for batch_users in (1, 64):
        operator = MODELS["sequence"].build(epochs=1, batch_users=batch_users).fit(TrainingData(train, seed=1))
        assert np.isfinite(operator.score(Histories.of([[1], []], NUM_ITEMS).even())).all()


@pytest.mark.parametrize("half", [False, True])
def test_the_softmax_in_chunks_is_the_plain_one(half: bool) -> None:
    torch.manual_seed(3)
    query, item = torch.randn(300, 8, requires_grad=True), torch.randn(50, 8, requires_grad=True)
    target, weight = torch.randint(0, 50, (300,)), torch.rand(300)
    raised = torch.randn(50)
    loss = item_softmax_loss(query, item, target, weight, raised=raised, half=half)
    (2 * loss).backward()
    of_query, of_item = query.grad.clone(), item.grad.clone()
    query.grad = item.grad = None
    plain = (torch.nn.functional.cross_entropy(query @ item.T + raised, target, reduction="none") * weight).sum()
    (2 * plain).backward()
    close = {"rtol": 0.03, "atol": 0.05} if half else {"rtol": 1e-4, "atol": 1e-5}
    torch.testing.assert_close(loss, plain, **({"rtol": 0.01, "atol": 0.0} if half else close))
    torch.testing.assert_close(of_query, query.grad, **close)
    torch.testing.assert_close(of_item, item.grad, **(close if not half else {"rtol": 0.03, "atol": 0.2}))


def test_a_sampled_softmax_still_learns_the_chain() -> None:
    operator = MODELS["sequence"].build(epochs=60, dropout=0.0, learning_rate=0.01, max_softmax_items=15).fit(chain())
    up = Histories.of([[start, start + 1, start + 2] for start in range(0, 30, 3)], NUM_ITEMS)
    assert np.mean(OperatorRanker(operator).rank(up, 1)[:, 0] == np.arange(3, 33, 3)) >= 0.8


def described(num_items: int = NUM_ITEMS) -> TrainingData:
    """The chain, with words and a colour for each item; the last two are cold."""
    data = chain(60)
    rng = np.random.default_rng(6)
    text = rng.standard_normal((num_items, 5)).astype(np.float32)
    text[3] = 0.0
    colours = sp.csr_array(np.eye(4, dtype=np.float32)[np.arange(num_items) % 4])
    knowledge = ItemKnowledge(attributes={("Item", "HAS_COLOUR", "Colour"): colours}, text=text)
    train = data.train.where(data.train.item_index < num_items - 2)
    return TrainingData(train, knowledge, None, seed=5)


def test_a_new_item_s_vector_in_numpy_is_the_one_that_the_graph_network_gives_a_cold_item() -> None:
    data = described()
    model = MODELS["sequence"].build(epochs=3)
    operator = model.fit(data)
    fold_in = ItemFoldIn.from_arrays(model.fold_in_weights())
    cold = np.array([NUM_ITEMS - 2, NUM_ITEMS - 1])
    attributes = {kind: sp.csr_array(matrix[cold]) for kind, matrix in data.knowledge.attributes.items()}
    rows = fold_in.apply(data.knowledge.text[cold], attributes)
    np.testing.assert_allclose(rows.item_embedding, operator.item_output[cold], atol=1e-4)
    np.testing.assert_array_equal(rows.fold_in, rows.item_embedding)


def test_late_items_are_read_in_their_place(trained: SequenceOperator) -> None:
    """An item folded in with the vector of a known one is read as that one."""
    twin = trained.item_input[[7]]
    with_twin = trained.user_embedding(Histories.of([[5, 6, NUM_ITEMS]], NUM_ITEMS + 1), twin)
    plain = trained.user_embedding(Histories.of([[5, 6, 7]], NUM_ITEMS))
    np.testing.assert_allclose(with_twin, plain, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("damage", [{"norm": np.zeros((2, 3), np.float32)}, {"text_mean": np.zeros(3, np.float32)}])
def test_damaged_fold_in_arrays_are_refused(damage: dict[str, np.ndarray]) -> None:
    model = MODELS["sequence"].build(epochs=1)
    model.fit(described())
    with pytest.raises(ReleaseError):
        ItemFoldIn.from_arrays(model.fold_in_weights() | damage)
