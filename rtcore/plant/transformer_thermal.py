"""Transformer heating and insulation ageing, IEEE Std C57.91-2011 clause 7 (top-oil rise method).

Linear form with one exponential each (not the 1/n-power form of Swift, IEEE Trans. PWRD-16, 2001, which
differs by up to 4.4 K in the transient)::

    top-oil rise  d/dt = (U_to - rise_to) / tau_to    U_to = R_to [(K^2 R + 1) / (R + 1)]^n
    winding rise  d/dt = (U_h - rise_h) / tau_w       U_h = R_h K^(2m)
    hot spot = ambient + rise_to + rise_h;  ambient acts without lag (rises are over ambient)
    FAA = exp(15000/383 - 15000/(hot spot + 273)); FEQA = sum FAA dt / sum dt; loss = FEQA t / life

Any step is exact while the load is constant, x += (U - x)(1 - exp(-dt/tau)), so results do not depend
on the step and the load may change every millisecond. Millions of increments near the last digit of x
would round to a bias of ulp(x) tau / dt (1.5e-7 K at 1 ms, more at 250 us): the lost part of every
addition is carried to the next one (Kahan, CACM 8(1) 1965), which leaves a few ulp.
Ageing is the trapezoid of FAA at whole minutes of simulated time; a step that passes such a minute
is split there, which is free of error because the exponential is exact.

Forced cooling (off by default): a running stage multiplies the rated current by M. The rated rises
then belong to M: K/M and R M^2 replace K and R, and tau_to follows the total loss (C R_to / P)
by (R + 1) / (R M^2 + 1). Stages switch at the end of a step.
"""

from __future__ import annotations

import math

from rtcore.component import Attr, all_of, component, in_order, param
from rtcore.jit import kernel

COOLING = {"ONAN": 0.0, "ONAF": 1.0, "OFAF": 2.0, "ODAF": 3.0}
SENSORS = {"top_oil": 0.0, "hot_spot": 1.0}
OIL_EXPONENT = (0.8, 0.9, 0.9, 1.0)
WINDING_EXPONENT = (0.8, 0.8, 0.8, 1.0)
"""By cooling mode, C57.91-2011 clause 7."""

AGEING_GRID_S = 60.0
SNAP_S = 1e-6  # above the rounding of 240000 summed steps (1e-9 s), far below any step
TAU_BAND_PU = 0.01  # a change of load from which the time-constant correction starts anew
K_MAX_PU = 40.0  # beyond the short circuit of any transformer: 1 / 2.5 %
AMBIENT_MIN_DEGC, AMBIENT_MAX_DEGC = -60.0, 70.0
RISE_MAX_K = 1e5  # above the ultimate rise at K_MAX_PU
C57 = "IEEE C57.91-2011"


