"""An event ring in memory with its writer in Python, and small stations to record."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Any

import numpy as np

from hil import segment
from hil.runspec import RunSpec
from rtcore import board as bd
from rtcore import ring as rg
from rtcore.commands import RECORD_WORDS
from rtcore.points import Kind, Point

UTC_NS = 1_700_000_000_000_000_000


def point(tag: str, kind: Kind = Kind.STATUS, deadband: float = 0.0, **more: Any) -> Point:
    row: dict[str, Any] = {
        "device": tag.rpartition(".")[0],
        "template": "t",
        "source": "breaker.x",
        "attr": "a",
        "unit": "",
        "minimum": 0.0,
        "maximum": 1.0,
        "instrument": "",
        "description": "",
        "wire": {},
        "states": ("open", "closed") if kind is Kind.STATUS else None,
    }
    return Point(tag=tag, kind=kind, deadband=deadband, **(row | more))


POINTS = [point("CB1.POS"), point("CB2.POS"), point("CB1.IA", Kind.ANALOG, 0.5)]


class Ring:
    """The core's end of an event ring."""

    def __init__(self, buffer: Any = None) -> None:
        self.buffer = bytearray(rg.EVENT_BYTES) if buffer is None else buffer
        self._words = np.frombuffer(self.buffer, np.int64)[rg.HEADER_WORDS :]

    @property
    def head(self) -> int:
        return int(self._words[rg.HEAD])

    def push(self, n: int = 1, kind: int = rg.EVENT_STATUS, **columns: int) -> None:
        """Append events; unless said otherwise each has its position for a step."""
        for _ in range(n):
            head = self.head
            at = rg.RECORDS_AT + head % rg.EVENT_CAPACITY * RECORD_WORDS
            old = columns.get("old", head % 2)
            row = [columns.get("step", head), UTC_NS + head, kind, columns.get("target", head % 2)]
            row += [old, columns.get("new", 1 - old), columns.get("cause", 0), 0]
            self._words[at : at + RECORD_WORDS] = row
            self._words[rg.HEAD] = head + 1


def make_spec(folder: Path, points: list[Point] = POINTS, **settings: Any) -> RunSpec:
    """A run without a core: its memory is made by ``make_memory``."""
    station = folder / "small.toml"
    station.write_text("[station]\n")
    recorder = {
        "runs": 5, "runs_mb": 1000, "trend_ms": 100.0, "trends_mb": 100, "rotate_min": 60.0, "rotate_mb": 10,
        "min_free_mb": 0,
        "configuration": {"network": "0" * 64},
        "disturbances": {"relays": [], "triggers": []},
    }  # fmt: skip
    core = {
        "station": str(station), "dt_ns": 1_000_000, "period_ns": 1_000_000, "speed": 1.0, "seed": 1,
        "duration_s": None, "run_id": secrets.token_hex(4),
    }  # fmt: skip
    for name in ("run", "state"):
        (folder / name).mkdir(exist_ok=True)
    return RunSpec(
        name="small",
        station="Small",
        run_dir=folder / "run",
        state_dir=folder / "state",
        points=points,
        stamps=[],
        modbus={},
        opcua={},
        core=core,
        started_utc_ns=UTC_NS,
        recorder=recorder | settings,
    )


def make_memory(spec: RunSpec) -> tuple[Ring, bd.Board]:
    """Return the core's event ring and board of a run, in files."""
    n = len(spec.points)
    ring = Ring(segment.create(spec.events_path, rg.EVENT_BYTES))
    board = bd.Board(segment.create(spec.board_path, bd.board_bytes(n)), n)
    board.format(1)
    return ring, board


def publish(board: bd.Board, step: int, values: list[float], quality: int = 0) -> None:
    image = bd.blank_image(board.n_values)
    image.meta[bd.M_STEP], image.meta[bd.M_UTC_NS] = step, UTC_NS + step * 1_000_000
    image.values[:], image.quality[:] = values, quality
    board.publish(step, image)
