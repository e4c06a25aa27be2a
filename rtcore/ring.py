"""Rings: bounded single-producer single-consumer queues in memory handed to both sides.

One segment per producer holds two rings: commands towards the core and verdicts back.
Head and tail are monotonic counters in cache lines of their own; a record becomes visible
with the store of head, which comes last. numpy only; the core's side is compiled in
``rtcore.shared_kernels``.  Relies on x86-64 store order.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from rtcore.board import Words
from rtcore.commands import (
    C_APPLY_STEP,
    C_CREATED_NS,
    C_GROUP_N,
    C_ID,
    C_SPARE,
    C_TARGET,
    C_TTL_NS,
    C_VALUE,
    GROUP_MAX,
    RECORD_WORDS,
    TTL_DEFAULT_NS,
    V_ID,
    V_REASON,
    V_STEP,
    V_VALUE,
    Reason,
    Verdict,
)

MAGIC = int.from_bytes(b"GHRINGS1", "little")
CAPACITY = 1024
HEADER_WORDS = 8
HEAD, TAIL, RECORDS_AT = 0, 8, 16
RING_WORDS = RECORDS_AT + CAPACITY * RECORD_WORDS
PAIR_BYTES = 8 * (HEADER_WORDS + 2 * RING_WORDS)

# An event ring has one writer and any number of readers, each with its own cursor.
E_STEP, E_UTC_NS, E_KIND, E_TARGET, E_OLD, E_NEW, E_CAUSE, E_SPARE = range(8)
EVENT_STATUS, EVENT_COMMAND, EVENT_OVERRUN, EVENT_SLIP, EVENT_NOT_CONVERGED, EVENT_FP = range(1, 7)
"""Kinds of event records."""

EVENT_CAPACITY = 8192
EVENT_BYTES = 8 * (HEADER_WORDS + RECORDS_AT + EVENT_CAPACITY * RECORD_WORDS)


def float_bits(value: float) -> int:
    """Return the bits of a float64 as int64."""
    return int(np.float64(value).view(np.int64))


def bits_float(bits: int) -> float:
    """Return the float64 with these bits."""
    return float(np.int64(bits).view(np.float64))


class RingPair:
    """Command ring and verdict ring of one producer."""

    def __init__(self, buffer: Any) -> None:
        words: Words = np.frombuffer(buffer, np.int64)
        if len(words) * 8 < PAIR_BYTES:  # kernels do not check where they write
            raise ValueError(f"a ring pair takes {PAIR_BYTES} bytes, not {len(words) * 8}")
        self.header = words[:HEADER_WORDS]
        self.commands = words[HEADER_WORDS : HEADER_WORDS + RING_WORDS]
        self.verdicts = words[HEADER_WORDS + RING_WORDS : HEADER_WORDS + 2 * RING_WORDS]

    def format(self) -> None:
        """Write the header; the owner calls it once."""
        self.header[0] = MAGIC

    def check(self) -> None:
        """Raise ValueError when the memory is not a ring pair."""
        if int(self.header[0]) != MAGIC:
            raise ValueError("not a ring pair")


class Producer:
    """The gateway's end: pushes command groups, collects verdicts.

    A restarted producer goes on from the heads in shared memory; ``incarnation`` keeps its
    command ids apart from those of its predecessor, whose verdicts it skips.
    """

    def __init__(self, pair: RingPair, incarnation: int) -> None:
        self._commands, self._verdicts = pair.commands, pair.verdicts
        self._incarnation = incarnation
        self._next_id = (incarnation << 32) + 1
        self._verdicts[TAIL] = self._verdicts[HEAD]

    def push(
        self,
        writes: Sequence[tuple[int, float]],
        now_mono_ns: int,
        ttl_ns: int = TTL_DEFAULT_NS,
        apply_step: int = -1,
    ) -> list[int] | None:
        """Queue one group of (point index, value); None when the ring has no room for all of it."""
        n = len(writes)
        assert 0 < n <= GROUP_MAX, f"group of {n} commands, allowed 1..{GROUP_MAX}"
        ring = self._commands
        head = int(ring[HEAD])
        if head + n - int(ring[TAIL]) > CAPACITY:
            return None
        ids = []
        for k, (target, value) in enumerate(writes):
            at = RECORDS_AT + (head + k) % CAPACITY * RECORD_WORDS
            record = ring[at : at + RECORD_WORDS]
            record[C_ID] = self._next_id
            record[C_TARGET] = target
            record[C_VALUE] = float_bits(value)
            record[C_CREATED_NS] = now_mono_ns
            record[C_TTL_NS] = ttl_ns
            record[C_APPLY_STEP] = apply_step
            record[C_GROUP_N] = n - k
            record[C_SPARE] = 0
            ids.append(self._next_id)
            self._next_id += 1
        ring[HEAD] = head + n
        return ids

    def poll(self) -> dict[int, Verdict]:
        """Take every verdict that has arrived for this incarnation, by command id."""
        ring = self._verdicts
        found: dict[int, Verdict] = {}
        tail, head = int(ring[TAIL]), int(ring[HEAD])
        while tail < head:
            at = RECORDS_AT + tail % CAPACITY * RECORD_WORDS
            r = ring[at : at + RECORD_WORDS]
            if int(r[V_ID]) >> 32 == self._incarnation:
                reason = Reason(int(r[V_REASON]))
                found[int(r[V_ID])] = Verdict(reason, int(r[V_STEP]), bits_float(int(r[V_VALUE])))
            tail += 1
        ring[TAIL] = tail
        return found


class EventReader:
    """One reader's cursor into the event ring; counts what it was too slow to see."""

    def __init__(self, buffer: Any, *, from_start: bool = False) -> None:
        self._words: Words = np.frombuffer(buffer, np.int64)[HEADER_WORDS:]
        head = int(self._words[HEAD])
        self._next = max(0, head - EVENT_CAPACITY + 1) if from_start else head
        self.n_lost = self._next if from_start else 0

    def take(self, limit: int = EVENT_CAPACITY) -> list[tuple[int, ...]]:
        """Return the records that arrived since the last call, oldest first."""
        out: list[tuple[int, ...]] = []
        while self._next < int(self._words[HEAD]) and len(out) < limit:
            at = RECORDS_AT + self._next % EVENT_CAPACITY * RECORD_WORDS
            record = tuple(int(w) for w in self._words[at : at + RECORD_WORDS])
            behind = int(self._words[HEAD]) - self._next
            if behind > EVENT_CAPACITY - 1:  # overwritten while we looked
                skip = behind - EVENT_CAPACITY // 2
                self.n_lost += skip
                self._next += skip
                continue
            out.append(record)
            self._next += 1
        return out
