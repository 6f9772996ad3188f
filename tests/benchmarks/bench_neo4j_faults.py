"""What faults of a real server, or of the line to it, cost the store: the longest wait, and the way back."""

from __future__ import annotations

from typing import Any

from graph.store import open_store
from tests.benchmarks.bench_neo4j_edits import server
from tests.neo4j.faults import DEADLINE_S, FAULTS, HEALED_S, MARGIN_S, PURCHASED
from tests.neo4j.weathering import ATTEMPTS, weathered, write_over_a_cutting_line


def measure(writes: int = 400, cut_percent: int = 8) -> list[dict[str, Any]]:
    """Rows of ``name, ours, peer, ratio, unit, goal, met``. No peer: left alone, the driver waits a minute."""
    rows: list[dict[str, Any]] = []
    with server() as neo4j:
        write_over_a_cutting_line(neo4j, writes, cut_percent)
        with open_store(neo4j.patient_url) as store:
            stored = sum(batch.num_rows for batch in store.export_edges(PURCHASED))
        named = f"{writes} writes, {cut_percent} % of the exchanges cut"
        rows.append(_row(f"{named}: lost or there twice", abs(stored - writes), "writes", 0))
        for fault in FAULTS:
            neo4j.empty()
            found = weathered(neo4j, fault)
            slowest = max(found.seconds)
            rows.append(
                _row(f"{fault.name}: longest of {2 * ATTEMPTS} calls refused", slowest, "s", DEADLINE_S + MARGIN_S)
            )
            rows.append(_row(f"{fault.name}: well again after", found.healed_s, "s", HEALED_S))
    return rows


def _row(name: str, ours: float, unit: str, goal: float) -> dict[str, Any]:
    shown = round(ours, 3) if isinstance(ours, float) else ours
    figures = {"ours": shown, "peer": None, "ratio": None, "unit": unit, "goal": goal, "met": ours <= goal}
    return {"name": f"Faults: {name}", **figures}