@component(
    "thermal",
    attrs=(
        Attr("k_pu", "pu", "load current over the rating in force"),
        Attr("rating_pu_sp", "pu", "rating in force over the nameplate rating", writable="setpoint"),
        Attr("ambient_degc", "degC", "ambient temperature"),
        Attr("top_oil_degc", "degC", "top-oil temperature"),
        Attr("hot_spot_degc", "degC", "winding hot-spot temperature"),
        Attr("top_oil_rise_k", "K", "top-oil rise over ambient"),
        Attr("winding_rise_k", "K", "hot-spot rise over top oil"),
        Attr("faa", "", "ageing acceleration factor, 1 at 110 degC"),
        Attr("feqa", "", "equivalent ageing factor since the start"),
        Attr("aged_h", "h", "equivalent hours at 110 degC since the start"),
        Attr("elapsed_h", "h", "hours over which ageing was summed"),
        Attr("loss_of_life_pct", "%", "part of the normal insulation life used since the start"),
        Attr("cooling_stage", "", "forced-cooling stage running: 0, 1, 2"),
        Attr("is_top_oil_alarm", "", "1 at or above the top-oil alarm level"),
        Attr("is_top_oil_trip", "", "1 at or above the top-oil trip level"),
        Attr("is_hot_spot_alarm", "", "1 at or above the hot-spot alarm level"),
        Attr("is_hot_spot_trip", "", "1 at or above the hot-spot trip level"),
        Attr("is_trip", "", "1 while either temperature trip is up"),
        Attr("top_oil_carry_k", "K", "rounding of the top-oil rise carried to the next step"),
        Attr("winding_carry_k", "K", "rounding of the winding rise carried to the next step"),
        Attr("minute_s", "s", "time since the last minute of the ageing sum"),
        Attr("minute_faa", "", "ageing acceleration factor at that minute"),
        Attr("from_k_pu", "pu", "load at the last load step (time-constant correction)"),
        Attr("from_rise_k", "K", "top-oil rise at the last load step (time-constant correction)"),
    ),
    rules=all_of(
        in_order("top_oil_alarm_degc", "top_oil_trip_degc"),
        in_order("hot_spot_alarm_degc", "hot_spot_trip_degc"),
    ),
)
class Thermal:
    """Temperatures of one oil-filled transformer (defaults: ONAN, 65 K average winding rise)."""

    rated_va: float = param(unit="VA", doc="nameplate rating, load 1.0", gt=0, le=2e9)
    rise_to_k: float = param(default=55.0, unit="K", doc="top-oil rise at rating", source=C57, gt=0, le=120)
    rise_h_k: float = param(
        default=25.0, unit="K", doc="hot-spot rise over top oil at rating", source=C57, gt=0, le=100
    )
    loss_ratio: float = param(
        default=6.0, unit="", doc="load loss over no-load loss at rating", source=C57, gt=0, le=50
    )
    tau_to_s: float = param(default=10800.0, unit="s", doc="oil time constant at rating", ge=60, le=172800)
    tau_w_s: float = param(default=420.0, unit="s", doc="winding time constant", ge=10, le=7200)
    cooling: float = param(
        default=0.0, unit="", doc="cooling mode of the rated rises", source=C57, choices=COOLING
    )
    n_exp: float = param(default=0.0, unit="", doc="oil exponent, 0: by cooling mode", ge=0, le=1)
    m_exp: float = param(default=0.0, unit="", doc="winding exponent, 0: by cooling mode", ge=0, le=1)
    is_tau_corrected: float = param(
        default=0.0, unit="", doc="1: oil time constant corrected for the exponent", source=C57, ge=0, le=1
    )
    life_h: float = param(
        default=180000.0, unit="h", doc="normal insulation life at 110 degC", source=C57, ge=1000, le=1e6
    )
    top_oil_alarm_degc: float = param(default=105.0, unit="degC", doc="top-oil alarm", ge=20, le=200)
    top_oil_trip_degc: float = param(default=110.0, unit="degC", doc="top-oil trip", ge=20, le=200)
    hot_spot_alarm_degc: float = param(default=120.0, unit="degC", doc="hot-spot alarm", ge=20, le=250)
    hot_spot_trip_degc: float = param(default=140.0, unit="degC", doc="hot-spot trip", ge=20, le=250)
    alarm_reset_k: float = param(
        default=2.0, unit="K", doc="fall below a level that resets its flag", ge=0, le=20
    )
    stage1_pu: float = param(
        default=0.0, unit="pu", doc="rating with stage 1 over nameplate, 0: none", ge=0, le=3
    )
    stage1_on_degc: float = param(default=65.0, unit="degC", doc="stage 1 starts", ge=20, le=200)
    stage2_pu: float = param(
        default=0.0, unit="pu", doc="rating with stage 2 over nameplate, 0: none", ge=0, le=3
    )
    stage2_on_degc: float = param(default=75.0, unit="degC", doc="stage 2 starts", ge=20, le=200)
    stage_hysteresis_k: float = param(
        default=10.0, unit="K", doc="fall below the start that stops a stage", gt=0, le=50
    )
    stage_cooling: float = param(default=1.0, unit="", doc="cooling mode while a stage runs", choices=COOLING)
    stage_sensor: float = param(
        default=0.0, unit="", doc="temperature that switches the stages", choices=SENSORS
    )


def oil_time_constant_s(
    core_and_coil_lb: float,
    tank_lb: float,
    oil_gal: float,
    rise_to_k: float,
    loss_w: float,
    *,
    is_forced_oil: bool = False,
) -> float:
    """Return the oil time constant at rating from masses, oil volume and total loss (clause 7)."""
    core, tank, oil = (0.06, 0.06, 1.93) if is_forced_oil else (0.06, 0.04, 1.33)  # [Wh/K] per lb, lb, gal
    capacity_wh_per_k = core * core_and_coil_lb + tank * tank_lb + oil * oil_gal
    return 3600.0 * capacity_wh_per_k * rise_to_k / loss_w


@kernel
def faa(hot_spot_degc):  # type: ignore[no-untyped-def]
    """Ageing acceleration of 65 K insulation (clause 5); -200 degC stands for anything colder."""
    return math.exp(15000.0 / 383.0 - 15000.0 / (max(hot_spot_degc, -200.0) + 273.0))


