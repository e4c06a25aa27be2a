"""What goes into the dispatcher and comes out of it."""

from __future__ import annotations

import dataclasses as dc
import math
from collections.abc import Mapping

import numpy as np

from forecasting.series import Floats

MANUAL, RULES, OPTIMISING = 0, 1, 2
"""Modes of the dispatch: who commands."""


@dc.dataclass(frozen=True)
class Forecast:
    """What is expected of the steps ahead.

    Parameters
    ----------
    end_ns : int
        The first step ahead begins here.
    step_ns : int
    load_w : mapping of str to ndarray, shape (n_step,)
        Feeder -> mean demand of its loads [W].
    sun_w, sun_high_w, sun_low_w : mapping of str to ndarray, shape (n_step,)
        Site -> what the sun would give: expected, and what it hardly passes either way [W].
    spread_w : ndarray, shape (n_step,)
        How much above the forecast the import may be: upper end of an interval, less the forecast [W].
    """

    end_ns: int
    step_ns: int
    load_w: Mapping[str, Floats]
    sun_w: Mapping[str, Floats]
    sun_high_w: Mapping[str, Floats]
    sun_low_w: Mapping[str, Floats]
    spread_w: Floats

    @property
    def is_complete(self) -> bool:
        """Tell whether every step of everything is a number."""
        parts = (self.load_w, self.sun_w, self.sun_high_w, self.sun_low_w, {"": self.spread_w})
        return all(bool(np.all(np.isfinite(x))) for part in parts for x in part.values())


@dc.dataclass(frozen=True)
class Readings:
    """What is measured now.

    Parameters
    ----------
    mode : int
        Who commands: `MANUAL`, `RULES`, `OPTIMISING`.
    import_w : float
        From the grid [W].
    battery_w, soc_pct : mapping of str to float
        Battery -> power, positive when discharging [W]; state of charge [%].
    tap, relay_v, vreg_v : mapping of str to float
        Regulator -> tap; voltage at its relay [V]; set value in force [V].
    service_pu : mapping of str to float
        Node -> voltage of services that are metered [pu].
    """

    mode: int
    import_w: float
    battery_w: Mapping[str, float]
    soc_pct: Mapping[str, float]
    tap: Mapping[str, float]
    relay_v: Mapping[str, float]
    vreg_v: Mapping[str, float]
    service_pu: Mapping[str, float] = dc.field(default_factory=dict)

    @property
    def is_complete(self) -> bool:
        """Tell whether everything but voltages at services is a number; of those any may be missing."""
        parts = (self.battery_w, self.soc_pct, self.tap, self.relay_v, self.vreg_v)
        return math.isfinite(self.import_w) and all(math.isfinite(x) for p in parts for x in p.values())


@dc.dataclass(frozen=True)
class Command:
    """One thing to command.

    ``what``: ``battery_p_w`` [W], ``pv_limit_pct`` [%], ``avr_v`` [V], ``avr_band_v`` [V] or ``plan``
    (the number of the plan in force, without a name).
    """

    what: str
    name: str
    value: float


@dc.dataclass(frozen=True)
class Plan:
    """The steps ahead as planned.

    Parameters
    ----------
    number : int
    start_ns, step_ns : int
    battery_w, soc_pct : ndarray, shape (n_battery, n_step)
        Mean power; state of charge at the end of each step.
    taps : ndarray, shape (n_regulator, n_step)
    curtailed_w : ndarray, shape (n_pv, n_step)
    limit_w : ndarray, shape (n_pv, n_step)
        Most that sites may give; infinite where they are not limited.
    import_w : ndarray, shape (n_step,)
        Negative when power goes to the grid.
    peak_w : float
        The demand that it means to stay below [W].
    v_pu : ndarray, shape (n_step, n_service)
        Voltages at the services by the linear model.
    cost : mapping of str to float
        Predicted cost of the horizon by cause; ``total`` is their sum.
    violation_h : float
        Node-hours outside the limits that it predicts.
    solve_ms : float
        Time the solver took.
    """

    number: int
    start_ns: int
    step_ns: int
    battery_w: Floats
    soc_pct: Floats
    taps: Floats
    curtailed_w: Floats
    limit_w: Floats
    import_w: Floats
    peak_w: float
    v_pu: Floats
    cost: Mapping[str, float]
    violation_h: float
    solve_ms: float


@dc.dataclass(frozen=True)
class Decision:
    """What to command now, the plan it comes from, and what happened, as texts."""

    commands: tuple[Command, ...]
    plan: Plan | None
    events: tuple[str, ...] = ()
