"""Follow a plan within its step, at what is measured now."""

from __future__ import annotations

from collections.abc import Mapping

from forecasting.dispatch.messages import Plan, Readings
from forecasting.dispatch.settings import Settings
from forecasting.dispatch.site import Battery, Regulator, Site


def battery_powers(
    site: Site,
    settings: Settings,
    plan: Plan,
    step: int,
    readings: Readings,
    left_h: float,
    wanted_pct: Mapping[str, float] | None = None,
) -> dict[str, float]:
    """Return the power of each battery [W]: that of the plan, as far as the peak allows.

    Batteries give more where the import comes nearer than ``reserve_w`` to the demand that the plan means to
    stay below. Charging gives way ``cloud_w`` earlier: the sun it lives on may go within minutes. Where they
    were to give and less is needed to bring the import to that of the plan, they give less: the energy may be
    needed later.

    Parameters
    ----------
    left_h : float
        Until the end of the step [h].
    wanted_pct : mapping, optional
        State of charge of each battery at the end of the step, which then goes before the plan's power [%].
    """
    powers = {b.name: float(plan.battery_w[k, step]) for k, b in enumerate(site.batteries)}
    if wanted_pct is not None:
        powers = {
            b.name: _toward(b, readings.soc_pct[b.name], wanted_pct[b.name], left_h) for b in site.batteries
        }
    demand_w = readings.import_w + sum(readings.battery_w[b.name] for b in site.batteries)
    cap_w = plan.peak_w - settings.reserve_w
    largest_first = sorted(site.batteries, key=lambda b: -b.e_rated_wh)
    for b in largest_first:
        over_w = demand_w - sum(powers.values()) - (cap_w - settings.cloud_w)
        if over_w > 0.0 > powers[b.name]:
            powers[b.name] = min(powers[b.name] + over_w, 0.0)
    for b in largest_first:
        most = b.p_discharge_max_w if readings.soc_pct[b.name] > b.soc_min_pct else 0.0
        import_w = demand_w - sum(powers.values())
        if import_w > cap_w:
            powers[b.name] += min(import_w - cap_w, max(most - powers[b.name], 0.0))
        elif import_w < plan.import_w[step] and powers[b.name] > 0.0 and wanted_pct is None:
            powers[b.name] -= min(float(plan.import_w[step]) - import_w, powers[b.name])
    return powers


def _toward(b: Battery, soc_pct: float, wanted_pct: float, left_h: float) -> float:
    """Return the power that brings a battery to a state of charge in the time that is left [W]."""
    missing_wh = (wanted_pct - soc_pct) / 100.0 * b.e_rated_wh
    cells_w = missing_wh / max(left_h, 1e-3) + b.standby_w
    p = -cells_w / b.eta_charge if cells_w > 0.0 else -cells_w * b.eta_discharge
    return min(max(p, -b.p_charge_max_w), b.p_discharge_max_w)


def relay_reference(r: Regulator, tap: float, readings: Readings, settings: Settings) -> float | None:
    """Return the set value that brings a regulator to a tap and keeps it there [V]; None: as it is.

    The relay stays in automatic, so that it still answers what nobody planned. At the planned tap its band
    is put around the voltage that is there when that has come half-way to an edge; away from it the band
    lies so that the relay asks for the taps that are missing and then rests. Beyond the limits of set
    values the relay decides.
    """
    v, now = readings.relay_v[r.name], readings.vreg_v[r.name]
    missing = round(tap) - round(readings.tap[r.name])
    if missing == 0:
        if abs(v - now) <= 0.25 * r.band_v:
            return None
        reference = v
    else:
        beyond = max(0.5 * (r.band_v - r.tap_v), 0.0)
        reference = v + r.tap_v * missing + (beyond if missing > 0 else -beyond)
    reference = min(max(reference, settings.vreg_min_v), settings.vreg_max_v)
    return None if abs(reference - now) < 0.02 else reference
