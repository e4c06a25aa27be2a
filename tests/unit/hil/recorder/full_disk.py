"""Run on a small disk of its own by ``test_room``: fill it, let events come, say what became of them."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from hil.recorder.event_tail import EventTail
from hil.recorder.journal import Journal, frames
from hil.recorder.room import Room, free_bytes
from hil.recorder.soe import Namer, Soe
from hil.recorder.soe_writer import SoeWriter
from tests.unit.hil.recorder.ring_rig import POINTS, Ring

MB = 1 << 20
N_EVENTS = 20_000


def main(disk: Path) -> None:
    runs = disk / "runs"
    for run in ("1-old", "2-new"):
        (runs / run / "trends").mkdir(parents=True)
        for k in range(4):
            (runs / run / "trends" / f"part-{k:08d}.parquet").write_bytes(bytes(MB))
    room = Room(runs, 0, 10**9, reserve_bytes=MB)
    room.look()
    journal = Journal(runs / "2-new" / "soe.journal")
    ballast = (disk / "ballast").open("wb", buffering=0)
    try:
        while True:
            ballast.write(bytes(4096))
    except OSError:
        pass
    free_before, n_refused = free_bytes(disk), 0

    def make_room() -> None:
        nonlocal n_refused
        n_refused += 1
        room.make()

    ring = Ring()
    writer = SoeWriter(
        EventTail(ring.buffer), Namer(POINTS, ()), journal, lambda: "0", lambda _at, _seq: None, make_room
    )
    while journal.seq < N_EVENTS:
        ring.push(min(500, N_EVENTS - ring.head))
        while writer.turn() or journal.seq < ring.head:
            pass
    found = {
        "free_before": free_before,
        "n_refused": n_refused,
        "n_events": N_EVENTS,
        "positions": [Soe.decode(f.body).pos for f in frames(journal.path)],
        "state": room.state,
        "trends": [str(p.relative_to(runs)) for p in room.trends()],
    }
    sys.stdout.write(json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
