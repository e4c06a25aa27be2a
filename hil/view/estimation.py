"""The estimator of a station, as its points tell it: channels by number, buses that are measured as well."""

from __future__ import annotations

import dataclasses as dc

from hil.view.model import StationModel

ESTIMATOR, DETECTOR, ESTIMATE, RESIDUAL, ATTACK = "estimator", "detector", "estimate", "residual", "attack"
VOLTAGES = ("VA", "VB", "VC")
RANKED = "arrays.RESIDUALS.RN", "arrays.RESIDUALS.TAGS"


@dc.dataclass(frozen=True, slots=True)
class Compared:
    """A bus whose estimated voltages can be held against measured ones; a pair of tags for each phase."""

    bus: str
    meter: str
    pairs: tuple[tuple[str, str], ...]


@dc.dataclass(frozen=True, slots=True)
class Estimation:
    """What a station's estimator consists of.

    Attributes
    ----------
    device : str
        The estimator's own.
    detectors : tuple of str
    channels : dict
        Channel (tag of what is measured) -> device of its residual, in the order of their numbers.
    compared : tuple of Compared
    """

    device: str
    detectors: tuple[str, ...]
    channels: dict[str, str]
    compared: tuple[Compared, ...]

    @classmethod
    def of(cls, model: StationModel) -> Estimation | None:
        """Return it, None for a station without an estimator."""
        found = model.of_template(ESTIMATOR)
        if not found:
            return None
        channels = {model.instance(d): d for d in model.of_template(RESIDUAL)}
        return cls(found[0], model.of_template(DETECTOR), channels, _compared(model))

    def channel(self, number: float | None) -> str:
        """Return the tag of a suspected channel by its number; empty for 0 and for no number."""
        return _by_number(tuple(self.channels), number)


def switch_name(model: StationModel, number: float | None) -> str:
    """Return the suspected switch: the device that shows it, or its name in the network."""
    name = _by_number(model.switches, number)
    if not name:
        return "" if not number else f"number {number:.0f} of the network"
    return next((b.device for b in model.branches if b.name == name and b.device), name)


def regulator_name(model: StationModel, number: float | None) -> str:
    """Return the device of the regulator whose tap is suspected."""
    name = _by_number(tuple(str(r["device"]) for r in model.regulators), number)
    return name or ("" if not number else f"number {number:.0f} of the network")


def _by_number(names: tuple[str, ...], number: float | None) -> str:
    k = int(number or 0)
    return names[k - 1] if 0 < k <= len(names) else ""


def _compared(model: StationModel) -> tuple[Compared, ...]:
    meters: dict[str, str] = {}
    for item in model.items:
        if item.kind == "meter" and item.device and model.tags_of(item.device, *VOLTAGES):
            meters.setdefault(item.bus, item.device)
    rows = []
    for device in model.of_template(ESTIMATE):
        bus = model.instance(device)
        meter = meters.get(bus, "")
        pairs = tuple(
            (f"{device}.{v}", f"{meter}.{v}")
            for v in VOLTAGES
            if meter and model.has(f"{device}.{v}") and model.has(f"{meter}.{v}")
        )
        if pairs:
            rows.append(Compared(bus, meter, pairs))
    return tuple(rows)