@kernel
def init(p, s, k_pu, ambient_degc):  # type: ignore[no-untyped-def]
    """Set the steady state of a load (float64[n]) and an ambient temperature; ageing starts at zero."""
    for i in range(s.shape[0]):
        s["rating_pu_sp"][i] = 1.0
        s["cooling_stage"][i] = 0.0
        _take(s, i, k_pu[i], ambient_degc)
        for _ in range(3):  # each pass may start one more stage
            u_to, u_h, _, _ = _ultimate(p, s, i)
            s["top_oil_rise_k"][i], s["winding_rise_k"][i] = u_to, u_h
            _publish(p, s, i)
        s["top_oil_carry_k"][i], s["winding_carry_k"][i] = 0.0, 0.0
        s["aged_h"][i], s["elapsed_h"][i], s["minute_s"][i] = 0.0, 0.0, 0.0
        s["minute_faa"][i] = s["faa"][i]
        s["from_k_pu"][i], s["from_rise_k"][i] = s["k_pu"][i], s["top_oil_rise_k"][i]
        s["feqa"][i], s["loss_of_life_pct"][i] = s["faa"][i], 0.0


@kernel
def step(p, s, k_pu, ambient_degc, dt_s):  # type: ignore[no-untyped-def]
    """Advance every transformer by one step; load and ambient are those of the whole step.

    Parameters
    ----------
    k_pu : float64[n]
        Load current (or apparent power) over the nameplate rating. Not finite: the last load holds.
    ambient_degc : float
        Ambient temperature. Not finite: the last one holds.
    """
    for i in range(s.shape[0]):
        _take(s, i, k_pu[i], ambient_degc)
        u_to, u_h, tau_to_s, tau_w_s = _ultimate(p, s, i)
        left_s = dt_s
        while s["minute_s"][i] + left_s >= AGEING_GRID_S - SNAP_S:
            part_s = AGEING_GRID_S - s["minute_s"][i]
            _warm(s, i, u_to, u_h, part_s / tau_to_s, part_s / tau_w_s)
            _age(s, i)
            left_s -= part_s
        if left_s > SNAP_S:
            _warm(s, i, u_to, u_h, left_s / tau_to_s, left_s / tau_w_s)
            s["minute_s"][i] += left_s
        _publish(p, s, i)
        hours = s["elapsed_h"][i]
        s["feqa"][i] = s["aged_h"][i] / hours if hours > 0.0 else s["faa"][i]
        s["loss_of_life_pct"][i] = 100.0 * s["aged_h"][i] / p["life_h"][i]


@kernel
def _take(s, i, k_pu, ambient_degc):  # type: ignore[no-untyped-def]
    rating = s["rating_pu_sp"][i]
    rating = min(max(rating, 0.01), 100.0) if rating > 0.0 else 1.0
    if math.isfinite(k_pu):
        s["k_pu"][i] = min(abs(k_pu) / rating, K_MAX_PU)
    if math.isfinite(ambient_degc):
        s["ambient_degc"][i] = min(max(ambient_degc, AMBIENT_MIN_DEGC), AMBIENT_MAX_DEGC)


@kernel
def _ultimate(p, s, i):  # type: ignore[no-untyped-def]
    """Ultimate rises [K] and time constants [s] at the present load and cooling stage."""
    stage, mode, m_rating = s["cooling_stage"][i], round(p["cooling"][i]), 1.0
    if stage > 0.0:
        m_rating = p["stage2_pu"][i] if stage > 1.0 else p["stage1_pu"][i]
        mode = max(mode, round(p["stage_cooling"][i]))
    n = p["n_exp"][i] if p["n_exp"][i] > 0.0 else OIL_EXPONENT[mode]
    m = p["m_exp"][i] if p["m_exp"][i] > 0.0 else WINDING_EXPONENT[mode]
    k2 = (s["k_pu"][i] / m_rating) ** 2
    ratio = p["loss_ratio"][i] * m_rating * m_rating
    u_to = p["rise_to_k"][i] * ((k2 * ratio + 1.0) / (ratio + 1.0)) ** n
    u_h = p["rise_h_k"][i] * k2**m
    tau_to_s = p["tau_to_s"][i] * (p["loss_ratio"][i] + 1.0) / (ratio + 1.0)
    if p["is_tau_corrected"][i] > 0.0:
        tau_to_s *= _tau_factor(s, i, u_to / p["rise_to_k"][i], p["rise_to_k"][i], n)
    return u_to, u_h, tau_to_s, p["tau_w_s"][i]


