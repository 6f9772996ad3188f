"""Where torch computes, and with how many threads."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from graph.errors import InputError


def device_named(name: str) -> torch.device:
    """The device for ``auto`` (a GPU if there is one), ``cpu``, ``cuda`` or ``cuda:N``.

    Raises:
        InputError: for another name, or a GPU that is not there.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    kind, _, number = name.partition(":")
    if kind not in ("cpu", "cuda") or (number and not number.isdigit()):
        raise InputError("unknown device", expected="auto, cpu, cuda or cuda:N", got=name)
    if kind == "cuda" and int(number or 0) >= torch.cuda.device_count():
        raise InputError(
            "the device is not there",
            expected=f"one of {torch.cuda.device_count()} GPUs",
            got=name,
            remedy="Use --device auto or --device cpu.",
        )
    return torch.device(name)


@contextmanager
def threads(count: int | None) -> Iterator[int]:
    """Torch with ``count`` CPU threads inside the block; yields how many there are."""
    before = torch.get_num_threads()
    if count is not None:
        torch.set_num_threads(count)
    try:
        yield torch.get_num_threads()
    finally:
        torch.set_num_threads(before)


@contextmanager
def repeatable(device: torch.device) -> Iterator[None]:
    """On a CPU, sums in the same order every time inside the block, whatever the number of threads.

    Torch adds up the gradient of ``rows[index]`` from all threads at once otherwise, in the order they happen to come
    by; that costs as much, and two runs differ in their last digits. On a GPU nothing changes: what it would cost
    there is not measured.
    """
    before = torch.are_deterministic_algorithms_enabled()
    warned = torch.is_deterministic_algorithms_warn_only_enabled()
    if device.type == "cpu":
        torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before, warn_only=warned)
