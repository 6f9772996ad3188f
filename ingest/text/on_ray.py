"""Text encoding shared by the workers of Ray Data: the same batches through the same encoder, many at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from graph.ray import ray_with
from ingest.text.cache import FloatArray
from ingest.text.models import TextModel
from ingest.text.protocol import TextEncoder

OpenEncoder = Callable[[TextModel], TextEncoder]


class RayEncoder:
    """An encoder in each of ``workers`` Ray workers. The model's folder has to be at the same path on every machine."""

    def __init__(self, model: TextModel, open_encoder: OpenEncoder, workers: int) -> None:
        self._model = model
        self._open = open_encoder
        self._workers = workers

    @property
    def width(self) -> int:
        """The width of the vectors, from an encoder that is opened here for it."""
        return self._open(self._model).width

    def encode_each(self, batches: Sequence[Sequence[str]]) -> Iterator[tuple[int, FloatArray]]:
        """The place of each batch and its vectors, as they are done. Shape: (N, width) each.

        Raises:
            MissingExtra: when Ray is not installed.
        """
        with ray_with(self._workers):
            import ray.data

            context = ray.data.DataContext.get_current()
            context.enable_progress_bars = False
            rows = [{"place": place, "texts": list(batch)} for place, batch in enumerate(batches)]
            encoded = ray.data.from_items(rows, override_num_blocks=len(rows)).map(
                _Encoding,
                fn_constructor_args=(self._model, self._open),
                compute=ray.data.ActorPoolStrategy(size=min(self._workers, len(rows))),
                num_cpus=1,
            )
            for row in encoded.iter_rows():
                width = int(row["width"])
                vectors = np.frombuffer(row["vectors"], np.float32).reshape(-1, width)
                yield int(row["place"]), vectors


class _Encoding:
    """One worker: opens its encoder once, and encodes batch after batch."""

    def __init__(self, model: TextModel, open_encoder: OpenEncoder) -> None:
        self._encoder = open_encoder(model)

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        vectors = np.ascontiguousarray(self._encoder.encode(list(row["texts"])), np.float32)
        # As bytes: batches differ in length, and a column of arrays would have to be of one shape.
        return {"place": row["place"], "width": vectors.shape[1], "vectors": vectors.tobytes()}
