"""Which garbage collector a server's JVM gets."""

from __future__ import annotations

import pytest

from graph.neo4j.server.process import collector_option


@pytest.mark.parametrize(
    ("heap", "collector"),
    [("512m", "Parallel"), ("2g", "Parallel"), ("4G", "Parallel"), ("4097m", "G1"), ("16g", "G1"), ("a lot", "G1")],
)
def test_a_small_heap_is_collected_in_parallel(heap: str, collector: str) -> None:
    assert collector_option(heap) == f"-XX:+Use{collector}GC"
