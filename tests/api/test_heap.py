"""What survives a full collection is not looked through again, and is freed all the same."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator

import pytest

from api.serving.heap import settle_heap


class Thing:
    """Something that can be watched."""


@pytest.fixture
def settled() -> Iterator[None]:
    """A process whose heap is settled; as before afterwards."""
    thresholds, callbacks = gc.get_threshold(), list(gc.callbacks)
    settle_heap()
    yield
    gc.callbacks[:] = callbacks
    gc.set_threshold(*thresholds)
    gc.unfreeze()


@pytest.mark.usefixtures("settled")
def test_survivors_of_a_full_collection_are_not_looked_through_again() -> None:
    kept = [Thing() for _ in range(1000)]
    gc.collect()
    assert gc.get_freeze_count() >= 1000
    assert not any(isinstance(each, Thing) for each in gc.get_objects())
    assert len(kept) == 1000


@pytest.mark.usefixtures("settled")
def test_what_nobody_refers_to_any_more_is_freed_at_once() -> None:
    thing = Thing()
    gc.collect()
    watched = weakref.ref(thing)
    del thing
    assert watched() is None


@pytest.mark.usefixtures("settled")
def test_a_circle_made_later_is_still_collected() -> None:
    gc.collect()
    thing = Thing()
    thing.itself = thing  # type: ignore[attr-defined]
    watched = weakref.ref(thing)
    del thing
    gc.collect()
    assert watched() is None
