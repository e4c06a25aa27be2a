"""Points of a station as the dispatcher reads and writes them, and the true state a study is judged by."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from forecasting.dispatch.messages import Command, Readings
from forecasting.dispatch.site import Site
from forecasting.series import Floats, Ints
from hil.dispatch_points import DispatchPoints
from hil.dispatch_site import feeder_of
from rtcore.engine import Engine

SOLAR = "sun"
"""Name of the sites' available power among the hourly means."""


class Tags:
    """Where everything stands in the points of an engine; all values in SI.

    Attributes
    ----------
    services : tuple of str
        Nodes of the loads: where the limits of a study hold.
    mode, cover : str
        Tags of the dispatch's mode and of the cloud cover.
    """

    def __init__(self, engine: Engine, site: Site) -> None:
        self.engine, self.site = engine, site
        self._at = {(p.source, p.attr): k for k, p in enumerate(engine.points)}
        self._factor = engine.setup.unit_factor
        dispatch = next(p.source for p in engine.points if p.source.startswith("dispatch."))
        self._mode = self._of([dispatch], "mode_sp")
        self.mode = engine.points[self._mode[0]].tag
        self.cover = engine.points[self._at["weather.weather", "cover_sp"]].tag
        self._points = DispatchPoints(engine.points, site)
        batteries = [f"battery.{b.name}" for b in site.batteries]
        relays = [f"tap_changer.{r.name}" for r in site.regulators]
        self._import = self._of([dispatch], "import_w")
        self._battery = self._of(batteries, "p_w")
        self._soc = self._of(batteries, "soc_pct")
        self._books = [self._of(batteries, a) for a in ("charged_wh", "discharged_wh")]
        self._taps = self._of([f"regulator.{r.name}" for r in site.regulators], "tap")
        self._ops = self._of(relays, "ops")
        self._powers = np.r_[
            self._of(["loads.all"], "p_w"),
            self._of(["pv_fleet.all"], "p_w"),
            self._of(["pv_fleet.all"], "p_avail_w"),
        ]
        self._meters = {f: self._load_meters(f) for f in site.feeders}
        names, base_v = engine.grid.nodes.names, engine.grid.nodes.base_v
        buses = {load.bus for load in site.network.loads}
        rows = [k for k, name in enumerate(names) if name.rpartition(".")[0] in buses]
        self.services = tuple(names[k] for k in rows)
        self._rows, self._base_v = np.array(rows), base_v[rows]

    # -- what a process at the points sees -------------------------------------------------

    def readings(self) -> Readings:
        """Return what the dispatcher is told."""
        world = self.engine.world
        found = self._points.readings(world.values, world.quality)
        assert found is not None, "the plant's own points are good"
        return found

    def hourly(self) -> dict[str, float]:
        """Return what forecasts are made of: load of each feeder as its meters tell, and the sun [W]."""
        loads = {f: float(np.sum(self._get(at))) for f, at in self._meters.items()}
        return loads | {SOLAR: float(self._get(self._powers)[2])}

    def write(self, command: Command) -> tuple[str, float]:
        """Return the tag of a command and its value in the point's unit."""
        at, value = self._points.write(command)
        return self.engine.points[at].tag, value

    # -- the true state --------------------------------------------------------------------

    def service_pu(self) -> Floats:
        """Return the voltages at the services [pu]."""
        return np.asarray(np.abs(self.engine.grid.voltages[self._rows]) / self._base_v)

    def import_w(self) -> float:
        """Return the power from the grid [W]."""
        return float(self._get(self._import)[0])

    def powers(self) -> Floats:
        """Return the demand of all loads, what the sites give, and what the sun would give [W]."""
        return self._get(self._powers)

    def battery_w(self) -> Floats:
        """Return the power of each battery, as measured [W]."""
        return self._get(self._battery)

    def soc_pct(self) -> Floats:
        """Return the states of charge [%]."""
        return self._get(self._soc)

    def taps(self) -> Floats:
        """Return the taps."""
        return self._get(self._taps)

    def energies(self) -> Floats:
        """Return the energy that all batteries have taken and given at their terminals, shape (2,) [Wh]."""
        return np.array([float(np.sum(self._get(at))) for at in self._books])

    def tap_operations(self) -> int:
        """Return the tap changes of all regulators since the start."""
        return round(float(np.sum(self._get(self._ops))))

    # -- where it stands -------------------------------------------------------------------

    def _of(self, sources: Sequence[str], attribute: str) -> Ints:
        return np.array([self._at[s, attribute] for s in sources], np.int64)

    def _get(self, at: Ints) -> Floats:
        return np.asarray(self.engine.world.values[at] / self._factor[at])

    def _load_meters(self, feeder: str) -> Ints:
        """Return the points of active power of all loads of a feeder."""
        mine = [f"load.{x.name}" for x in self.site.network.loads if feeder_of(x.name) == feeder]
        found = [self._at.get((s, f"p{k}_w")) for s in mine for k in (1, 2, 3)]
        return np.array([k for k in found if k is not None], np.int64)
