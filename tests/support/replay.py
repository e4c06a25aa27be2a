"""What the plant of a live station did, computed again from its seed and its audit journals."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from hil.runspec import PRODUCERS, RunSpec
from hil.station import load_setup
from rtcore import board as bd
from rtcore.board import Snapshot
from rtcore.engine import Engine
from tests.support.station import Station

Command = tuple[int, list[tuple[str, float]]]


def commands_of(journals: dict[str, list[dict[str, Any]]]) -> list[Command]:
    """Return (step, writes) of every group that took effect, in the order of their effect.

    The core serves one ring after the other at each step. Within a ring the order is that in
    which the wishes were put on record; one master has one wish at a time under way.
    """
    found: list[tuple[int, int, int, list[tuple[str, float]]]] = []
    for place, producer in enumerate(PRODUCERS):
        sent: dict[str, list[dict[str, Any]]] = {}
        for record in journals.get(producer, []):
            if record["event"] == "command":
                sent.setdefault(_key(record), []).append(record)
            elif record["event"] == "verdict":
                wish = sent[_key(record)].pop(0)
                if record["result"] == "DONE":
                    writes = [(tag, float(value)) for tag, value in record["writes"]]
                    found.append((record["step"], place, wish["seq"], writes))
    return [(step, writes) for step, _, _, writes in sorted(found, key=lambda f: f[:3])]


def _key(record: dict[str, Any]) -> str:
    return repr((record["peer"], record["user"], record["via"], record["writes"]))


class Replay:
    """The engine of a live station, fed with the same commands at the same steps."""

    def __init__(self, spec: RunSpec, commands: Iterable[Command]) -> None:
        self.engine = Engine(load_setup(spec.core["station"], spec.core["dt_ns"], spec.core))
        self._commands = list(commands)

    @classmethod
    def of(cls, station: Station) -> Replay:
        """Return the replay of a station from what its journals say by now."""
        return cls(station.spec, commands_of({p: station.journal(p) for p in ("modbus", "opcua")}))

    def at(self, steps: Iterable[int]) -> Iterator[tuple[Snapshot, int]]:
        """Yield (snapshot, digest) of these steps, in ascending order."""
        for step in sorted(set(steps)):
            self._advance(step)
            image = bd.Image(self.engine.world.image, len(self.engine.points))
            yield _snapshot(image), self.engine.digest

    def _advance(self, step: int) -> None:
        """Run until ``step`` has been done."""
        while self._commands and self._commands[0][0] <= step:
            at, writes = self._commands.pop(0)
            assert at >= self.engine.n_steps, f"command of step {at} comes after step {self.engine.n_steps}"
            self.engine.step(at - self.engine.n_steps)
            self.engine.command(writes)
            if not self._commands or self._commands[0][0] > at:
                self.engine.step()
                assert all(v.is_done for v in self.engine.verdicts().values())
        self.engine.step(step + 1 - self.engine.n_steps)


def _snapshot(image: bd.Image) -> Snapshot:
    m, values, quality = image.meta, image.values, image.quality
    return Snapshot(
        step=int(m[bd.M_STEP]),
        utc_ns=int(m[bd.M_UTC_NS]),
        mono_ns=int(m[bd.M_MONO_NS]),
        sim_ns=int(m[bd.M_SIM_NS]),
        dt_ns=int(m[bd.M_DT_NS]),
        flags=int(m[bd.M_FLAGS]),
        digest=int(m[bd.M_DIGEST]),
        values=values.copy(),
        quality=quality.copy(),
    )


def health_mask(engine: Engine) -> npt.NDArray[np.bool_]:
    """Return which points depend on the host and not on the plant."""
    return np.array([p.is_health for p in engine.points], np.bool_)
