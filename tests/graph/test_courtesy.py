"""A courteous thread stands back between its steps, and no other thread does."""

from __future__ import annotations

import threading

import pytest

from graph import courtesy
from graph.courtesy import LONGEST_S, WORKS_S, courteous, stand_back


class Clock:
    """Time that passes only by working and by standing back."""

    def __init__(self) -> None:
        self.now = 100.0
        self.slept: list[float] = []

    def perf_counter(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds

    def stood_back_s(self, after_s: float) -> float:
        """For how long a thread stands back after so much work; 0 where it goes on."""
        self.now += after_s
        before = len(self.slept)
        stand_back()
        return sum(self.slept[before:])


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    found = Clock()
    monkeypatch.setattr(courtesy, "time", found)
    return found


def test_a_courteous_thread_stands_back_after_work_for_a_bounded_time(clock: Clock) -> None:
    with courteous():
        assert clock.stood_back_s(WORKS_S / 2) == 0
        assert clock.stood_back_s(WORKS_S) == pytest.approx(6 * WORKS_S)  # what was left from before counts
        assert clock.stood_back_s(WORKS_S / 2) == 0
        assert clock.stood_back_s(10 * LONGEST_S) == LONGEST_S
    assert clock.stood_back_s(10 * LONGEST_S) == 0


def test_no_other_thread_stands_back(clock: Clock) -> None:
    others: list[float] = []
    with courteous():
        thread = threading.Thread(target=lambda: others.append(clock.stood_back_s(10 * LONGEST_S)))
        thread.start()
        thread.join()
    assert others == [0]


def test_courtesy_within_courtesy_goes_on_outside(clock: Clock) -> None:
    with courteous():
        with courteous():
            pass
        assert clock.stood_back_s(LONGEST_S) == LONGEST_S
