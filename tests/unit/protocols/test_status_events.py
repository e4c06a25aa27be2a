"""Changes of statuses out of the event ring: order, step by step, what was overwritten."""

from __future__ import annotations

import numpy as np

from protocols.status_events import StatusChange, StatusEvents
from rtcore import ring as rg


class Core:
    """Writes event records as the compiled core does."""

    def __init__(self) -> None:
        self.memory = bytearray(rg.EVENT_BYTES)
        self.words = np.frombuffer(self.memory, np.int64)[rg.HEADER_WORDS :]

    def push(self, step: int, target: int, new: int, utc_ns: int = 0, kind: int = rg.EVENT_STATUS) -> None:
        head = int(self.words[rg.HEAD])
        at = rg.RECORDS_AT + head % rg.EVENT_CAPACITY * rg.RECORD_WORDS
        self.words[at : at + rg.RECORD_WORDS] = (step, utc_ns, kind, target, 1 - new, new, 0, 0)
        self.words[rg.HEAD] = head + 1


def test_changes_come_in_order_up_to_the_step_and_once() -> None:
    core = Core()
    events = StatusEvents(rg.EventReader(core.memory))
    core.push(5, target=3, new=1, utc_ns=5_000_400)
    core.push(5, target=3, new=0, utc_ns=5_000_900)
    core.push(7, target=1, new=1, utc_ns=7_000_000)
    assert events.until(4) == []
    assert events.until(6) == [StatusChange(3, 1.0, 5_000_400), StatusChange(3, 0.0, 5_000_900)]
    assert events.until(6) == []
    assert events.until(7) == [StatusChange(1, 1.0, 7_000_000)]


def test_other_events_are_left_out() -> None:
    core = Core()
    events = StatusEvents(rg.EventReader(core.memory))
    core.push(1, target=0, new=1, kind=rg.EVENT_COMMAND)
    assert events.until(10) == []


def test_what_was_overwritten_is_counted_and_what_is_left_comes_in_order() -> None:
    core = Core()
    events = StatusEvents(rg.EventReader(core.memory))
    for k in range(2 * rg.EVENT_CAPACITY):
        core.push(k, target=k % 7, new=k % 2)
    found = events.until(10**9)
    assert events.n_lost + len(found) == 2 * rg.EVENT_CAPACITY
    assert events.n_lost > 0
    assert [c.point for c in found] == [k % 7 for k in range(events.n_lost, 2 * rg.EVENT_CAPACITY)]
