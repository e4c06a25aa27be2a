"""Points of a station as the dispatcher reads and writes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from forecasting.dispatch.messages import Command, Readings
from forecasting.dispatch.site import Site
from hil.point_units import factors
from rtcore.network.model import Load
from rtcore.points import Kind, Point
from rtcore.quality import BAD_FROM

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.intp]
Qualities = npt.NDArray[np.uint8]


OFF = 1.0
"""State of a photovoltaic site that takes no part, as SunSpec numbers it."""


class MissingPointError(ValueError):
    """A point that the dispatcher needs is not in the list."""


class DispatchPoints:
    """Where everything stands in a list of points; all values in SI.

    Parameters
    ----------
    points : sequence of Point
    site : Site

    Attributes
    ----------
    mode : int
        Place of the dispatch's mode.

    Raises
    ------
    MissingPointError
        With what is missing.
    """

    def __init__(self, points: Sequence[Point], site: Site) -> None:
        self.points, self.site = points, site
        self._factor = factors(points)
        self._read = {(p.source, p.attr): k for k, p in enumerate(points) if p.kind is not Kind.SETPOINT}
        self._set = {(p.source, p.attr): k for k, p in enumerate(points) if p.kind is Kind.SETPOINT}
        dispatch = next((p.source for p in points if p.source.startswith("dispatch.")), "dispatch.*")
        batteries = [f"battery.{b.name}" for b in site.batteries]
        relays = [f"tap_changer.{r.name}" for r in site.regulators]
        self.mode = self._setpoint(dispatch, "mode_sp")
        self.plan = self._setpoint(dispatch, "plan_sp")
        self._writes = {
            ("plan", ""): self.plan,
            **{
                ("battery_p_w", b.name): self._setpoint(f"battery.{b.name}", "p_w_sp") for b in site.batteries
            },
            **{("pv_limit_pct", p.name): self._setpoint(f"pv.{p.name}", "limit_pct_sp") for p in site.pv},
            **{
                ("avr_v", r.name): self._setpoint(f"tap_changer.{r.name}", "vreg_v_sp")
                for r in site.regulators
            },
        }
        self._import = self._of([dispatch], "import_w")
        self._battery, self._soc = self._of(batteries, "p_w"), self._of(batteries, "soc_pct")
        self._taps = self._of([f"regulator.{r.name}" for r in site.regulators], "tap")
        self._relay = self._of(relays, "v_relay_v")
        self._vreg = np.array([self._setpoint(s, "vreg_v_sp") for s in relays], np.intp)
        self._states = self._of([f"pv.{p.name}" for p in site.pv], "state")
        of_relays = (self._relay, self._vreg, self._taps)
        self._needed = np.concatenate([self._import, self._battery, self._soc, *of_relays, [self.mode]])
        self._nodes, self._meters, self._base_v = self._voltages()

    def readings(self, values: Floats, quality: Qualities) -> Readings | None:
        """Return what the dispatcher is told, None where what it cannot do without is bad."""
        if (quality[self._needed] >= BAD_FROM).any():
            return None
        site = self.site
        regulators, batteries = [r.name for r in site.regulators], [b.name for b in site.batteries]
        si = values / self._factor[: len(values)]
        pu = si[self._meters] / self._base_v
        good = quality[self._meters] < BAD_FROM
        return Readings(
            mode=round(float(values[self.mode])),
            import_w=float(si[self._import][0]),
            battery_w=_named(batteries, si[self._battery]),
            soc_pct=_named(batteries, si[self._soc]),
            tap=_named(regulators, si[self._taps]),
            relay_v=_named(regulators, si[self._relay]),
            vreg_v=_named(regulators, si[self._vreg]),
            service_pu={n: float(x) for n, x, ok in zip(self._nodes, pu, good, strict=True) if ok},
        )

    def sites_off(self, values: Floats) -> frozenset[str]:
        """Return the sites that take no part: switched off, or beyond the penetration that is set."""
        off = values[self._states] == OFF
        return frozenset(p.name for p, is_off in zip(self.site.pv, off, strict=True) if is_off)

    def write(self, command: Command) -> tuple[int, float]:
        """Return the place of a command's point, and its value in the point's unit and range."""
        at = self._writes[command.what, command.name]
        point = self.points[at]
        value = command.value * float(self._factor[at])
        return at, float(np.clip(value, point.minimum, point.maximum))

    def _setpoint(self, source: str, attr: str) -> int:
        if (source, attr) not in self._set:
            raise MissingPointError(f"no setpoint bound to {source}.{attr}")
        return self._set[source, attr]

    def _of(self, sources: Sequence[str], attr: str) -> Ints:
        for source in sources:
            if (source, attr) not in self._read:
                raise MissingPointError(f"no point bound to {source}.{attr}")
        return np.array([self._read[s, attr] for s in sources], np.intp)

    def _voltages(self) -> tuple[list[str], Ints, Floats]:
        """Return nodes whose voltage to neutral a service meter shows, its points, and nominal voltages."""
        base_v = {b.name: 1e3 * b.base_kv_ln for b in self.site.network.buses}
        nodes, points, volts = list[str](), list[int](), list[float]()
        for load in self.site.network.loads:
            for k, node in enumerate(load.nodes[:-1] if _has_neutral(load) else ()):
                at = self._read.get((f"load.{load.name}", f"v{k + 1}_v"))
                if at is not None:
                    nodes.append(f"{load.bus}.{node}")
                    points.append(at)
                    volts.append(base_v[load.bus])
        return nodes, np.array(points, np.intp), np.array(volts)


def _has_neutral(load: Load) -> bool:
    return load.conn == "wye" and load.nodes[-1] == 0


def _named(names: Sequence[str], values: Floats) -> Mapping[str, float]:
    return dict(zip(names, values.tolist(), strict=True))