@kernel
def _tau_factor(s, i, u, rise_to_k, n):  # type: ignore[no-untyped-def]
    """Correction of the oil time constant for a step of load from rise ``a`` to ``u`` [pu of rated].

    (u - a) / (u^(1/n) - a^(1/n)). The step starts where the load last changed by more than
    ``TAU_BAND_PU``; under a load that never rests this becomes the 1/n-power form.
    """
    if not abs(s["k_pu"][i] - s["from_k_pu"][i]) <= TAU_BAND_PU:
        s["from_k_pu"][i], s["from_rise_k"][i] = s["k_pu"][i], s["top_oil_rise_k"][i]
    a = max(s["from_rise_k"][i], 0.0) / rise_to_k
    if abs(u - a) < 1e-6 * u:  # the limit, before the difference loses its digits
        return n * u ** (1.0 - 1.0 / n)
    return (u - a) / (u ** (1.0 / n) - a ** (1.0 / n))


@kernel
def _warm(s, i, u_to, u_h, x_to, x_w):  # type: ignore[no-untyped-def]
    """Move both rises towards their ultimate values over ``x`` time constants."""
    s["top_oil_rise_k"][i], s["top_oil_carry_k"][i] = _lag(
        s["top_oil_rise_k"][i], s["top_oil_carry_k"][i], u_to, x_to
    )
    s["winding_rise_k"][i], s["winding_carry_k"][i] = _lag(
        s["winding_rise_k"][i], s["winding_carry_k"][i], u_h, x_w
    )


@kernel
def _lag(rise_k, carry_k, u_k, x):  # type: ignore[no-untyped-def]
    move = carry_k - (u_k - rise_k) * math.expm1(-x)
    new_k = rise_k + move
    if not abs(new_k) < RISE_MAX_K:  # also NaN: a spoilt state starts again from the steady state
        return u_k, 0.0
    return new_k, move - (new_k - rise_k)


@kernel
def _age(s, i):  # type: ignore[no-untyped-def]
    """Add one minute to the ageing sum."""
    now = faa(s["ambient_degc"][i] + s["top_oil_rise_k"][i] + s["winding_rise_k"][i])
    s["aged_h"][i] += 0.5 * (s["minute_faa"][i] + now) * (AGEING_GRID_S / 3600.0)
    s["elapsed_h"][i] += AGEING_GRID_S / 3600.0
    s["minute_faa"][i] = now
    s["minute_s"][i] = 0.0


@kernel
def _publish(p, s, i):  # type: ignore[no-untyped-def]
    """Temperatures, ageing rate, alarm flags and cooling stage from the rises."""
    oil = s["ambient_degc"][i] + s["top_oil_rise_k"][i]
    spot = oil + s["winding_rise_k"][i]
    s["top_oil_degc"][i], s["hot_spot_degc"][i], s["faa"][i] = oil, spot, faa(spot)
    reset = p["alarm_reset_k"][i]
    s["is_top_oil_alarm"][i] = _flag(s["is_top_oil_alarm"][i], oil, p["top_oil_alarm_degc"][i], reset)
    s["is_top_oil_trip"][i] = _flag(s["is_top_oil_trip"][i], oil, p["top_oil_trip_degc"][i], reset)
    s["is_hot_spot_alarm"][i] = _flag(s["is_hot_spot_alarm"][i], spot, p["hot_spot_alarm_degc"][i], reset)
    s["is_hot_spot_trip"][i] = _flag(s["is_hot_spot_trip"][i], spot, p["hot_spot_trip_degc"][i], reset)
    s["is_trip"][i] = max(s["is_top_oil_trip"][i], s["is_hot_spot_trip"][i])
    watched = spot if p["stage_sensor"][i] > 0.0 else oil
    stage, drop = s["cooling_stage"][i], p["stage_hysteresis_k"][i]
    one, two = 0.0, 0.0
    if p["stage1_pu"][i] > 0.0:
        one = _flag(1.0 if stage > 0.0 else 0.0, watched, p["stage1_on_degc"][i], drop)
    if p["stage2_pu"][i] > 0.0:
        two = _flag(1.0 if stage > 1.0 else 0.0, watched, p["stage2_on_degc"][i], drop)
    s["cooling_stage"][i] = 2.0 if two > 0.0 else one


@kernel
def _flag(is_up, value, level, reset):  # type: ignore[no-untyped-def]
    """1 at or above the level, kept until the value falls by ``reset`` below it."""
    if value >= level:
        return 1.0
    return is_up if value > level - reset else 0.0
