"""Item text → matrix: looks up what is known, encodes the rest in even batches, remembers it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np

from graph.errors import InputError
from ingest.text.cache import FloatArray, VectorCache, text_keys
from ingest.text.encoder import Precision, SentenceEncoder, fast_precision
from ingest.text.models import find_model
from ingest.text.on_ray import OpenEncoder, RayEncoder

Progress: TypeAlias = Callable[[int, int], None]
"""Called with the texts done and the texts to do."""

_CHARACTERS_PER_TOKEN = 4
_TEXTS_PER_SHARD = 4096


def encode_items(
    texts: Mapping[str, str] | Sequence[str],
    *,
    model: str = "minilm",
    cache_dir: Path,
    device: str = "auto",
    precision: Precision | Literal["auto"] = "auto",
    max_tokens: int = 64,
    batch_tokens: int = 4096,
    threads: int | None = None,
    progress: Progress | None = None,
    open_encoder: OpenEncoder | None = None,
    ray_workers: int = 0,
) -> FloatArray:
    """Unit vectors of ``texts`` in their order (a mapping's values); an empty text is a zero row.

    Vectors are cached under ``cache_dir`` by text and by everything that shapes them (weights, settings), a
    shard at a time, so that an interrupted run goes on where it was. With every text cached neither torch nor
    the weights are loaded. Batches hold texts of like length, at most about ``batch_tokens`` tokens after padding.
    With ``ray_workers`` so many workers of Ray encode the same batches.

    Shapes: (I, T) float32.

    Raises:
        MissingExtra: something must be encoded, and the ``train`` extra is not installed.
        NotFound, InputError: the model cannot be used, see :func:`find_model`.
    """
    if max_tokens < 1 or batch_tokens < 1:
        raise InputError("max_tokens and batch_tokens must be positive", got=f"{max_tokens} and {batch_tokens}")
    rows = [" ".join(text.split()) for text in (texts.values() if isinstance(texts, Mapping) else texts)]
    known = find_model(model)
    exact: Precision = fast_precision() if precision == "auto" else precision
    cache = VectorCache(cache_dir / f"{known.identity}-{max_tokens}-{exact}")

    unique = {text: place for place, text in enumerate(dict.fromkeys(text for text in rows if text))}
    pending = list(unique)
    keys = text_keys(pending)
    found, vectors = cache.lookup(keys)
    missing = np.setdiff1d(np.arange(len(pending)), found)

    opening = open_encoder or partial(
        SentenceEncoder, device=device, max_tokens=max_tokens, precision=exact, threads=threads
    )
    batches = list(_batches(pending, missing.tolist(), max_tokens, batch_tokens))
    asked = [[pending[place] for place in batch] for batch in batches]
    width = vectors.shape[1]
    encoded: Iterable[tuple[int, FloatArray]] = ()
    if missing.size and ray_workers:
        encoder = RayEncoder(known, opening, ray_workers)
        width, encoded = encoder.width, encoder.encode_each(asked)
    elif missing.size or not found.size:
        alone = opening(known)
        width, encoded = alone.width, enumerate(map(alone.encode, asked))
    table = np.zeros((len(pending) + 1, width), np.float32)  # the last row stays zero, for empty texts
    if found.size:
        table[found] = vectors
    done, total = 0, int(missing.size)
    unsaved: list[int] = []
    for number, rows_of_batch in encoded:
        batch = batches[number]
        table[batch] = rows_of_batch
        unsaved += batch
        if len(unsaved) >= _TEXTS_PER_SHARD:
            cache.add(keys[unsaved], table[unsaved])
            unsaved = []
        done += len(batch)
        if progress is not None:
            progress(done, total)
    cache.add(keys[unsaved], table[unsaved])
    return table[[unique.get(text, len(pending)) for text in rows]]


def _batches(texts: Sequence[str], places: Sequence[int], max_tokens: int, batch_tokens: int) -> Iterator[list[int]]:
    """Places of texts, longest first (an out-of-memory shows at once, not at the end), cut at ``batch_tokens``."""
    batch: list[int] = []
    longest = 0
    for place in sorted(places, key=lambda place: (-len(texts[place]), texts[place])):
        longest = longest or min(max_tokens, 2 + len(texts[place]) // _CHARACTERS_PER_TOKEN)
        batch.append(place)
        if (len(batch) + 1) * longest > batch_tokens:
            yield batch
            batch, longest = [], 0
    if batch:
        yield batch
