"""Stages 3 and 4: the point of connection hands over; batteries and photovoltaic sites feed in."""

from __future__ import annotations

from rtcore.control import microgrid
from rtcore.jit import kernel
from rtcore.plant import battery, clouds, inverter_current, pv_fleet, pv_inverter
from rtcore.stages.machines import set_emf

FORMING, FOLLOWING, OFF = battery.FORMING, battery.FOLLOWING, battery.OFF

_clearness, _voltages, _microgrid_step = (
    clouds.clearness_all,
    inverter_current.terminal_voltages,
    microgrid.step,
)
_pv_step, _pv_inject, _pv_measure = pv_inverter.step, pv_inverter.inject, pv_inverter.measure
_fleet_enable, _fleet_total = pv_fleet.enable, pv_fleet.total
_follow, _form = battery.step_following, battery.step_forming
_battery_inject, _battery_measure = battery.inject, battery.measure


@kernel
def keep_following(b, emf_of, owner, n_sources):  # type: ignore[no-untyped-def]
    """Put batteries (rows ``b``) in and out of service; where a grid source is, none of them forms.

    ``emf_of``: EMF of each battery; ``owner``: first EMF of each EMF's island, the sources come first.
    """
    for i in range(b.shape[0]):
        first = owner[emf_of[i]]
        if b["is_enabled_sp"][i] == 0.0:
            b["mode"][i] = OFF
        elif (b["mode"][i] == OFF and first >= 0) or (b["mode"][i] == FORMING and 0 <= first < n_sources):
            b["mode"][i] = FOLLOWING


@kernel
def hand_over(c, b_p, b, breaker, check, f0_hz, dt_s):  # type: ignore[no-untyped-def]
    """Let every point of connection decide who is master.

    ``c``: Microgrids; ``b_p``, ``b``, ``breaker``, ``check``: rows of batteries, breakers and
    synchronism checks.
    """
    _microgrid_step(c.p, c.s, c.pcc, c.master, breaker, b, b_p, check, c.pcc, f0_hz, dt_s)


@kernel
def _look(b, emf, emfs):  # type: ignore[no-untyped-def]
    """Note what the last solution says at each battery (``b``: Storage)."""
    seen = b.seen
    for i in range(b.emf_of.shape[0]):
        k = b.emf_of[i]
        owner = emf.owner[k]
        seen.live[i] = 1.0 if owner >= 0 else 0.0
        seen.v_pu[i] = emfs.v1[k] if owner >= 0 else 0.0j
        seen.f_hz[i] = emf.f_hz[owner] if owner >= 0 else 0.0
        seen.p_w[i], seen.q_var[i] = emfs.s_va[k].real, emfs.s_va[k].imag
        rated_a = b.p["s_rated_va"][i] / (3.0 * b.p["v_base_v"][i])
        seen.i_pu[i] = emfs.i_a[k] / rated_a


@kernel
def form(b, emf, emfs, unit, dt_s):  # type: ignore[no-untyped-def]
    """Advance forming batteries and set their EMFs; returns (changes of the network, EMFs turned)."""
    changed, turned = 0, 0
    if b.s.shape[0] == 0:
        return changed, turned
    _look(b, emf, emfs)
    seen = b.seen
    _form(b.p, b.s, seen.v_pu, seen.f_hz, seen.p_w, seen.q_var, seen.i_pu, dt_s)
    for i in range(b.s.shape[0]):
        k = b.emf_of[i]
        wanted = 1.0 if b.s["mode"][i] == FORMING else 0.0
        if wanted != 0.0:
            turned += set_emf(emf, emfs.scale, k, b.s["e_pu"][i], b.s["theta_rad"][i], b.s["f_hz"][i])
        if wanted != unit[emfs.unit[k], 0]:
            unit[emfs.unit[k], 0] = wanted
            changed += 1
    return changed, turned


@kernel
def feed_batteries(b, emf, emfs, v, dt_s):  # type: ignore[no-untyped-def]
    """Set the current of every following battery from the last voltages, as they have turned."""
    if b.s.shape[0] == 0:
        return
    _look(b, emf, emfs)
    _follow(b.p, b.s, b.seen.v_pu, b.seen.f_hz, b.seen.live, dt_s)
    _battery_inject(b.p, b.s, v, b.at, b.back, b.i_a)


@kernel
def feed_sites(b, weather_p, weather_s, emf, owner, v, key, t_s, dt_s):  # type: ignore[no-untyped-def]
    """Set the current of every photovoltaic site (``b``: Sites) from the last voltages."""
    if b.s.shape[0] == 0:
        return
    _fleet_enable(b.fleet, b.s)
    _clearness(weather_p, weather_s, key, b.x_m, b.y_m, t_s, b.clearness)
    _voltages(b.p, v, b.at, b.back, b.v_pu)
    for i in range(b.s.shape[0]):
        k = owner[b.at[i, 0]]
        b.live[i] = 1.0 if k >= 0 else 0.0
        b.f_hz[i] = emf.f_hz[k] if k >= 0 else 0.0
    sun, ambient_degc = weather_s["poa_clear_w_m2"][0], weather_s["ambient_degc"][0]
    _pv_step(b.p, b.s, sun, b.clearness, ambient_degc, b.v_pu, b.f_hz, b.live, dt_s)
    _pv_inject(b.p, b.s, v, b.at, b.back, b.i_a)


@kernel
def measure_batteries(b, emfs, v):  # type: ignore[no-untyped-def]
    """What the solved network says of every battery."""
    if b.s.shape[0] == 0:
        return
    _battery_measure(b.p, b.s, v, b.at, b.back, b.i_a)
    for i in range(b.s.shape[0]):
        if b.s["mode"][i] == FORMING:
            s = emfs.s_va[b.emf_of[i]]
            b.s["p_w"][i], b.s["q_var"][i] = s.real, s.imag


@kernel
def measure_sites(b, v):  # type: ignore[no-untyped-def]
    """What the solved network says of every photovoltaic site."""
    if b.s.shape[0] > 0:
        _pv_measure(b.p, b.s, v, b.at, b.back, b.i_a)
        _fleet_total(b.fleet, b.s)
