"""The flagship reads how long ago events were and of which kind they are: where that tells, and nowhere else."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="NOT TESTED: the sequence model needs torch")

from gnn.data import Interactions, ItemKnowledge, TrainingData  # noqa: E402
from gnn.data.histories import NO_KIND, NO_TIME, Histories, History  # noqa: E402
from gnn.models import MODELS  # noqa: E402
from gnn.models.sequence import GraphSequence, SequenceObjective  # noqa: E402
from gnn.operators import OperatorRanker, operator_from_arrays  # noqa: E402
from gnn.operators.gaps import gap_buckets  # noqa: E402
from gnn.operators.sequences import SequenceOperator  # noqa: E402
from graph.errors import ReleaseError  # noqa: E402

NUM_ITEMS = 16
START_S = 1_700_000_000
HOUR_S, MONTH_S = 3_600, 30 * 86_400
KINDS = ("view", "purchase")
OPTIONS = {
    "embedding_dim": 16, "epochs": 40, "dropout": 0.0, "learning_rate": 0.02, "walk_neighbors": 0, "batch_users": 64,
    "identity_dropout": 0.0, "threads": 1,
}  # fmt: skip


def turning(decides: str, num_users: int = 500, seed: int = 4) -> tuple[TrainingData, Histories, np.ndarray]:
    """Users with two items and what came third, which one thing alone decides.

    What follows is the item after the first where the second came soon (or was viewed), else the one after the second.
    """
    rng = np.random.default_rng(seed)
    first = rng.integers(NUM_ITEMS, size=num_users)
    second = (first + 4 + rng.integers(NUM_ITEMS - 8, size=num_users)) % NUM_ITEMS
    turn = rng.random(num_users) < 0.5
    third = (np.where(turn, second, first) + 1) % NUM_ITEMS
    gap_s = np.where(turn & (decides == "gap"), MONTH_S, HOUR_S)
    times = START_S + np.stack([np.zeros(num_users, np.int64), gap_s, gap_s + HOUR_S], axis=1)
    kinds = np.stack([np.zeros(num_users), turn & (decides == "kind"), np.zeros(num_users)], axis=1).astype(np.uint8)
    train = Interactions(
        np.repeat(np.arange(num_users, dtype=np.int32), 3),
        np.stack([first, second, third], axis=1).ravel().astype(np.int32),
        times.ravel(),
        np.ones(3 * num_users, np.float32),
        kinds.ravel(),
        np.full(3 * num_users, -1, np.int32),
        num_users,
        NUM_ITEMS,
        KINDS,
    )
    whole = train.histories()
    asked = train.where(np.tile([True, True, False], num_users)).histories().take(np.arange(100))
    return TrainingData(train.where(whole.rows >= 100), ItemKnowledge(), None, seed=3), asked, third[:100]


@pytest.mark.parametrize(("decides", "option"), [("gap", "gaps"), ("kind", "kinds")])
def test_what_decides_is_found_by_the_model_that_reads_it_alone(decides: str, option: str) -> None:
    data, asked, third = turning(decides)
    right = {}
    for reads in (True, False):
        operator = MODELS["sequence"].build(**OPTIONS, **{option: reads}).fit(data)
        # Of what is ranked after two items: nothing is left out, they may come again.
        right[reads] = float(np.mean(OperatorRanker(operator).rank(asked, 1, repeats=True)[:, 0] == third))
    assert right[True] > 0.85
    assert right[False] < 0.7


SMALL = {"events": 5, "heads": 4, "embedding_dim": 16, "gaps": True, "kinds": True}


def shaken(seed: int = 1, **options: object) -> tuple[SequenceObjective, SequenceOperator]:
    """An objective over times and kinds with random weights everywhere, and its numpy side."""
    data, _, _ = turning("kind", 130)
    objective = SequenceObjective(GraphSequence.Config(**{**SMALL, **options}), data)
    torch.manual_seed(seed)
    for parameter in objective.module.parameters():
        parameter.data += 0.3 * torch.randn_like(parameter)
    objective.module.eval()
    with torch.no_grad():
        operator = objective.operator()
    assert isinstance(operator, SequenceOperator)
    return objective, operator


ROWS = (
    History.of([3], [START_S], [1], KINDS),
    History.of([4, 5], [START_S, START_S + 40 * MONTH_S], [0, 1], KINDS),
    History.of([1, 2, 3, 4, 5], [NO_TIME, 3, START_S, START_S, START_S + HOUR_S], [0, 1, NO_KIND, 1, 0], KINDS),
    History.of([9, 8, 7, 6, 5, 4, 3], START_S + np.arange(7) * HOUR_S, [0, 1, 0, 1, 0, 1, 1], KINDS),
)


@pytest.mark.parametrize("layers", [1, 3])
def test_numpy_reads_times_and_kinds_as_torch_does(layers: int) -> None:
    objective, operator = shaken(layers=layers)
    got = operator.score_ordered(Histories.over(ROWS, NUM_ITEMS))
    gap = operator.layers[0].gap
    assert gap is not None
    with torch.no_grad():
        items = objective.module["item_side"](None)
        for row, scores in zip(ROWS, got, strict=True):
            last = row.where(np.arange(len(row)) >= len(row) - 5)
            size = len(last)
            gaps = gap_buckets(last.timestamp_s[None], size, gap.shape[1] - 1)
            kinds = np.where(last.kind == NO_KIND, len(KINDS), last.kind).astype(np.int64)[None]
            after = objective.module["user_side"](
                items[torch.from_numpy(last.item_index).long()][None],
                torch.zeros(1, size, dtype=torch.bool),
                torch.from_numpy(gaps),
                torch.from_numpy(kinds),
            )[0, -1]
            np.testing.assert_allclose(scores, (items @ after).numpy(), atol=1e-4, rtol=1e-4)


def test_times_and_kinds_move_the_scores() -> None:
    _, operator = shaken()
    told = operator.score_ordered(Histories.over(ROWS, NUM_ITEMS))
    untimed = [History.of(row.item_index, None, row.kind, KINDS) for row in ROWS]
    unkind = [History.of(row.item_index, row.timestamp_s) for row in ROWS]
    for other in (untimed, unkind):
        assert (np.abs(operator.score_ordered(Histories.over(other, NUM_ITEMS)) - told).max(axis=1)[1:] > 1e-3).all()


def test_kinds_are_found_by_name_and_an_unknown_one_is_none() -> None:
    _, operator = shaken()
    told = operator.score_ordered(Histories.over(ROWS, NUM_ITEMS))
    names = ("share", "purchase", "view")
    recoded = [
        History.of(row.item_index, row.timestamp_s, np.where(row.kind == NO_KIND, 0, 2 - row.kind.astype(int)), names)
        for row in ROWS
    ]
    np.testing.assert_array_equal(operator.score_ordered(Histories.over(recoded, NUM_ITEMS)), told)


def test_its_arrays_rebuild_it_bit_for_bit_and_are_numbers() -> None:
    _, operator = shaken()
    arrays = operator.arrays()
    assert all(array.dtype.kind in "fiu" for array in arrays.values())
    again = operator_from_arrays("sequence", arrays)
    assert isinstance(again, SequenceOperator)
    assert again.kinds == KINDS
    histories = Histories.over(ROWS, NUM_ITEMS)
    np.testing.assert_array_equal(again.score_ordered(histories), operator.score_ordered(histories))


def test_arrays_from_before_times_and_kinds_were_read_still_serve() -> None:
    _, operator = shaken(gaps=False, kinds=False)
    arrays = operator.arrays()
    assert not arrays.keys() & {"layer_gap", "kind_input", "kinds"}
    old = operator_from_arrays("sequence", arrays)
    assert isinstance(old, SequenceOperator)
    plain = Histories.of([row.item_index.tolist() for row in ROWS], NUM_ITEMS)
    np.testing.assert_array_equal(old.score_ordered(Histories.over(ROWS, NUM_ITEMS)), operator.score_ordered(plain))


@pytest.mark.parametrize("name", ["layer_gap", "kind_input", "kinds"])
def test_damaged_arrays_are_refused(name: str) -> None:
    _, operator = shaken()
    arrays = operator.arrays()
    with pytest.raises(ReleaseError):
        operator_from_arrays("sequence", arrays | {name: arrays[name][: 4 if name == "kinds" else 1]})


@pytest.mark.parametrize("untimed", ["order numbers", "no times"])
def test_where_times_and_kinds_tell_nothing_all_is_learned_bit_for_bit_as_without_them(untimed: str) -> None:
    rng = np.random.default_rng(8)
    users = np.repeat(np.arange(40), 5)
    order = None if untimed == "no times" else np.tile(np.arange(1, 6), 40)
    train = Interactions.of(
        users, rng.integers(NUM_ITEMS, size=200), num_users=40, num_items=NUM_ITEMS, timestamp_s=order
    )
    few = OPTIONS | {"epochs": 2}
    one, other = (
        MODELS["sequence"].build(**few, gaps=reads, kinds=reads).fit(TrainingData(train, seed=3)).arrays()
        for reads in (True, False)
    )
    assert one.keys() == other.keys()
    for name, array in one.items():
        np.testing.assert_array_equal(array, other[name])
