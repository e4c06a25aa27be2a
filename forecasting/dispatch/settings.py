"""What the dispatcher weighs: prices, limits, and how long it may think."""

from __future__ import annotations

import dataclasses as dc
import math

RANGES = {
    "energy_price": (0.0, 1e4),
    "export_price": (0.0, 1e4),
    "peak_price": (0.0, 1e4),
    "ageing_price": (0.0, 1e4),
    "tap_price": (0.0, 1e4),
    "violation_price": (0.0, 1e6),
    "curtail_price": (0.0, 1e4),
    "soc_price": (0.0, 1e4),
    "demand_s": (60.0, 86_400.0),
    "horizon": (1, 24),
    "tap_change_max": (1, 32),
    "vreg_min_v": (90.0, 150.0),
    "vreg_max_v": (90.0, 150.0),
    "reserve_w": (0.0, 1e9),
    "cloud_w": (0.0, 1e9),
    "time_limit_s": (0.1, 600.0),
    "gap": (0.0, 0.2),
}
"""Lowest and highest value of each number; beyond them the solver has nothing sensible to do."""


@dc.dataclass(frozen=True)
class Settings:
    """Prices and limits of the plans; the currency is whatever the prices are in.

    Parameters
    ----------
    energy_price, export_price : float
        Of energy from and to the grid [1/kWh].
    peak_price : float
        Of the highest demand of a calendar month: the mean import of an interval [1/kW].
    demand_s : float
        That interval [s].
    ageing_price : float
        Of energy through a battery, charged or discharged [1/kWh].
    tap_price : float
        Of one tap of one regulator.
    violation_price : float
        Of a node's voltage outside the limits, 0.01 pu for one hour.
    v_min_pu, v_max_pu : float
        Limits of the voltage at services [pu].
    margin_pu : float
        Plans stay inside the limits by so much more: what the model does not know [pu].
    curtail_price : float
        Of energy that sites are kept from giving, beside what it would have earned [1/kWh].
    final_soc_pct : float
        State of charge at the end of every plan [%].
    soc_price : float
        Of energy missing at the end of a plan, or too much then [1/kWh].
    horizon : int
        Steps ahead.
    tap_change_max : int
        Most taps of one regulator from one step to the next.
    vreg_min_v, vreg_max_v : float
        Limits of the relays' set values [V].
    reserve_w : float
        Import that plans, and batteries that follow them, leave free below the peak [W].
    cloud_w : float
        Import that charging leaves free below it besides: the sun may go within minutes [W].
    time_limit_s : float
        Longest time a plan may take [s].
    gap : float
        A plan this near to the optimum will do, relative.
    """

    energy_price: float = 0.10
    export_price: float = 0.05
    peak_price: float = 12.0
    demand_s: float = 900.0
    ageing_price: float = 0.01
    tap_price: float = 5.0
    violation_price: float = 2.0
    v_min_pu: float = 0.95
    v_max_pu: float = 1.05
    margin_pu: float = 0.003
    curtail_price: float = 0.02
    final_soc_pct: float = 50.0
    soc_price: float = 10.0
    horizon: int = 24
    tap_change_max: int = 4
    vreg_min_v: float = 114.0
    vreg_max_v: float = 128.0
    reserve_w: float = 100e3
    cloud_w: float = 300e3
    time_limit_s: float = 5.0
    gap: float = 1e-3

    def __post_init__(self) -> None:
        """Refuse what no plan can be made with; ValueError names it."""
        for field in dc.fields(self):
            value = getattr(self, field.name)
            if not math.isfinite(value):
                raise ValueError(f"{field.name} = {value!r}: must be a number")
            if value < 0:
                raise ValueError(f"{field.name} = {value!r}: must be >= 0")
        if not 0.5 <= self.v_min_pu < self.v_max_pu <= 1.5:
            raise ValueError(
                f"v_min_pu = {self.v_min_pu}, v_max_pu = {self.v_max_pu}: 0.5 <= min < max <= 1.5"
            )
        if 2.0 * self.margin_pu >= self.v_max_pu - self.v_min_pu:
            raise ValueError(f"margin_pu = {self.margin_pu}: leaves nothing between the limits")
        if self.vreg_min_v >= self.vreg_max_v:
            raise ValueError(f"vreg_min_v = {self.vreg_min_v}: must be < vreg_max_v = {self.vreg_max_v}")
        if self.export_price > self.energy_price:
            raise ValueError(
                f"export_price = {self.export_price}: must be <= energy_price, or plans are no limit"
            )
        if not 0.0 <= self.final_soc_pct <= 100.0:
            raise ValueError(f"final_soc_pct = {self.final_soc_pct}: must be 0 to 100")
        for name, (low, high) in RANGES.items():
            value = getattr(self, name)
            if not low <= value <= high:
                raise ValueError(f"{name} = {value!r}: must be from {low:g} to {high:g}")
