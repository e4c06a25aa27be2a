"""The forecaster's points as the dispatcher takes them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

import numpy as np
import numpy.typing as npt

from forecasting.dispatch.messages import Forecast
from forecasting.dispatch.site import Site
from forecasting.outputs import AHEAD
from hil.forecast_targets import SUN
from hil.point_units import factors
from rtcore.clock import NS_PER_HOUR
from rtcore.points import Point
from rtcore.published import Layout
from rtcore.quality import BAD_FROM

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.intp]

SUN_MOST, SUN_LEAST = 1.02, 0.2
"""What the sun hardly passes either way, of a clear sky: edges of clouds, and thick ones."""

Clear = Callable[[float, int, int], Floats]
"""(rated power [W], start [ns], n) -> power under a clear sky, mean of each of n steps [W]."""


class DispatchForecast:
    """Reads forecasts of loads and sites out of the forecaster's points.

    Parameters
    ----------
    points : sequence of Point
        Those of the forecaster, in their order.
    site : Site
        Its feeders are forecast as ``feeder_a`` and so on, its sites by their names.
    clear : callable
        Clear sky of the place.
    """

    def __init__(self, points: Sequence[Point], site: Site, clear: Clear) -> None:
        self._layout, self._factor = Layout(points), factors(points)
        self._site, self._clear = site, clear
        self._end = self._layout.place("forecast", "total", "end_h")
        self._loads = {f: self._rows(f"feeder_{f.lower()}", "h") for f in site.feeders}
        self._suns = {p.name: self._rows(p.name, "h") for p in site.pv}
        self._total, self._high = self._rows("total", "h"), self._rows("total", "high")
        self._sun, self._sun_low = self._rows(SUN, "h"), self._rows(SUN, "low")

    @property
    def missing(self) -> list[str]:
        """Targets without points: nothing can be planned without them."""
        rows = self._loads | self._suns | {"total": self._total}
        return [name for name, at in rows.items() if (at < 0).any()]

    def take(
        self, values: Floats, quality: npt.NDArray[np.uint8], off: Collection[str] = ()
    ) -> Forecast | None:
        """Return the newest forecast, None where one that is needed is not there.

        Parameters
        ----------
        values, quality : ndarray, shape (n,)
            Of the forecaster's points.
        off : collection of str
            Sites that take no part: whatever the sun would give there, nothing comes of it.
        """
        needed = np.concatenate([*self._loads.values(), *self._suns.values(), self._total, [self._end]])
        if (needed < 0).any() or (quality[needed] >= BAD_FROM).any():
            return None
        watts = values / self._factor
        end_ns = round(float(watts[self._end]) * NS_PER_HOUR)
        rated_w = {p.name: 0.0 if p.name in off else p.rated_w for p in self._site.pv}
        clear = {name: self._clear(w, end_ns, AHEAD) for name, w in rated_w.items()}
        return Forecast(
            end_ns=end_ns,
            step_ns=NS_PER_HOUR,
            load_w={f: watts[at] for f, at in self._loads.items()},
            sun_w={n: np.zeros(AHEAD) if n in off else watts[at] for n, at in self._suns.items()},
            sun_high_w={name: SUN_MOST * w for name, w in clear.items()},
            sun_low_w={name: SUN_LEAST * w for name, w in clear.items()},
            spread_w=np.hypot(
                self._apart(watts, quality, self._high, self._total),
                self._apart(watts, quality, self._sun, self._sun_low),
            ),
        )

    def _apart(self, watts: Floats, quality: npt.NDArray[np.uint8], upper: Ints, lower: Ints) -> Floats:
        """Return how far two rows are apart, 0 where one of them is not known."""
        if (upper < 0).any() or (lower < 0).any():
            return np.zeros(AHEAD)
        known = (quality[upper] < BAD_FROM) & (quality[lower] < BAD_FROM)
        return np.where(known, np.maximum(watts[upper] - watts[lower], 0.0), 0.0)

    def _rows(self, target: str, what: str) -> Ints:
        places = [self._layout.place("forecast", target, f"{what}{k}_w") for k in range(1, AHEAD + 1)]
        return np.array(places, np.intp)
