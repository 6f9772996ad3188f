"""What is given is kept, bounded and nameless, and clicks and conversions are counted from it."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path
from typing import Any

import pytest

from api.events import given as given_module
from api.events.attribution import report_on
from api.events.given import Given, GivenLog, Outcome, Record, read_given, segments
from api.http.envelope import Envelope, ListedItem, ReleaseName
from tests.api.http_world import run, running

DAY_MS = 86_400_000


def listed(name: str, kind: str = "recommendations", items: tuple[str, ...] = ("a", "b"), t: int = 0) -> Given:
    return Given(
        t, name, kind, "r1", items, tuple(("walk", "text") if at == 0 else ("walk",) for at in range(len(items)))
    )


def came(name: str, item: str, kind: str, event: str, t: int = 1000, value: float = 1.0) -> Outcome:
    return Outcome(t, name, event, item, kind, value)


def test_rates_by_kind_source_and_rank() -> None:
    records: list[Record] = [
        listed("one"),
        listed("two", "related:similar"),
        came("one", "a", "view", "e1"),
        came("one", "a", "purchase", "e2", value=3.0),
        came("two", "b", "purchase", "e3", value=2.0),
    ]
    report = report_on(records).to_json()
    total: Any = report["total"]
    assert (total["lists"], total["items_shown"], total["clicks"], total["conversions"]) == (2, 4, 1, 2)
    assert (total["ctr"], total["conversion"], total["list_ctr"], total["list_conversion"]) == (0.25, 0.5, 0.5, 1.0)
    assert total["value"] == 5.0
    kinds: Any = report["by_kind"]
    assert (kinds["recommendations"]["clicks"], kinds["related:similar"]["clicks"]) == (1, 0)
    sources: Any = report["by_source"]
    assert (sources["walk"]["items_shown"], sources["text"]["items_shown"]) == (3.0, 1.0)
    assert (sources["walk"]["conversions"], sources["text"]["conversions"]) == (1.5, 0.5)
    ranks: Any = report["by_rank"]
    assert (ranks["1"]["clicks"], ranks["2-3"]["conversions"]) == (1, 1)


def test_repetitions_strangers_and_late_comers_do_not_count() -> None:
    records: list[Record] = [
        listed("one"),
        came("one", "a", "view", "e1"),
        came("one", "a", "view", "e1"),
        came("one", "a", "view", "e2"),
        came("one", "z", "view", "e3"),
        came("ghost", "a", "view", "e4"),
        came("one", "b", "view", "e5", t=8 * DAY_MS),
    ]
    report = report_on(records)
    assert (report.total.clicks, report.total.lists_clicked, report.unmatched) == (1, 1, 3)
    assert report_on([]).to_json()["unmatched_events"] == 0


def envelope(name: str, size: int = 2) -> Envelope:
    items = [ListedItem(f"item-{at}", 1.0, at + 1, ("walk",)) for at in range(size)]
    return Envelope(name, items, None, (), ReleaseName("r1", "now"), "1", False, None, 1.0)


def written(log: GivenLog, *names: str, size: int = 2) -> None:
    log._write([Given(0, name, "k", "r", ("i",) * size, (("walk",),) * size) for name in names])


def test_what_is_noted_is_read_again_after_a_restart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(given_module, "FLUSH_S", 0.01)
    for round_number in range(2):
        log = GivenLog(tmp_path)
        log.start()
        for number in range(50):
            log.note(envelope(f"list-{round_number}-{number}"), "recommendations")
        log.close()
    kept = [record.id for record in read_given(tmp_path)]
    assert sorted(kept) == sorted(f"list-{r}-{n}" for r in range(2) for n in range(50))
    assert log.dropped == 0


def test_a_broken_line_is_skipped(tmp_path: Path) -> None:
    log = GivenLog(tmp_path)
    written(log, "whole")
    path = segments(tmp_path)[0]
    path.write_bytes(path.read_bytes() + b'{"r":"given","t":0,"id":"half')
    assert [record.id for record in read_given(tmp_path)] == ["whole"]


def test_the_log_is_bounded_by_size_and_age(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(given_module, "SEGMENT_BYTES", 2_000)
    log = GivenLog(tmp_path, megabytes=10_000 / (1 << 20))
    for number in range(100):
        written(log, f"list-{number}", size=40)
    assert sum(path.stat().st_size for path in segments(tmp_path)) <= 12_000
    kept = [record.id for record in read_given(tmp_path)]
    assert "list-99" in kept
    assert "list-0" not in kept
    for path in segments(tmp_path):
        os.utime(path, (0, 0))
    written(GivenLog(tmp_path, days=1), "new")
    assert [record.id for record in read_given(tmp_path)] == ["new"]


def test_answers_do_not_wait_for_the_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(given_module, "WAITING", 10)
    log = GivenLog(tmp_path)  # never started: the queue fills up
    began = time.perf_counter()
    for number in range(1000):
        log.note(envelope(str(number)), "recommendations")
    assert time.perf_counter() - began < 1.0
    assert log.dropped == 990


def test_lists_and_their_events_over_http(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(given_module, "FLUSH_S", 0.01)

    async def scenario() -> None:
        async with running(tmp_path) as world:
            answer = (await world.get("/v1/users/u0/recommendations?n=2")).json()
            await world.get("/v1/items/i0/related?n=2")
            event = {
                "event_id": "e1",
                "user_id": "u0",
                "item_id": answer["items"][0]["item_id"],
                "kind": "purchase",
                "recommendation_id": answer["recommendation_id"],
            }
            for _ in range(2):
                assert (await world.post("/v1/events", event)).status_code == 200
            await asyncio.sleep(0)

    run(scenario())
    records = list(read_given(tmp_path / "work" / "given"))
    report = report_on(records)
    assert (report.total.lists, report.total.conversions, report.unmatched) == (2, 1, 0)
    assert set(report.by_kind) == {"recommendations", "related:similar"}
    text = b"".join(path.read_bytes() for path in segments(tmp_path / "work" / "given"))
    assert b'"u0"' not in text, "nobody is named"


def test_a_list_given_again_is_told_once_a_segment_and_read_as_if_each_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(given_module, "SEGMENT_BYTES", 4_000)
    log = GivenLog(tmp_path)
    first = envelope("first", size=20)
    tail = given_module.given_tail(first, "recommendations")
    for part in range(30):
        log._write([given_module._Kept(part, f"{part}-{at}", tail) for at in range(5)])
    files = segments(tmp_path)
    assert len(files) > 1
    assert all(path.read_bytes().count(tail) == 1 for path in files)
    assert sum(path.stat().st_size for path in files) < 30 * 5 * len(tail) / 3
    kept = list(read_given(tmp_path))
    assert sorted(record.id for record in kept) == sorted(f"{part}-{at}" for part in range(30) for at in range(5))
    assert {(record.items, record.kind) for record in kept if isinstance(record, Given)} == {
        (tuple(item.item_id for item in first.items), "recommendations")
    }
    path = files[0]
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[1:]))
    assert len(list(read_given(tmp_path))) < len(kept)  # what names a line that is lost is skipped, not misread
