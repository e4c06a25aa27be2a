"""The plant under a virtual clock: as fast as it can, bit-identical for the same inputs.

``Engine(setup).step(n)`` is the whole station without processes, sockets or wall clock.
Commands go through the same rings and checks as on a live station.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rtcore import board as bd
from rtcore import ring as rg
from rtcore.assemble import Setup, build_world
from rtcore.commands import Verdict
from rtcore.drive import drive_of, take_commands, take_step
from rtcore.jit import kernel
from rtcore.points import index_of
from rtcore.quality import Quality
from rtcore.world import K_DIGEST, T_DT, T_EPOCH, Words

VIRTUAL = 0
"""Producer number (cause) of commands given through ``Engine.command``."""


@kernel
def run_steps(drive, commands, verdicts, first, n):  # type: ignore[no-untyped-def]
    """Take ``n`` steps from step ``first`` on."""
    for step in range(first, first + n):
        now_ns = step * drive.times[T_DT]
        utc_ns = drive.times[T_EPOCH] + now_ns
        take_commands(drive, commands, verdicts, now_ns, step, utc_ns, VIRTUAL)
        take_step(drive, step, utc_ns)


class Engine:
    """One station in one process.

    Attributes
    ----------
    n_steps : int
        Steps done so far; the next step has this index.
    """

    def __init__(self, setup: Setup) -> None:
        self.setup = setup
        self.world, self.harmonics, self.grid = build_world(setup)
        self.drive = drive_of(self.world, self.harmonics)
        self.points = setup.points
        self.index = index_of(setup.points)
        self.n_steps = 0
        self.rings = rg.RingPair(bytearray(rg.PAIR_BYTES))
        self._producer = rg.Producer(self.rings, incarnation=0)
        self.events = rg.EventReader(_with_header(self.world.events), from_start=True)

    def step(self, n: int = 1) -> None:
        """Advance by ``n`` steps; commands given before are applied at the first boundary."""
        run_steps(self.drive, self.rings.commands, self.rings.verdicts, self.n_steps, n)
        self.n_steps += n

    def command(self, writes: Sequence[tuple[str, float]]) -> list[int]:
        """Queue one group of (tag, value) for the next step; returns command ids."""
        group = [(self.index[tag], value) for tag, value in writes]
        now_ns = self.n_steps * self.setup.clock.dt_ns
        ids = self._producer.push(group, now_ns)
        assert ids is not None, f"command ring full ({rg.CAPACITY} commands without a step)"
        return ids

    def verdicts(self) -> dict[int, Verdict]:
        """Take the verdicts that have arrived, by command id."""
        return self._producer.poll()

    def do(self, tag: str, value: float) -> Verdict:
        """Give one command, take one step, return its verdict."""
        (command_id,) = self.command([(tag, value)])
        self.step()
        return self.verdicts()[command_id]

    def value(self, tag: str) -> float:
        """Return the published value of a point."""
        return float(self.world.values[self.index[tag]])

    def quality(self, tag: str) -> Quality:
        """Return the published quality of a point."""
        return Quality(int(self.world.quality[self.index[tag]]))

    @property
    def image(self) -> bytes:
        """The published image of the last step, without the health points' values."""
        image = bd.Image(self.world.image.copy(), len(self.points))
        image.values[self.world.points.is_health != 0] = 0.0
        return image.words.tobytes()

    @property
    def digest(self) -> int:
        """Chained digest of the plant part of every image since step 0."""
        return int(self.world.counters[K_DIGEST])


def _with_header(events: Words) -> Words:
    """Return the event words with the header words that lie before them in memory."""
    base = events.base
    assert isinstance(base, np.ndarray)
    return base
