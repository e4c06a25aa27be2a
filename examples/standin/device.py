"""The device around the relay: scans inputs, gives outputs, echoes the token, logs what happens.

The four connections differ only in how they get the inputs and hand on the outputs.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from .defects import TripOutput, dead_for_s, spoilt
from .eventlog import EventLog
from .relay import Outputs, Relay, Settings
from .wiring import Node, Register


@dataclass(frozen=True)
class Inputs:
    """A sample: currents of a, b, c and residual [A], 52a, and the token to echo if there is one."""

    i_a: tuple[float, float, float, float]
    is_closed: bool
    token: int | None = None


def inputs_of(values: dict[str, float]) -> Inputs:
    """Return the sample made of wired signals by name; the residual current and the token may be missing.

    A current that is no number (a peer's way to say it is invalid) is no current.
    """
    i_a = [values.get(name, 0.0) for name in ("ia_a", "ib_a", "ic_a", "in_a")]
    a, b, c, n = (x if math.isfinite(x) else 0.0 for x in i_a)
    return Inputs(
        (a, b, c, n),
        bool(values["is_closed"]),
        int(values["token_out"]) if "token_out" in values else None,
    )


class Device:
    """One device: relay, defect and log.

    Parameters
    ----------
    settings : Settings
        As set; the defect spoils them behind the front.
    defect : str, optional
        A name in ``DEFECTS``.
    log : EventLog
        Where events go.
    started_ns, poll_s
        Monotonic instant of the start [ns]; time between scans [s].
    """

    def __init__(
        self, settings: Settings, defect: str | None, log: EventLog, started_ns: int, poll_s: float
    ) -> None:
        self.settings = settings
        self.log = log
        self._defect = defect
        self._relay = Relay(spoilt(settings, defect), max_gap_s=max(0.5, 3.0 * poll_s))
        self._trip = TripOutput(defect)
        self._started_ns = started_ns
        self._was: Outputs | None = None
        self._was_above = False
        self._was_closed: bool | None = None

    def dead_for_s(self, now_ns: int) -> float:
        """Return for how long from now on it neither speaks nor hears [s]."""
        return dead_for_s(self._defect, (now_ns - self._started_ns) / 1e9)

    def scan(self, at_ns: int, inputs: Inputs) -> dict[str, int]:
        """Take a sample of a monotonic instant [ns]; return the outputs by signal name."""
        outputs = self._relay.step(at_ns / 1e9, inputs.i_a, inputs.is_closed)
        for event, more in self._events(outputs, inputs):
            self.log.write(event, at_ns, **more)
        self._was, self._was_closed = outputs, inputs.is_closed
        found = {
            "trip": int(self._trip.step(at_ns / 1e9, outputs.is_trip)),
            "close": int(outputs.is_close),
            "pickup": int(outputs.is_pickup),
            "lockout": int(outputs.is_lockout),
        }
        return found if inputs.token is None else found | {"token_in": inputs.token}

    def _events(self, now: Outputs, inputs: Inputs) -> Iterator[tuple[str, dict[str, object]]]:
        was = self._was
        is_above = max(inputs.i_a[:3]) > self.settings.phase.pickup_a  # the setting, whatever the defect
        if self.settings.ground:
            is_above |= inputs.i_a[3] > self.settings.ground.pickup_a
        if is_above and not self._was_above:
            yield "above_pickup", {"i_a": inputs.i_a}
        self._was_above = is_above
        if inputs.is_closed is not self._was_closed:
            yield "breaker_closed" if inputs.is_closed else "breaker_open", {}
        if now.is_pickup is not (was is not None and was.is_pickup):
            yield ("pickup" if now.is_pickup else "dropout"), {"i_a": inputs.i_a, "disk": now.disk}
        if now.is_trip and not (was and was.is_trip):
            yield "trip_decision", {"shot": now.shot, "full_ns": round(now.trip_at_s * 1e9)}
        if now.is_close and not (was and was.is_close):
            yield "close_decision", {"shot": now.shot}
        if was is None or now.state is not was.state:
            yield now.state.value, {"shot": now.shot}


class Pending:
    """What a master still has to write: a command once per rising edge, all else when it changes.

    What could not be written because the connection broke stays due for as long as the output stays.
    """

    COMMANDS = ("trip", "close")

    def __init__(self, wiring: Mapping[str, Register | Node]) -> None:
        self._wired = set(wiring)
        self._edges = {n for n in self.COMMANDS if n in wiring and not wiring[n].level}
        self._told: dict[str, int] = dict.fromkeys(self._edges, 0)

    def due(self, outputs: dict[str, int]) -> list[tuple[str, int]]:
        """Return signals and values to write, commands first."""
        for name in self._edges:
            if not outputs[name]:
                self._told[name] = 0
        names = [n for n in outputs if n in self._wired and outputs[n] != self._told.get(n)]
        return [(n, outputs[n]) for n in names]

    def done(self, name: str, value: int) -> None:
        """Note that the peer has answered a write, whatever it said."""
        self._told[name] = value
