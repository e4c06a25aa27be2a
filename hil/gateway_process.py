"""What every gateway process does at its start: attach to the core's memory."""

from __future__ import annotations

import os

from hil import segment
from hil.runspec import RunSpec
from protocols.gateway import Gateway
from protocols.status_events import StatusEvents
from rtcore.board import Board
from rtcore.ring import EventReader, Producer, RingPair

CORE_MEMORY_S = 20.0
"""How long a gateway waits for the core to make its memory; the core does that first thing [s]."""


def attach(spec: RunSpec, producer: str, *, has_events: bool = False) -> Gateway:
    """Attach the core's board, its events where wanted (both read-only), and this producer's rings.

    The process id keeps the command ids of this process apart from its predecessor's.
    """
    board = Board(segment.attach(spec.board_path, wait_s=CORE_MEMORY_S), len(spec.points))
    board.check()
    pair = RingPair(segment.attach(spec.ring_path(producer), writable=True))
    pair.check()
    events = StatusEvents(EventReader(segment.attach(spec.events_path))) if has_events else None
    return Gateway(spec.points, board, Producer(pair, os.getpid() & 0x7FFFFFFF), events)
