"""GraphSAGE: unseen items find their place, in torch and in numpy alike."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse as sp
import torch

from gnn.data import Interactions, ItemKnowledge, TrainingData
from gnn.models import MODELS
from gnn.models.sage_encoder import RowSAGEConv
from gnn.operators import OperatorRanker
from gnn.operators.foldin import ItemFoldIn
from gnn.propagation.adjacency import Adjacency
from gnn.propagation.pyg import SAGEConv
from graph.errors import InputError, ReleaseError

OPTIONS = {"embedding_dim": 8, "epochs": 30, "threads": 1, "min_attribute_items": 1}
COLOUR = ("Item", "HAS_COLOUR", "Colour")


def fitted(data: TrainingData, **options: object):
    model = MODELS["graphsage"].build(**{**OPTIONS, **options})
    return model, model.fit(data)


def blocks(num_blocks: int = 4, block_items: int = 12, cold_per_block: int = 2, *, text: bool, attributes: bool):
    """Users choose within their block of items; the last items of each block are new. Brands and words tell blocks."""
    rng = np.random.default_rng(2)
    num_items, block = num_blocks * block_items, np.repeat(np.arange(num_blocks), block_items)
    warm = np.arange(num_items) % block_items < block_items - cold_per_block
    users, items = [], []
    for user in range(30 * num_blocks):
        own = np.flatnonzero((block == user % num_blocks) & warm)
        for item in rng.choice(own, 6, replace=False):
            users.append(user)
            items.append(int(item))
    train = Interactions.of(users, items, num_users=30 * num_blocks, num_items=num_items)
    brand = 2 * block + rng.integers(0, 2, num_items)
    words = np.eye(num_blocks, 12, dtype=np.float32)[block] + 0.2 * rng.standard_normal((num_items, 12), np.float32)
    words /= np.linalg.norm(words, axis=1, keepdims=True)
    incidence = sp.csr_array(np.eye(2 * num_blocks, dtype=np.float32)[brand])
    knowledge = ItemKnowledge(
        {("Item", "HAS_BRAND", "Brand"): incidence} if attributes else {}, text=words if text else None
    )
    return TrainingData(train, knowledge), block, ~warm


@pytest.mark.parametrize(("text", "attributes"), [(True, True), (True, False), (False, True)])
@pytest.mark.parametrize("batching", ["full", "neighbor"])
def test_new_items_land_in_their_block(text, attributes, batching) -> None:
    data, block, cold = blocks(text=text, attributes=attributes)
    # A sampled softmax over sampled neighbourhoods is noisier, and takes longer.
    options = {} if batching == "full" else {"batching": "neighbor", "negatives": 40, "epochs": 100}
    # In 8 numbers for 8 brands it is the luck of a draw, and of the processor, which brands come to lie together.
    _, operator = fitted(data, embedding_dim=32, **options)
    near = operator.item_embedding[cold] @ operator.item_embedding[~cold].T
    same = block[cold][:, None] == block[~cold][None]
    assert (near[same].reshape(8, -1).mean(1) > near[~same].reshape(8, -1).mean(1) + 0.3).all()
    assert (block[~cold][near.argmax(axis=1)] == block[cold]).all()


def test_users_are_recommended_new_items_of_their_block_before_other_blocks() -> None:
    data, block, cold = blocks(text=True, attributes=True)
    _, operator = fitted(data)
    histories = data.train.histories()
    scores = operator.score(histories.even(), histories.user_index)
    own = block[None, :] == (np.arange(len(histories)) % 4)[:, None]
    new = np.broadcast_to(cold, own.shape)
    assert scores[own & new].min() > np.median(scores[~own])


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize(("text", "attributes"), [(True, True), (True, False), (False, True)])
def test_numpy_embeds_a_new_item_as_torch_does(layers, text, attributes) -> None:
    data, _, cold = blocks(text=text, attributes=attributes)
    model, operator = fitted(data, layers=layers, epochs=8)
    words = data.knowledge.text[cold] if text else None
    chosen = {kind: sp.csr_array(matrix[np.flatnonzero(cold)]) for kind, matrix in data.knowledge.attributes.items()}
    folded = ItemFoldIn.from_arrays(model.fold_in_weights()).apply(words, chosen)
    np.testing.assert_allclose(folded.item_embedding, operator.item_embedding[cold], atol=1e-5)
    np.testing.assert_allclose(folded.fold_in, operator.fold_in[cold], atol=1e-5)


def test_an_item_without_anything_known_gets_a_neutral_embedding() -> None:
    data, _, _ = blocks(text=True, attributes=True)
    model, _ = fitted(data, epochs=2)
    unknown = {("Item", "SMELLS_OF", "Scent"): sp.csr_array(np.ones((1, 3), np.float32))}
    folded = model.item_fold_in.apply(np.zeros((1, 12), np.float32), unknown)
    np.testing.assert_array_equal(folded.item_embedding, 0)
    np.testing.assert_array_equal(folded.fold_in, 0)


def test_attributes_newer_than_the_model_are_passed_over() -> None:
    data, _, _ = blocks(text=False, attributes=True)
    model, _ = fitted(data, epochs=2)
    kind = ("Item", "HAS_BRAND", "Brand")
    known = np.eye(8, dtype=np.float32)[[3]]
    grown = np.hstack([known, np.ones((1, 2), np.float32)])
    few = sp.csr_array(np.eye(4, dtype=np.float32)[[3]])
    expected = model.item_fold_in.apply(None, {kind: sp.csr_array(known)}).item_embedding
    for matrix in (sp.csr_array(grown), few):
        np.testing.assert_allclose(model.item_fold_in.apply(None, {kind: matrix}).item_embedding, expected, atol=1e-6)


def test_new_items_that_do_not_fit_are_refused() -> None:
    data, _, _ = blocks(text=True, attributes=False)
    model, _ = fitted(data, epochs=1)
    with pytest.raises(InputError, match="width 12"):
        model.item_fold_in.apply(np.zeros((1, 5), np.float32), {})
    with pytest.raises(InputError, match="one row per item"):
        model.item_fold_in.apply(None, {})
    with pytest.raises(InputError, match="Call fit first"):
        MODELS["graphsage"].build().fold_in_weights()


@pytest.mark.parametrize("damage", ["out_weight", "edge_types", "messages_0", "scale"])
def test_fold_in_arrays_that_do_not_fit_are_refused(damage) -> None:
    data, _, _ = blocks(text=True, attributes=True)
    arrays = fitted(data, epochs=1)[0].fold_in_weights()
    with pytest.raises(ReleaseError):
        ItemFoldIn.from_arrays({name: array for name, array in arrays.items() if name != damage})
    with pytest.raises(ReleaseError):
        ItemFoldIn.from_arrays({**arrays, damage: arrays[damage][:0]})


@pytest.mark.parametrize("control", ["removed", "shuffled", "no columns", "no text", "interactions only"])
def test_controls_train_like_everything_else(control, checkerboard) -> None:
    data, knowledge = checkerboard.data, checkerboard.data.knowledge
    matrix = knowledge.attributes[COLOUR]
    variant = {
        "removed": replace(knowledge, attributes={}),
        "shuffled": replace(knowledge, attributes={COLOUR: matrix[np.random.default_rng(0).permutation(26)]}),
        "no columns": replace(knowledge, attributes={COLOUR: sp.csr_array((26, 0), dtype=np.float32)}),
        "no text": replace(knowledge, text=None),
        "interactions only": ItemKnowledge(),
    }[control]
    _, operator = fitted(replace(data, knowledge=variant))
    lists = OperatorRanker(operator).rank(data.train.histories(), 3)
    assert (lists % 2 == np.arange(len(lists))[:, None] % 2).mean() > 0.9


def test_neighbourhoods_large_enough_train_what_full_batches_train(checkerboard) -> None:
    lists = []
    for options in ({"batching": "full"}, {"batching": "neighbor", "neighbors": 100, "negatives": 64}):
        _, operator = fitted(checkerboard.data, **options)
        lists.append(OperatorRanker(operator).rank(checkerboard.data.train.histories(), 3) % 2)
    assert (lists[0] == lists[1]).mean() > 0.95


def test_training_without_a_warm_start_works_too(checkerboard) -> None:
    _, operator = fitted(checkerboard.data, warm_start=False, epochs=80)
    lists = OperatorRanker(operator).rank(checkerboard.data.train.histories(), 3)
    assert (lists % 2 == np.arange(len(lists))[:, None] % 2).mean() > 0.9


@pytest.mark.parametrize("shape", [(5, 9), (9, 5)])
def test_row_convolution_is_pyg_s_sage_convolution(shape) -> None:
    matrix = sp.csr_array((np.random.default_rng(1).random(shape) < 0.5).astype(np.float32))
    row, column = matrix.nonzero()
    edge_index = torch.from_numpy(np.stack([column, row]).astype(np.int64))
    fast, slow = RowSAGEConv(4), SAGEConv(4, 4, aggr="mean", root_weight=False, bias=False)
    slow.load_state_dict(fast.state_dict())
    features = torch.randn(shape[1], 4, generator=torch.Generator().manual_seed(0))
    targets = torch.zeros(shape[0], 4)
    torch.testing.assert_close(fast((features, None), Adjacency.mean(matrix)), slow((features, targets), edge_index))
