"""Learning the hidden layer of the fusion: AdamW on the softmax cross-entropy, in numpy.

A few seconds for ten thousand users; nothing here needs a training framework.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from gnn.data.histories import FloatArray
from gnn.fusion.examples import FusionExamples
from gnn.fusion.fitting import softmax
from gnn.fusion.hidden import HiddenLayer
from gnn.fusion.weights import FusionWeights

UNITS = 32
EPOCHS = 20
BATCH_USERS = 128
RATE = 0.005
DECAY = 0.3
DROPOUT = 0.2
FIRST_MOMENT, SECOND_MOMENT, TINY = 0.9, 0.999, 1e-8
WARM_UP = 0.2
"""The part of the steps in which the rate rises; then it falls along a cosine."""
LEAST_SPREAD = 0.05
"""Features that hardly vary are not blown up."""


def learned_layer(examples: FusionExamples, weights: FusionWeights, seed: int) -> HiddenLayer:
    """The layer that, added to the linear scores of ``weights``, best tells what was chosen (softmax cross-entropy).

    AdamW (Loshchilov & Hutter, 2019) over batches of users, with dropout of units.
    """
    generator = np.random.default_rng(seed)
    offset = examples.scores(weights) + examples.correction()
    length = weights.standard_length(examples.length)
    spread = np.maximum(examples.features[:500].reshape(-1, examples.features.shape[-1]).std(axis=0), LEAST_SPREAD)
    unit = np.append(1.0 / spread, 1.0).astype(np.float32)
    fan_in = unit.size
    parts = [
        generator.uniform(-1, 1, (fan_in, UNITS)) / np.sqrt(fan_in),
        generator.uniform(-1, 1, UNITS) / np.sqrt(fan_in),
        np.zeros(UNITS),
    ]
    parts = [part.astype(np.float32) for part in parts]
    moments = [(np.zeros_like(part), np.zeros_like(part)) for part in parts]
    steps_an_epoch = -(-len(examples) // BATCH_USERS)
    step = 0
    for _ in range(EPOCHS):
        for rows in np.array_split(generator.permutation(len(examples)), steps_an_epoch):
            kept = (generator.random(UNITS) >= DROPOUT).astype(np.float32) / (1 - DROPOUT)
            inputs = _inputs(examples.features[rows], length[rows]) * unit
            gradients = _gradients(parts, kept, inputs, offset[rows], examples.chosen[rows])
            step += 1
            rate = RATE * _schedule(step / (EPOCHS * steps_an_epoch))
            for part, gradient, (mean, square) in zip(parts, gradients, moments, strict=True):
                mean += (1 - FIRST_MOMENT) * (gradient - mean)
                square += (1 - SECOND_MOMENT) * (gradient * gradient - square)
                size = np.sqrt(square / (1 - SECOND_MOMENT**step)) + TINY
                part *= 1 - rate * DECAY
                part -= rate * mean / (1 - FIRST_MOMENT**step) / size
    return HiddenLayer(parts[0] * unit[:, None], parts[1], parts[2])


def _inputs(features: Any, length: FloatArray) -> FloatArray:
    """The features with the length beside them. Shape (B, C, F + 1)."""
    along = np.broadcast_to(length[:, None, None], (*features.shape[:2], 1))
    return np.concatenate([features.astype(np.float32), along.astype(np.float32)], axis=-1)


def _gradients(
    parts: list[FloatArray], kept: FloatArray, inputs: FloatArray, offset: FloatArray, chosen: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """The gradient of the mean cross-entropy with respect to ``into``, ``bias`` and ``out``."""
    into, bias, out = parts
    flat = inputs.reshape(-1, inputs.shape[-1])
    inner = flat @ into + bias
    active = np.maximum(inner, 0.0) * kept
    score = offset + (active @ out).reshape(offset.shape)
    residual = np.asarray((softmax(score) - chosen) / len(chosen), np.float32).ravel()
    back = np.where(inner > 0, residual[:, None] * (out * kept), np.float32(0.0))
    return flat.T @ back, back.sum(axis=0), residual @ active


def _schedule(share: float) -> float:
    """The rate after a share of the steps, relative to the highest."""
    if share < WARM_UP:
        return share / WARM_UP
    return 0.5 * (1 + float(np.cos(np.pi * (share - WARM_UP) / (1 - WARM_UP))))
