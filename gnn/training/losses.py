"""Losses over items: the whole softmax, a sampled one, and pairs."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as functional
from torch import Tensor


def softmax_loss(user: Tensor, item: Tensor, rows: Tensor, columns: Tensor, temperature: float) -> Tensor:
    """Mean cross-entropy of each target against all items, by cosine.

    Shapes: ``user`` (B, D), ``item`` (I, D); ``rows`` and ``columns`` (P,) say which user has which target.
    """
    logits = _unit(user) @ _unit(item).T / temperature
    return (torch.logsumexp(logits.float(), 1)[rows] - logits[rows, columns]).mean()


def sampled_softmax_loss(
    user: Tensor, item: Tensor, rows: Tensor, columns: Tensor, negatives: Tensor, num_items: int, temperature: float
) -> Tensor:
    """:func:`softmax_loss` with the sum over ``num_items`` items estimated from a uniform sample of them.

    Shapes as there; ``negatives`` (S,) indexes ``item``. Each target is counted exactly, beside the sample.
    """
    of_user, of_item = _unit(user), _unit(item)
    others = (of_user @ of_item[negatives].T / temperature).float()
    log_total = torch.logsumexp(others, 1) + math.log(num_items / negatives.numel())
    chosen = ((of_user[rows] * of_item[columns]).sum(1) / temperature).float()
    return (torch.logaddexp(log_total[rows], chosen) - chosen).mean()


def history_softmax_loss(
    user: Tensor,
    item: Tensor,
    *,
    target: tuple[Tensor, Tensor],
    given: tuple[Tensor, Tensor],
    negatives: Tensor | None,
    num_items: int,
    temperature: float,
) -> Tensor:
    """Mean cross-entropy of naming the rest of a history from the given part of it.

    ``target`` and ``given`` are rows of ``user`` and of ``item``. What was given competes with nothing: it is
    never ranked. Zero, with gradients of zero, when the block leaves nothing to name.
    """
    rows, columns = target
    if rows.numel() == 0:
        return (user.sum() + item.sum()) * 0.0
    if negatives is not None:
        return sampled_softmax_loss(user, item, rows, columns, negatives, num_items, temperature)
    logits = _unit(user) @ _unit(item).T / temperature
    left_out = torch.zeros(logits.shape, dtype=logits.dtype, device=logits.device)
    left_out[given] = -1e4
    return (torch.logsumexp((logits + left_out).float(), 1)[rows] - logits[rows, columns]).mean()


def pair_loss(user: Tensor, item: Tensor, rows: Tensor, chosen: Tensor, other: Tensor) -> Tensor:
    """Mean logistic loss of scoring a chosen item above another one (BPR), by inner product."""
    of_user = user[rows]
    margin = (of_user * (item[chosen] - item[other])).sum(1)
    return functional.softplus(-margin.float()).mean()


def contrastive_loss(
    user: Tensor, item: Tensor, rows: Tensor, columns: Tensor, others: Tensor, margin: float, weight: float
) -> Tensor:
    """Mean over targets of one minus their cosine, plus ``weight`` times other items' cosines above ``margin``.

    Shapes as in :func:`sampled_softmax_loss`, ``others`` (S,).

    Reference: Mao et al., "SimpleX: a simple and strong baseline for collaborative filtering", 2021, equation 1.
    """
    of_user, of_item = _unit(user), _unit(item)
    pulled = 1.0 - (of_user[rows] * of_item[columns]).sum(1)
    pushed = functional.relu(of_user @ of_item[others].T - margin).mean(1)
    return (pulled.float() + weight * pushed[rows].float()).mean()


def constrained_loss(
    user: Tensor,
    item: Tensor,
    rows: Tensor,
    columns: Tensor,
    others: Tensor,
    degrees: tuple[Tensor, Tensor],
    weight: float,
) -> Tensor:
    """Mean binary cross-entropy whose weights stand for infinitely many propagation steps, by inner product.

    Shapes as in :func:`sampled_softmax_loss`, ``others`` (S,); ``degrees`` of the block's users (B,) and of all
    items (J,).

    Reference: Mao et al., "UltraGCN: ultra simplification of graph convolutional networks for recommendation",
    2021, equations 10 and 11.
    """
    of_user, of_item = degrees
    from_user = torch.sqrt(of_user + 1.0) / of_user.clamp(min=1.0)
    to_item = 1.0 / torch.sqrt(of_item + 1.0)
    chosen = functional.softplus(-(user[rows] * item[columns]).sum(1).float())
    pulled = (1e-6 + from_user[rows] * to_item[columns]) * chosen
    pushed = (
        (1e-6 + from_user[:, None] * to_item[others]) * functional.softplus((user @ item[others].T).float())
    ).mean(1)
    return (pulled + weight * pushed[rows]).mean()


def _unit(rows: Tensor) -> Tensor:
    return functional.normalize(rows, dim=1)
