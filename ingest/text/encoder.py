"""Encoders: texts in, unit vectors out."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np

from graph.errors import MissingExtra
from ingest.text.cache import FloatArray
from ingest.text.models import TextModel

Precision: TypeAlias = Literal["float32", "bfloat16"]


def fast_precision() -> Precision:
    """``bfloat16`` where the processor multiplies it natively (twice as fast here), else ``float32``."""
    try:
        flags = Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace")
    except OSError:  # not Linux
        return "float32"
    return "bfloat16" if "avx512_bf16" in flags or "amx_bf16" in flags else "float32"


class SentenceEncoder:
    """A sentence-transformers model. torch is imported when one is made, not when this file is.

    ``threads`` bounds torch's threads while encoding; the former number is restored afterwards.

    Raises:
        MissingExtra: sentence-transformers is not installed.

    Reference: Reimers & Gurevych, Sentence-BERT, 2019.
    """

    def __init__(
        self,
        model: TextModel,
        *,
        device: str = "auto",
        max_tokens: int = 64,
        precision: Precision = "float32",
        threads: int | None = None,
    ) -> None:
        try:
            import torch
            from sentence_transformers import SentenceTransformer
            from transformers.utils import logging
        except ImportError as error:
            raise MissingExtra(
                "text cannot be encoded: sentence-transformers is not installed",
                remedy='Install it with: pip install "kindred[train]", or train without text.',
            ) from error
        self._torch = torch
        self._threads = threads
        if device == "auto":
            device = "cuda" if torch.cuda.is_available() else "cpu"
        bars: Any = logging  # its functions carry no types
        shows_progress = bars.is_progress_bar_enabled()
        bars.disable_progress_bar()
        try:
            self._model = SentenceTransformer(str(model.directory), device=device, local_files_only=True)
        finally:
            if shows_progress:
                bars.enable_progress_bar()
        self._model.eval()
        own_limit = self._model.max_seq_length
        self._model.max_seq_length = min(max_tokens, own_limit) if own_limit else max_tokens
        if precision == "bfloat16":
            self._model.to(torch.bfloat16)
        self._width = int(self._model.get_embedding_dimension())

    @property
    def width(self) -> int:
        return self._width

    @property
    def module(self) -> Any:
        """The torch module, from token ids to sentence vectors."""
        return self._model

    def encode(self, texts: Sequence[str]) -> FloatArray:
        with self._bounded_threads():
            vectors = self._model.encode(
                list(texts), batch_size=max(len(texts), 1), show_progress_bar=False, convert_to_tensor=True
            )
            rows: FloatArray = vectors.float().cpu().numpy()
        # Normalised here in float32: a bfloat16 unit vector is unit to three digits only.
        length = np.linalg.norm(rows, axis=1, keepdims=True)
        return np.ascontiguousarray(rows / np.maximum(length, math.ulp(1.0)), np.float32)

    @contextmanager
    def _bounded_threads(self) -> Iterator[None]:
        before = self._torch.get_num_threads()
        self._torch.set_num_threads(self._threads or before)
        try:
            yield
        finally:
            self._torch.set_num_threads(before)
