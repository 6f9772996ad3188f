"""From a sentence-transformers model to a :class:`~ingest.text.portable.PortableModel`, once per model."""

from __future__ import annotations

import hashlib
import json
import logging
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from graph.errors import MissingExtra
from graph.files import replace_file
from ingest.text.encoder import SentenceEncoder
from ingest.text.models import TextModel
from ingest.text.portable import PortableEncoder, PortableModel, WeightFormat

MIN_MEAN_AGREEMENT, MIN_LOW_AGREEMENT = 0.99, 0.98
"""Mean and 1 % quantile of the cosine to the original below which int8 weights are not taken."""
SAMPLE = 256
"""Texts that the agreement is measured on."""
FORMAT = 1
_BATCH = 32


def portable_model(
    model: TextModel, texts: Sequence[str], *, cache_dir: Path, max_tokens: int = 64
) -> tuple[PortableModel, bool]:
    """The model as data that serving can run, and whether it was exported just now.

    The weights of the matrix products become int8 if the vectors of ``texts`` stay close to the original's
    (:data:`MIN_MEAN_AGREEMENT`, :data:`MIN_LOW_AGREEMENT`), else they stay float32. Exports are kept under
    ``cache_dir``, by model.

    Raises:
        MissingExtra: when it has to be exported and the ``train`` extra is not installed.
    """
    folder = cache_dir / f"portable-{FORMAT}-{model.identity}-{max_tokens}"
    network, document = folder / "network.onnx", folder / "model.json"
    if document.is_file() and network.is_file():
        content, known = network.read_bytes(), json.loads(document.read_text())
        if known.pop("sha256", None) == hashlib.sha256(content).hexdigest():  # a damaged one is made again
            return PortableModel.of(content, known), False
    exported = _exported(model, texts, max_tokens)
    folder.mkdir(parents=True, exist_ok=True)
    replace_file(network, exported.network)
    described = exported.document() | {"sha256": hashlib.sha256(exported.network).hexdigest()}
    replace_file(document, json.dumps(described, ensure_ascii=False).encode())
    return exported, True


def _exported(model: TextModel, texts: Sequence[str], max_tokens: int) -> PortableModel:
    try:
        import onnx  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise MissingExtra(
            "the text encoder cannot be exported: onnx and onnxscript are not installed",
            remedy='Install them with: pip install "kindred[train]".',
        ) from error
    original = SentenceEncoder(model, max_tokens=max_tokens, device="cpu")
    tokenizer = (model.directory / "tokenizer.json").read_text(encoding="utf-8")
    sample = [text for text in dict.fromkeys(texts) if text.strip()][:SAMPLE] or ["a text"]
    expected = np.concatenate([original.encode(sample[at : at + _BATCH]) for at in range(0, len(sample), _BATCH)])
    with tempfile.TemporaryDirectory() as folder:
        exact, small = Path(folder) / "exact.onnx", Path(folder) / "small.onnx"
        _export(original, exact)

        def measured(path: Path, weights: WeightFormat) -> tuple[PortableModel, float]:
            candidate = PortableModel(
                path.read_bytes(), tokenizer, model.identity, original.width, max_tokens, weights, 1.0
            )
            encoder = PortableEncoder(candidate)
            rows = [encoder.encode(sample[at : at + _BATCH]) for at in range(0, len(sample), _BATCH)]
            cosine = (np.concatenate(rows) * expected).sum(axis=1)
            agreement = float(cosine.mean())
            kept = PortableModel(
                candidate.network, tokenizer, model.identity, original.width, max_tokens, weights, agreement
            )
            return kept, float(np.quantile(cosine, 0.01))

        _quantize(exact, small)
        quantized, low = measured(small, "int8")
        if quantized.agreement >= MIN_MEAN_AGREEMENT and low >= MIN_LOW_AGREEMENT:
            return quantized
        return measured(exact, "float32")[0]


def _export(original: SentenceEncoder, target: Path) -> None:
    """The whole model, pooling included, traced by torch's exporter."""
    import torch

    class Sentence(torch.nn.Module):
        def __init__(self, inner: torch.nn.Module) -> None:
            super().__init__()
            self.inner = inner

        def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
            features = self.inner({"input_ids": input_ids, "attention_mask": attention_mask})
            vectors: torch.Tensor = features["sentence_embedding"]
            return vectors

    ids = torch.randint(5, 100, (3, 17), generator=torch.Generator().manual_seed(1))
    mask = torch.ones_like(ids)
    mask[1, 10:] = 0
    shape = {0: torch.export.Dim("batch"), 1: torch.export.Dim("length", min=2, max=512)}
    with _quiet(), torch.no_grad():
        torch.onnx.export(
            Sentence(original.module).eval(),
            (ids, mask),
            str(target),
            dynamo=True,
            input_names=["input_ids", "attention_mask"],
            output_names=["vectors"],
            dynamic_shapes={"input_ids": shape, "attention_mask": shape},
            external_data=False,
            verbose=False,
        )


def _quantize(source: Path, target: Path) -> None:
    """int8 weights, but not where a layer narrows again: the values there spread too far for 256 steps."""
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic

    graph = onnx.load(str(source)).graph
    shapes = {tensor.name: tuple(tensor.dims) for tensor in graph.initializer}
    narrowing = [
        node.name
        for node in graph.node
        if node.op_type == "MatMul"
        and any(len(shape) == 2 and shape[0] > shape[1] for name in node.input if (shape := shapes.get(name)))
    ]
    with _quiet():
        quantize_dynamic(
            str(source), str(target), per_channel=True, weight_type=QuantType.QInt8, nodes_to_exclude=narrowing
        )


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the exporter's remarks on packages that are not there and axes it renames."""
    loggers: list[Any] = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript", "onnx_ir", "root")]
    loggers[-1] = logging.getLogger()
    before = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, before, strict=True):
            logger.setLevel(level)
