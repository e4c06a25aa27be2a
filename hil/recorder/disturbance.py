"""Disturbance recorder: what every relay saw, and every status, around a trigger, as a COMTRADE record.

Waveforms are synthesised from the phasors of the steps (``hil.recorder.waves``): records say so, and in
which rooms that makes them useless (relay front ends, anything below a cycle).
"""

from __future__ import annotations

import dataclasses as dc
import re
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import numpy.typing as npt

from hil.recorder import comtrade
from hil.recorder.comtrade import AnalogChannel, DigitalChannel, Record
from hil.recorder.time_quality import time_quality
from hil.recorder.waves import Complex, Jump, synthesise
from rtcore.ring import E_KIND, E_NEW, E_STEP, E_TARGET, EVENT_COMMAND, EVENT_STATUS
from rtcore.waves import WaveReader

PHASES = ("A", "B", "C")
JUMP_SHARE = 0.2
"""A current that changes by more than this share of its larger value within a step jumped."""
OPEN_SHARE = 0.01
"""With less than this share of the current before, it was interrupted."""
NOTES = (
    "Waveforms are synthesised from RMS phasors of a simulation, with the DC offset of an R-L circuit. "
    "They show what a phasor model knows and nothing below a cycle."
)

NAME = re.compile(r"\d{12}-[a-z]+-\d{8}T\d{6}Z")
"""Of a record's files: step, cause and UTC of its trigger, so that they sort in the order of steps."""
WHOLE = {".cfg", ".dat"}

Event = tuple[int, ...]


@dc.dataclass(frozen=True, slots=True, kw_only=True)
class RelayChannels:
    """What a record needs to know of a relay: the ratios and the time constant of its fault loop."""

    name: str
    ct_primary_a: float
    ct_secondary_a: float
    tau_s: float
    has_ct: bool
    has_vt: bool


