"""Attacks of a plan as they are carried out in one run."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from estimation.attacks import Attack, Command, Delta, Kind, Place
from estimation.stealth import Stealth, delta_of, misjudged
from estimation.telemetry_scan import Taken
from estimation.wls import Estimator
from hil.cyberrange.centre import Model
from hil.cyberrange.plant import PlantScan
from hil.cyberrange.schema import AttackSection

Floats = npt.NDArray[np.float64]


class Eavesdropper:
    """What an attacker with the network's model sees: every true value of the moment, as measured."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self._scan = model.scan()
        self._fresh = np.zeros(len(model.points))
        self.taken: Taken | None = None

    def see(self, truth: PlantScan) -> Taken:
        """Take the scan that is about to be tampered with."""
        self.taken = self._scan.take(truth.utc_ns, truth.values, truth.quality, self._fresh)
        return self.taken


def build(
    section: AttackSection,
    channels: tuple[str, ...],
    model: Model,
    ear: Eavesdropper,
    start_s: float,
    duration_s: float,
    rng: np.random.Generator,
) -> Attack:
    """Return the attack of one run.

    Parameters
    ----------
    channels : tuple of str
        Tags that it changes.
    ear : Eavesdropper
        Has seen a scan already.
    """
    kind = section.kind
    delta: Delta | None = None
    tags = tuple(t for t in channels if t not in section.statuses)
    if section.model is not None:
        delta = _delta(section, tags, model, ear, rng)
        if section.model.ramp_s:
            delta = _growing(delta, start_s, section.model.ramp_s)
    return Attack(
        name=section.name,
        kind=kind,
        place=Place.BOARD,
        channels=() if kind is Kind.COMMAND else tags,
        start_s=start_s,
        duration_s=duration_s,
        parameters=section.figures(),
        delta=delta,
        statuses=section.statuses,
        commands=_commands(section),
    )


def _commands(section: AttackSection) -> tuple[Command, ...]:
    found = []
    for row in section.command:
        values = row.values or (0.0 if row.value is None else row.value,)
        found += [
            Command(tag=row.tag, value=values[k % len(values)], at_s=row.at_s + k * row.every_s)
            for k in range(row.repeat)
        ]
    return tuple(sorted(found, key=lambda c: c.at_s))


def _delta(
    section: AttackSection,
    tags: tuple[str, ...],
    model: Model,
    ear: Eavesdropper,
    rng: np.random.Generator,
) -> Delta:
    wish = section.model
    assert wish is not None
    network = model.network
    if wish.error_pct:
        network = misjudged(network, wish.error_pct / 100.0, rng)
    names = {m.name: i for i, m in enumerate(model.measurements)}
    rows = [names[t] for t in tags]
    writable = np.zeros(len(model.measurements), np.bool_)
    writable[rows] = True
    stealth = Stealth(
        Estimator(network, model.measurements, status=model.status),
        lambda _z: _seen(ear).sigma,
        factor=wish.factor,
        buses=wish.buses,
        writable=writable,
        flipped=wish.flipped,
    )

    def others(_t_s: float) -> Floats:
        taken = _seen(ear)
        stealth.set_status(taken.status)
        return taken.z

    return delta_of(stealth, rows, model.factor[rows], others)


def _seen(ear: Eavesdropper) -> Taken:
    assert ear.taken is not None
    return ear.taken


def _growing(delta: Delta, start_s: float, ramp_s: float) -> Delta:
    """Return a change that grows linearly; between its ends it is stealthy to first order only."""

    def grown(t_s: float, values: Floats) -> Floats:
        return min(1.0, (t_s - start_s) / ramp_s) * delta(t_s, values)

    return grown
