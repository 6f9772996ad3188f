"""A text encoder without torch: an ONNX network and its tokenizer as plain data, run by onnxruntime."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
import onnxruntime
from tokenizers import Tokenizer

from graph.errors import ReleaseError
from ingest.text.cache import FloatArray

WeightFormat: TypeAlias = Literal["int8", "float32"]


@dataclass(frozen=True, slots=True)
class PortableModel:
    """What :class:`PortableEncoder` runs.

    ``network`` takes ``input_ids`` and ``attention_mask`` (N, L) and gives sentence vectors (N, T). ``agreement``
    is the mean cosine to the model it was made from, on the texts it was measured with.
    """

    network: bytes
    tokenizer: str
    identity: str
    width: int
    max_tokens: int
    weights: WeightFormat
    agreement: float

    def document(self) -> dict[str, Any]:
        """Everything but the network, as JSON."""
        return {
            "tokenizer": self.tokenizer,
            "identity": self.identity,
            "width": self.width,
            "max_tokens": self.max_tokens,
            "weights": self.weights,
            "agreement": round(self.agreement, 5),
        }

    @classmethod
    def of(cls, network: bytes, document: dict[str, Any]) -> PortableModel:
        """The model of a network and its :meth:`document`.

        Raises:
            ReleaseError: when the document lacks something.
        """
        try:
            return cls(
                network,
                str(document["tokenizer"]),
                str(document["identity"]),
                int(document["width"]),
                int(document["max_tokens"]),
                "int8" if document["weights"] == "int8" else "float32",
                float(document["agreement"]),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise ReleaseError("the text encoder's document cannot be used", got=error) from error


class PortableEncoder:
    """A :class:`~ingest.text.protocol.TextEncoder` on onnxruntime. Safe to use from several threads.

    ``threads`` bounds the processor cores of one call.

    Raises:
        ReleaseError: when the network or the tokenizer cannot be loaded.
    """

    def __init__(self, model: PortableModel, *, threads: int = 1) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        # Texts differ in length, so remembered shapes and a greedy arena would only hold memory; and a thread
        # that spins while it waits takes the processor from those that answer.
        options.enable_mem_pattern = False
        options.enable_cpu_mem_arena = False
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            self._session = onnxruntime.InferenceSession(model.network, options, providers=["CPUExecutionProvider"])
            self._tokenizer = Tokenizer.from_str(model.tokenizer)
        except Exception as error:  # onnxruntime and tokenizers raise classes of their own, and bare ones
            raise ReleaseError(
                "the text encoder cannot be loaded", got=str(error).splitlines()[0], remedy="Train again."
            ) from error
        self._tokenizer.enable_truncation(model.max_tokens)
        self._tokenizer.enable_padding()
        self._width = model.width

    @property
    def width(self) -> int:
        return self._width

    def encode(self, texts: Sequence[str]) -> FloatArray:
        if not texts:
            return np.zeros((0, self._width), np.float32)
        encoded = self._tokenizer.encode_batch(list(texts))
        inputs = {
            "input_ids": np.array([one.ids for one in encoded], np.int64),
            "attention_mask": np.array([one.attention_mask for one in encoded], np.int64),
        }
        rows = np.asarray(self._session.run(["vectors"], inputs)[0], np.float32)
        length = np.linalg.norm(rows, axis=1, keepdims=True)
        return np.ascontiguousarray(rows / np.maximum(length, math.ulp(1.0)), np.float32)