@dc.dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is recorded and when.

    Attributes
    ----------
    digitals : sequence of (point, tag)
        Status points that are shown, by number.
    trips, commands : frozenset of int
        Points whose change to 1, or whose command, triggers.
    pre_s, post_s : float
        Length before and after the trigger [s].
    keep : int
        Records of a run that are kept, the newest ones.
    rate_hz : float
        Samples a second.
    """

    station: str
    f0_hz: float
    dt_s: float
    relays: Sequence[RelayChannels]
    digitals: Sequence[tuple[int, str]]
    trips: frozenset[int]
    commands: frozenset[int] = frozenset()
    pre_s: float = 0.5
    post_s: float = 1.0
    keep: int = 200
    rate_hz: float = 4800.0
    form: str = "BINARY32"
    single: bool = False


class DisturbanceRecorder:
    """Follows events, and writes a record when the time after a trigger is in the ring.

    A trigger within the record of another makes no record of its own. Records that are in the folder
    already, from before this process, are not made again.

    Parameters
    ----------
    states : mapping of int to int
        Value of each digital point before the first event that it is going to take.

    Attributes
    ----------
    n_written, n_missed : int
        Records written; triggers whose record was not: its steps were overwritten, or there was no room.
    """

    def __init__(self, plan: Plan, ring: WaveReader, folder: Path, states: Mapping[int, int]) -> None:
        self.plan, self._ring, self._folder = plan, ring, folder
        self._at = {point: k for k, (point, _) in enumerate(plan.digitals)}
        self._first = np.array([states.get(point, 0) for point, _ in plan.digitals], np.uint8)
        self._changes: deque[tuple[int, int, int]] = deque()
        self._pending: deque[tuple[int, str]] = deque()
        self._stems = _stems(folder)
        self._free_at = self._end_of(_step_of(self._stems[-1])) if self._stems else 0
        self.n_written = self.n_missed = 0

    @property
    def is_pending(self) -> bool:
        """Tell whether a trigger waits for its time after."""
        return bool(self._pending)

    def _end_of(self, step: int) -> int:
        """Return the first step after the record of a trigger."""
        return step + round(self.plan.post_s / self.plan.dt_s) + 1

    def take(self, events: Iterable[Event]) -> None:
        """Follow events, oldest first."""
        for e in events:
            if e[E_KIND] == EVENT_STATUS and e[E_TARGET] in self._at:
                self._changes.append((e[E_STEP], self._at[e[E_TARGET]], e[E_NEW]))
            if e[E_KIND] == EVENT_STATUS and e[E_NEW] == 1 and e[E_TARGET] in self.plan.trips:
                self.trigger(e[E_STEP], "trip")
            elif e[E_KIND] == EVENT_COMMAND and e[E_TARGET] in self.plan.commands:
                self.trigger(e[E_STEP], "command")

    def trigger(self, step: int, cause: str) -> None:
        """Ask for a record around a step; within the record of another trigger, nothing."""
        if step >= self._free_at:
            self._pending.append((step, cause))
            self._free_at = self._end_of(step)

    def poll(self, *, is_last: bool = False) -> list[Path]:
        """Write the oldest pending record if all of it is there; returns its files.

        Parameters
        ----------
        is_last : bool
            No more steps will come: it is written as far as they go.

        Raises
        ------
        OSError
            It cannot be written; nothing of it is left, and it counts as missed.
        """
        self._forget()
        if not self._pending:
            return []
        step, cause = self._pending[0]
        end = min(self._end_of(step), self._ring.n_written) if is_last else self._end_of(step)
        if not step < end <= self._ring.n_written:
            return []
        self._pending.popleft()
        first = max(0, step - round(self.plan.pre_s / self.plan.dt_s))
        self.n_missed += 1
        try:
            marks, phasors = self._ring.read(first, end)
        except LookupError:  # the recorder itself was held up for seconds
            return []
        record = self._record(marks, phasors, step - first)
        stem = self._folder / _name(step, cause, int(marks[step - first, 1]))
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            files = comtrade.write(record, stem, self.plan.form, single=self.plan.single)
        except OSError:
            _remove(stem)
            raise
        self.n_missed -= 1
        self.n_written += 1
        self._stems.append(stem)
        while len(self._stems) > self.plan.keep:
            _remove(self._stems.pop(0))
        return files

    def _forget(self) -> None:
        """Fold changes that no record can need any more into the first states."""
        oldest = self._ring.n_written - self._ring.capacity
        while self._changes and self._changes[0][0] < oldest:
            _, k, value = self._changes.popleft()
            self._first[k] = value

    def _record(self, marks: npt.NDArray[np.int64], phasors: Complex, at: int) -> Record:
        plan = self.plan
        chosen = [
            (r, q)
            for r, relay in enumerate(plan.relays)
            for q in range(6)
            if (relay.has_ct if q < 3 else relay.has_vt)
        ]
        flat = (
            np.stack([phasors[:, r, q] for r, q in chosen], axis=1)
            if chosen
            else phasors.reshape(len(marks), -1)[:, :0]
        )
        tau_s = np.array([plan.relays[r].tau_s if q < 3 else 0.0 for r, q in chosen])
        jumps = [
            Jump(k * plan.dt_s, np.where(_goes_on(flat, k), tau_s, 0.0)) for k in jumps_in(flat, tau_s > 0.0)
        ]
        start_s = float(marks[0, 0]) * plan.dt_s
        values = synthesise(flat, plan.dt_s, plan.rate_hz, plan.f0_hz, start_s, jumps)
        steps = marks[0, 0] + np.minimum(
            (np.arange(len(values)) / plan.rate_hz / plan.dt_s + 1e-9).astype(np.int64), len(marks) - 1
        )
        return Record(
            station=plan.station.replace(",", " "),
            device="gridhil",
            analogs=[_analog(plan.relays[r], q) for r, q in chosen],
            digitals=[DigitalChannel(name=tag) for _, tag in plan.digitals],
            values=values,
            states=self._states(steps),
            rate_hz=plan.rate_hz,
            line_hz=plan.f0_hz,
            # samples are evenly spaced, steps of a loop that was late are not: the trigger is where it shows
            start_utc_ns=int(marks[at, 1]) - round(at * plan.dt_s * 1e9),
            trigger_utc_ns=int(marks[at, 1]),
            time_quality=time_quality(),
            notes=NOTES,
        )

    def _states(self, steps: npt.NDArray[np.int64]) -> npt.NDArray[np.uint8]:
        """Return the digital channels at the step of every sample."""
        states = np.tile(self._first, (len(steps), 1))
        for step, k, value in self._changes:
            states[steps >= step, k] = value
        return states


def _stems(folder: Path) -> list[Path]:
    """Return the records of a folder without their endings, oldest first; those half written are removed."""
    for path in folder.glob("*.new") if folder.is_dir() else ():
        path.unlink()
    found: dict[Path, set[str]] = {}
    for path in folder.glob("*-*.*") if folder.is_dir() else ():
        if NAME.fullmatch(path.stem):
            found.setdefault(path.with_suffix(""), set()).add(path.suffix)
    whole = sorted(s for s, endings in found.items() if endings >= WHOLE or ".cff" in endings)
    for stem in found.keys() - set(whole):
        _remove(stem)
    return whole


def _name(step: int, cause: str, utc_ns: int) -> str:
    moment = datetime.fromtimestamp(utc_ns // 1_000_000_000, UTC)
    return f"{step:012d}-{cause}-{moment:%Y%m%dT%H%M%SZ}"


def _step_of(stem: Path) -> int:
    return int(stem.name.partition("-")[0])


def _remove(stem: Path) -> None:
    for ending in (".cfg", ".dat", ".hdr", ".cff"):
        stem.with_name(stem.name + ending).unlink(missing_ok=True)


def jumps_in(phasors: Complex, is_current: npt.NDArray[np.bool_]) -> list[int]:
    """Return the steps before which currents jumped, as they do where the network changes."""
    currents = abs(np.diff(phasors[:, is_current], axis=0))
    larger = np.maximum(abs(phasors[1:, is_current]), abs(phasors[:-1, is_current]))
    floor = 0.01 * larger.max(initial=0.0)  # channels without current jump by their rounding
    jumped = ((currents > JUMP_SHARE * larger) & (currents > floor)).any(axis=1)
    return [int(k) + 1 for k in np.flatnonzero(jumped)]


def _goes_on(phasors: Complex, k: int) -> npt.NDArray[np.bool_]:
    """Tell which currents flow on after step ``k``: one that is interrupted has no offset to die away."""
    return np.asarray(abs(phasors[k]) > OPEN_SHARE * abs(phasors[k - 1]))


def _analog(relay: RelayChannels, q: int) -> AnalogChannel:
    phase = PHASES[q % 3]
    if q < 3:
        return AnalogChannel(
            name=f"{relay.name}.I{phase}",
            unit="A",
            phase=phase,
            circuit=relay.name,
            primary=relay.ct_primary_a,
            secondary=relay.ct_secondary_a,
        )
    return AnalogChannel(name=f"{relay.name}.V{phase}", unit="V", phase=phase, circuit=relay.name)
