"""Photovoltaic site: array, inverter and the grid-support functions of IEEE Std 1547-2018.

Array: P = S dc_ac_ratio derate G/1000 (1 + gamma (Tc - 25)), with the cell temperature a lag of
Ta + (NOCT - 20) G/800 (Duffie, Beckman, Solar Engineering of Thermal Processes, 4th edition,
2013, section 23.3); the inverter's efficiency and rating follow.

Order of the functions (clause 4.7): trip and cessation before all; volt-watt always binds;
frequency-droop goes before the curtailment setpoint, so a curtailed site has headroom when
frequency is low; then the apparent-power limit by the chosen priority. Reactive power is that
of one mode at a time, within its capability, which shrinks with the sun below ``q_from_pu``.

Pre-disturbance power of the droop is the output as frequency leaves the deadband. It then
follows what the site would deliver with ``fw_memory_s``: in an island frequency may stay off
nominal for hours, and a fixed value would hold the morning's power at noon.
"""

from __future__ import annotations

import math

from rtcore.component import Attr, component, in_order, param
from rtcore.jit import kernel
from rtcore.plant import ieee1547 as std
from rtcore.plant.inverter_current import inject_row, measure_row

OFF, SLEEPING, STARTING, MPPT, THROTTLED, SHUTTING_DOWN, FAULT, STANDBY = (float(k) for k in range(1, 9))
"""Operating states of SunSpec model 103 (St)."""

CONSTANT_PF, VOLT_VAR, WATT_VAR, CONSTANT_Q = 0.0, 1.0, 2.0, 3.0
"""Reactive power modes."""

Q_MODES = {"constant_pf": 0.0, "volt_var": 1.0, "watt_var": 2.0, "constant_q": 3.0}
SWITCH = {"off": 0.0, "on": 1.0}

_between, _follow, _share, _within = std.between, std.follow, std.share, std.within
_volt_var, _watt_var, _droop, _watch, _may_enter = (
    std.volt_var,
    std.watt_var,
    std.droop,
    std.watch,
    std.may_enter,
)
_NOT_TRIPPED = std.NOT_TRIPPED
_EPS, _TINY = std.EPS, std.TINY


@component(
    "pv",
    attrs=(
        Attr("p_w", "W", "active power delivered"),
        Attr("q_var", "var", "reactive power delivered"),
        Attr("s_va", "VA", "apparent power"),
        Attr("pf", "", "power factor"),
        Attr("i_a", "A", "largest phase current"),
        Attr("f_hz", "Hz", "frequency at the terminals, 0 when dead"),
        Attr("v_pu", "pu", "mean phase voltage"),
        Attr("p_avail_w", "W", "AC power that the sun would give"),
        Attr("p_dc_w", "W", "power drawn from the array"),
        Attr("poa_w_m2", "W/m2", "irradiance in the plane of the array"),
        Attr("cell_degc", "degC", "cell temperature"),
        Attr("state", "", "SunSpec: 1 off 2 sleeping 3 starting 4 MPPT 5 throttled 7 fault 8 standby"),
        Attr("is_enabled", "", "1 when the site takes part (penetration)"),
        Attr("is_tripped", "", "1 from a trip until service is entered again"),
        Attr("trip_reason", "", "last trip: 0 none, 1 OV2 2 OV1 3 UV1 4 UV2 5 OF2 6 OF1 7 UF1 8 UF2"),
        Attr("reconnect_s", "s", "time until service is entered, while conditions are good"),
        Attr("energy_wh", "Wh", "energy delivered"),
        Attr("rating_va", "VA", "rated apparent power"),
        Attr("connect_sp", "", "permit service: 1 connect, 0 disconnect", writable="setpoint"),
        Attr("limit_pct_sp", "%", "limit of active power, of the rating", writable="setpoint"),
        Attr("q_mode_sp", "", "0 constant pf 1 volt-var 2 watt-var 3 constant Q", writable="setpoint"),
        Attr("pf_sp", "", "power factor, negative absorbs reactive power", writable="setpoint"),
        Attr("q_var_sp", "var", "reactive power of mode 3", writable="setpoint"),
        Attr("volt_watt_sp", "", "volt-watt: 1 on", writable="setpoint"),
        Attr("freq_watt_sp", "", "frequency-droop: 1 on", writable="setpoint"),
        Attr("is_in_service", "", "1 when connected and not waiting to enter service"),
        Attr("ramp_pu", "pu", "active power that the enter-service ramp allows"),
        Attr("soft_pu", "pu", "part of the output that is back after momentary cessation"),
        Attr("p_cmd_w", "W", "active power asked of the inverter"),
        Attr("q_cmd_var", "var", "reactive power asked of the inverter"),
        Attr("q_pu", "pu", "reactive power after its response time"),
        Attr("vw_pu", "pu", "volt-watt limit after its response time"),
        Attr("fw_pu", "pu", "frequency-droop after its response time"),
        Attr("p_pre_pu", "pu", "pre-disturbance active power"),
        Attr("ov2_t_s", "s", "time beyond the threshold OV2"),
        Attr("ov1_t_s", "s", "time beyond the threshold OV1"),
        Attr("uv1_t_s", "s", "time beyond the threshold UV1"),
        Attr("uv2_t_s", "s", "time beyond the threshold UV2"),
        Attr("of2_t_s", "s", "time beyond the threshold OF2"),
        Attr("of1_t_s", "s", "time beyond the threshold OF1"),
        Attr("uf1_t_s", "s", "time beyond the threshold UF1"),
        Attr("uf2_t_s", "s", "time beyond the threshold UF2"),
    ),
    rules=in_order("vv_v1_pu", "vv_v2_pu", "vv_v3_pu", "vv_v4_pu"),
)
class Pv:
    """One site (defaults: Category B, abnormal Category III; others by ``ieee1547.settings_of``)."""

    s_rated_va: float = param(unit="VA", doc="rated apparent power", gt=0, le=1e9)
    v_base_v: float = param(unit="V", doc="nominal voltage between the two ends of a phase", gt=0, le=1e6)
    f_nominal_hz: float = param(default=60.0, unit="Hz", doc="nominal frequency", ge=45, le=65)
    dc_ac_ratio: float = param(default=1.2, unit="", doc="array rating over inverter rating", gt=0, le=3)
    derate_pu: float = param(default=0.95, unit="pu", doc="soiling, mismatch and wiring", gt=0, le=1)
    gamma_per_k: float = param(default=-0.0035, unit="1/K", doc="power over cell temperature", ge=-0.01, le=0)
    noct_degc: float = param(
        default=45.0, unit="degC", doc="nominal operating cell temperature", ge=25, le=80
    )
    cell_tau_s: float = param(
        default=300.0, unit="s", doc="thermal time constant of the array", ge=0, le=3600
    )
    efficiency: float = param(default=0.97, unit="", doc="of the inverter", ge=0.5, le=1)
    i_max_pu: float = param(default=1.1, unit="pu", doc="largest phase current", ge=1, le=3)
    priority: float = param(
        default=1.0,
        unit="",
        doc="what the apparent-power limit spares",
        source="IEEE 1547-2018 5.4.2",
        choices={"active": 0.0, "reactive": 1.0},
    )
    q_inject_pu: float = param(default=0.44, unit="pu", doc="largest reactive power delivered", ge=0, le=1)
    q_absorb_pu: float = param(default=0.44, unit="pu", doc="largest reactive power absorbed", ge=0, le=1)
    q_from_pu: float = param(
        default=0.05, unit="pu", doc="available power for full reactive power; 0 also at night", ge=0, le=1
    )
    q_mode: float = param(default=0.0, unit="", doc="initial reactive power mode", choices=Q_MODES)
    pf: float = param(default=1.0, unit="", doc="initial power factor", ge=-1, le=1)
    q_olrt_s: float = param(default=1.0, unit="s", doc="response time of constant pf, Q", ge=0, le=10)
    vv_v1_pu: float = param(default=0.92, unit="pu", doc="volt-var V1", ge=0.77, le=1)
    vv_v2_pu: float = param(default=0.98, unit="pu", doc="volt-var V2", ge=0.8, le=1.05)
    vv_v3_pu: float = param(default=1.02, unit="pu", doc="volt-var V3", ge=0.95, le=1.2)
    vv_v4_pu: float = param(default=1.08, unit="pu", doc="volt-var V4", ge=1, le=1.23)
    vv_q1_pu: float = param(default=0.44, unit="pu", doc="volt-var Q1", ge=-1, le=1)
    vv_q2_pu: float = param(default=0.0, unit="pu", doc="volt-var Q2", ge=-1, le=1)
    vv_q3_pu: float = param(default=0.0, unit="pu", doc="volt-var Q3", ge=-1, le=1)
    vv_q4_pu: float = param(default=-0.44, unit="pu", doc="volt-var Q4", ge=-1, le=1)
    vv_olrt_s: float = param(default=5.0, unit="s", doc="volt-var response time", ge=0, le=90)
    wv_p1_pu: float = param(default=0.2, unit="pu", doc="watt-var P1", ge=0, le=0.7)
    wv_p2_pu: float = param(default=0.5, unit="pu", doc="watt-var P2", ge=0.1, le=0.8)
    wv_p3_pu: float = param(default=1.0, unit="pu", doc="watt-var P3", ge=0.2, le=1)
    wv_q1_pu: float = param(default=0.0, unit="pu", doc="watt-var Q1", ge=-1, le=1)
    wv_q2_pu: float = param(default=0.0, unit="pu", doc="watt-var Q2", ge=-1, le=1)
    wv_q3_pu: float = param(default=-0.44, unit="pu", doc="watt-var Q3", ge=-1, le=1)
    wv_olrt_s: float = param(default=10.0, unit="s", doc="watt-var response time", ge=0, le=90)
    volt_watt: float = param(default=0.0, unit="", doc="volt-watt at the start", choices=SWITCH)
    vw_v1_pu: float = param(default=1.06, unit="pu", doc="volt-watt V1", ge=1.05, le=1.09)
    vw_p1_pu: float = param(default=1.0, unit="pu", doc="volt-watt P1", ge=0, le=1)
    vw_v2_pu: float = param(default=1.10, unit="pu", doc="volt-watt V2", ge=1.06, le=1.2)
    vw_p2_pu: float = param(default=0.0, unit="pu", doc="volt-watt P2", ge=0, le=1)
    vw_olrt_s: float = param(default=10.0, unit="s", doc="volt-watt response time", ge=0, le=60)
    freq_watt: float = param(default=1.0, unit="", doc="frequency-droop at the start", choices=SWITCH)
    fw_deadband_hz: float = param(default=0.036, unit="Hz", doc="droop deadband", ge=0, le=1)
    fw_k: float = param(default=0.05, unit="", doc="droop", ge=0.005, le=0.1)
    fw_olrt_s: float = param(default=5.0, unit="s", doc="droop response time", ge=0, le=10)
    fw_memory_s: float = param(default=600.0, unit="s", doc="pre-disturbance power; 0 fixed", ge=0, le=86400)
    ov2_pu: float = param(default=1.20, unit="pu", doc="overvoltage 2", ge=1.1, le=1.5)
    ov2_s: float = param(default=0.16, unit="s", doc="clearing time of OV2", ge=0, le=60)
    ov1_pu: float = param(default=1.10, unit="pu", doc="overvoltage 1", ge=1.05, le=1.3)
    ov1_s: float = param(default=13.0, unit="s", doc="clearing time of OV1", ge=0, le=60)
    uv1_pu: float = param(default=0.88, unit="pu", doc="undervoltage 1", ge=0, le=0.95)
    uv1_s: float = param(default=21.0, unit="s", doc="clearing time of UV1", ge=0, le=100)
    uv2_pu: float = param(default=0.50, unit="pu", doc="undervoltage 2", ge=0, le=0.9)
    uv2_s: float = param(default=2.0, unit="s", doc="clearing time of UV2", ge=0, le=60)
    of2_hz: float = param(default=62.0, unit="Hz", doc="overfrequency 2", ge=45, le=70)
    of2_s: float = param(default=0.16, unit="s", doc="clearing time of OF2", ge=0, le=1000)
    of1_hz: float = param(default=61.2, unit="Hz", doc="overfrequency 1", ge=45, le=70)
    of1_s: float = param(default=300.0, unit="s", doc="clearing time of OF1", ge=0, le=1000)
    uf1_hz: float = param(default=58.5, unit="Hz", doc="underfrequency 1", ge=40, le=65)
    uf1_s: float = param(default=300.0, unit="s", doc="clearing time of UF1", ge=0, le=1000)
    uf2_hz: float = param(default=56.5, unit="Hz", doc="underfrequency 2", ge=40, le=65)
    uf2_s: float = param(default=0.16, unit="s", doc="clearing time of UF2", ge=0, le=1000)
    cease_below_pu: float = param(default=0.50, unit="pu", doc="momentary cessation below", ge=0, le=0.9)
    cease_above_pu: float = param(default=1.10, unit="pu", doc="momentary cessation above", ge=1.05, le=1.5)
    restore_s: float = param(default=0.4, unit="s", doc="full output after cessation", ge=0, le=10)
    es_v_min_pu: float = param(default=0.917, unit="pu", doc="enter service: lowest voltage", ge=0.5, le=1)
    es_v_max_pu: float = param(default=1.05, unit="pu", doc="enter service: highest voltage", ge=1, le=1.2)
    es_f_min_hz: float = param(default=59.5, unit="Hz", doc="enter service: lowest frequency", ge=40, le=65)
    es_f_max_hz: float = param(default=60.1, unit="Hz", doc="enter service: highest frequency", ge=45, le=70)
    es_delay_s: float = param(default=300.0, unit="s", doc="enter service: delay", ge=0, le=3600)
    es_ramp_s: float = param(default=300.0, unit="s", doc="enter service: ramp to rated", ge=0, le=3600)


@kernel
def init(p, s, ambient_degc):  # type: ignore[no-untyped-def]
    """In service before sunrise: setpoints from the parameters, cells at ambient temperature."""
    for i in range(s.shape[0]):
        s["rating_va"][i] = p["s_rated_va"][i]
        s["cell_degc"][i] = ambient_degc
        s["connect_sp"][i], s["limit_pct_sp"][i] = 1.0, 100.0
        s["q_mode_sp"][i], s["pf_sp"][i], s["q_var_sp"][i] = p["q_mode"][i], p["pf"][i], 0.0
        s["volt_watt_sp"][i], s["freq_watt_sp"][i] = p["volt_watt"][i], p["freq_watt"][i]
        s["is_enabled"][i] = s["is_in_service"][i] = 1.0
        s["ramp_pu"][i] = s["soft_pu"][i] = s["vw_pu"][i] = s["pf"][i] = 1.0
        s["p_pre_pu"][i] = -1.0  # not known yet
        s["state"][i] = SLEEPING


@kernel
def _array(p, s, i, poa_w_m2, ambient_degc, dt_s):  # type: ignore[no-untyped-def]
    """Cell temperature and the AC power that the sun would give; a bad input counts as night."""
    g = _within(poa_w_m2, 0.0, 2000.0, 0.0)
    ambient = _within(ambient_degc, -80.0, 80.0, 25.0)
    target = ambient + (p["noct_degc"][i] - 20.0) * g / 800.0
    s["cell_degc"][i] = _follow(s["cell_degc"][i], target, _share(dt_s, p["cell_tau_s"][i]))
    warm = max(1.0 + p["gamma_per_k"][i] * (s["cell_degc"][i] - 25.0), 0.0)
    dc_w = p["s_rated_va"][i] * p["dc_ac_ratio"][i] * p["derate_pu"][i] * g / 1000.0 * warm
    s["poa_w_m2"][i] = g
    s["p_avail_w"][i] = min(dc_w * p["efficiency"][i], p["s_rated_va"][i])


@kernel
def _leave(p, s, i):  # type: ignore[no-untyped-def]
    """Take the site out of service until conditions were good for the enter-service delay."""
    s["is_in_service"][i] = s["ramp_pu"][i] = s["soft_pu"][i] = s["q_pu"][i] = 0.0
    s["reconnect_s"][i] = p["es_delay_s"][i]


@kernel
def _wait(p, s, i, is_good, dt_s):  # type: ignore[no-untyped-def]
    """Count the enter-service delay; what a step counts too much belongs to the ramp."""
    if not is_good:
        s["reconnect_s"][i] = p["es_delay_s"][i]
        return
    s["reconnect_s"][i] -= dt_s
    if s["reconnect_s"][i] > _EPS:
        return
    ramp_s = p["es_ramp_s"][i]
    s["ramp_pu"][i] = min(-s["reconnect_s"][i] / max(ramp_s, _TINY), 1.0) if ramp_s > 0.0 else 1.0
    s["ramp_pu"][i] = max(s["ramp_pu"][i], 0.0)
    s["reconnect_s"][i] = s["is_tripped"][i] = 0.0
    s["is_in_service"][i] = s["soft_pu"][i] = 1.0


@kernel
def _service(p, s, i, low_pu, high_pu, f_hz, is_live, dt_s):  # type: ignore[no-untyped-def]
    """Trips, momentary cessation and entering service."""
    reason = _watch(p, s, i, low_pu, high_pu, f_hz, dt_s)
    is_permitted = s["connect_sp"][i] != 0.0
    if s["is_in_service"][i] == 0.0:
        is_good = is_permitted and is_live and _may_enter(p, i, low_pu, high_pu, f_hz)
        _wait(p, s, i, is_good, dt_s)
        return
    if reason != _NOT_TRIPPED:
        s["is_tripped"][i], s["trip_reason"][i] = 1.0, reason
        _leave(p, s, i)
    elif not is_permitted:
        _leave(p, s, i)
    else:
        if s["ramp_pu"][i] < 1.0:
            s["ramp_pu"][i] = min(s["ramp_pu"][i] + dt_s / max(p["es_ramp_s"][i], _EPS), 1.0)
        is_out = low_pu < p["cease_below_pu"][i] - _EPS or high_pu > p["cease_above_pu"][i] + _EPS
        if is_out or not is_live:
            s["soft_pu"][i] = 0.0
        elif s["soft_pu"][i] < 1.0:
            s["soft_pu"][i] = min(s["soft_pu"][i] + dt_s / max(p["restore_s"][i], _EPS), 1.0)


@kernel
def _active(p, s, i, v_pu, f_hz, dt_s):  # type: ignore[no-untyped-def]
    """Active power before the apparent-power limit [pu]."""
    available = s["p_avail_w"][i] / p["s_rated_va"][i]
    wanted = 1.0
    if s["volt_watt_sp"][i] != 0.0:
        wanted = _between(v_pu, p["vw_v1_pu"][i], p["vw_p1_pu"][i], p["vw_v2_pu"][i], p["vw_p2_pu"][i])
    if s["vw_pu"][i] != wanted:
        s["vw_pu"][i] = _follow(s["vw_pu"][i], wanted, _share(dt_s, p["vw_olrt_s"][i] / std.LN10))
    most = min(available, s["vw_pu"][i], s["ramp_pu"][i])
    base = min(most, _within(s["limit_pct_sp"][i], 0.0, 100.0, 100.0) / 100.0)
    if p["priority"][i] != 0.0:
        base = min(base, math.sqrt(max(1.0 - s["q_pu"][i] * s["q_pu"][i], 0.0)))
    beyond = 0.0
    if s["freq_watt_sp"][i] != 0.0:
        beyond = _droop(f_hz, p["f_nominal_hz"][i], p["fw_deadband_hz"][i], p["fw_k"][i])
    if beyond == 0.0 or s["ramp_pu"][i] < 1.0 or s["p_pre_pu"][i] < 0.0:
        s["p_pre_pu"][i] = base
    elif p["fw_memory_s"][i] > 0.0:
        s["p_pre_pu"][i] = _follow(s["p_pre_pu"][i], base, _share(dt_s, p["fw_memory_s"][i]))
    if s["fw_pu"][i] != beyond:
        s["fw_pu"][i] = _follow(s["fw_pu"][i], beyond, _share(dt_s, p["fw_olrt_s"][i] / std.LN10))
    if s["fw_pu"][i] > 0.0:
        return min(base, max(s["p_pre_pu"][i] - s["fw_pu"][i], 0.0))
    if s["fw_pu"][i] < 0.0:
        return min(most, max(base, s["p_pre_pu"][i] - s["fw_pu"][i]))
    return base


@kernel
def _reactive(p, s, i, active, v_pu, dt_s):  # type: ignore[no-untyped-def]
    """Reactive power of the mode in force, after its response time, within the capability [pu]."""
    mode, olrt_s = s["q_mode_sp"][i], p["q_olrt_s"][i]
    if mode == VOLT_VAR:
        wanted, olrt_s = _volt_var(p, i, v_pu), p["vv_olrt_s"][i]
    elif mode == WATT_VAR:
        wanted, olrt_s = _watt_var(p, i, active), p["wv_olrt_s"][i]
    elif mode == CONSTANT_Q:
        wanted = _within(s["q_var_sp"][i] / p["s_rated_va"][i], -1.0, 1.0, 0.0)
    else:
        pf = _within(s["pf_sp"][i], -1.0, 1.0, 1.0)
        cosine = max(abs(pf), 0.05)
        wanted = min(active, cosine) * math.sqrt(1.0 - cosine * cosine) / cosine
        wanted = -wanted if pf < 0.0 else wanted
    room = 1.0
    if p["q_from_pu"][i] > 0.0:
        room = min(s["p_avail_w"][i] / (p["s_rated_va"][i] * max(p["q_from_pu"][i], _TINY)), 1.0)
    lowest, highest = -p["q_absorb_pu"][i] * room, p["q_inject_pu"][i] * room
    wanted = min(max(wanted, lowest), highest)
    if s["q_pu"][i] != wanted:
        q = _follow(s["q_pu"][i], wanted, _share(dt_s, olrt_s / std.LN10))
        s["q_pu"][i] = min(max(q, lowest), highest)
    return s["q_pu"][i]


@kernel
def _operating_state(p, s, i):  # type: ignore[no-untyped-def]
    """SunSpec number of what the site does now."""
    rated = p["s_rated_va"][i]
    if s["is_tripped"][i] != 0.0:
        return FAULT
    if s["connect_sp"][i] == 0.0:
        return OFF
    if s["is_in_service"][i] == 0.0 or s["soft_pu"][i] == 0.0:
        return STANDBY
    if s["p_avail_w"][i] < 1e-3 * rated:
        return SLEEPING
    if s["ramp_pu"][i] < 1.0:
        return STARTING
    return THROTTLED if s["p_cmd_w"][i] < s["p_avail_w"][i] - 5e-3 * rated else MPPT


@kernel
def _rest(s, i):  # type: ignore[no-untyped-def]
    """A site that does not take part: as if it were not there, ready to be there again."""
    s["p_cmd_w"][i] = s["q_cmd_var"][i] = s["p_dc_w"][i] = s["q_pu"][i] = s["soft_pu"][i] = 0.0
    s["is_tripped"][i] = s["reconnect_s"][i] = s["fw_pu"][i] = 0.0
    s["ov2_t_s"][i] = s["ov1_t_s"][i] = s["uv1_t_s"][i] = s["uv2_t_s"][i] = 0.0
    s["of2_t_s"][i] = s["of1_t_s"][i] = s["uf1_t_s"][i] = s["uf2_t_s"][i] = 0.0
    s["is_in_service"][i] = s["ramp_pu"][i] = 1.0
    s["state"][i] = OFF


@kernel
def step(p, s, poa_w_m2, clearness, ambient_degc, v_pu_phase, f_hz, is_live, dt_s):  # type: ignore[no-untyped-def]
    """Decide active and reactive power of every site for this step.

    Parameters
    ----------
    poa_w_m2, ambient_degc : float
        Clear-sky irradiance in the plane of the arrays and ambient temperature of the station.
    clearness : float64[n]
        Factor of the clouds at each site.
    v_pu_phase : float64[n, 3]
        Phase voltages of the last solution [pu], negative where a site has no such phase.
    f_hz : float64[n]
        Frequency at the terminals.
    is_live : [n]
        Not 0 when a source feeds the terminals.
    """
    for i in range(s.shape[0]):
        if abs(s["p_w"][i]) < 1e12:  # leaves out what is not a number
            s["energy_wh"][i] += s["p_w"][i] * dt_s / 3600.0
        _array(p, s, i, poa_w_m2 * clearness[i], ambient_degc, dt_s)
        if s["is_enabled"][i] == 0.0:
            _rest(s, i)
            s["f_hz"][i] = s["v_pu"][i] = 0.0
            continue
        live = is_live[i] != 0
        low, high, total, n = 9.0, 0.0, 0.0, 0
        for k in range(3):
            if v_pu_phase[i, k] < 0.0:
                continue
            v = _within(v_pu_phase[i, k], 0.0, 9.0, 0.0) if live else 0.0
            low, high, total, n = min(low, v), max(high, v), total + v, n + 1
        mean = total / max(n, 1)
        f = _within(f_hz[i], 0.0, 1000.0, p["f_nominal_hz"][i]) if live else p["f_nominal_hz"][i]
        s["v_pu"][i], s["f_hz"][i] = mean, f if live else 0.0
        _service(p, s, i, low, high, f, live, dt_s)
        if s["is_in_service"][i] == 0.0:
            s["p_cmd_w"][i] = s["q_cmd_var"][i] = 0.0
        else:
            active = _active(p, s, i, mean, f, dt_s)
            reactive = _reactive(p, s, i, active, mean, dt_s)
            if p["priority"][i] != 0.0:
                active = min(active, math.sqrt(max(1.0 - reactive * reactive, 0.0)))
            else:
                most = math.sqrt(max(1.0 - active * active, 0.0))
                reactive = min(max(reactive, -most), most)
            out = s["soft_pu"][i] * p["s_rated_va"][i]
            s["p_cmd_w"][i], s["q_cmd_var"][i] = active * out, reactive * out
        s["p_dc_w"][i] = s["p_cmd_w"][i] / p["efficiency"][i]
        s["state"][i] = _operating_state(p, s, i)


@kernel
def inject(p, s, v, at, back, inj):  # type: ignore[no-untyped-def]
    """Turn the powers into phase currents at the last voltages and show power and current.

    Parameters
    ----------
    v : complex128[n_nodes + 1]
        Node voltages to ground [V], ground last.
    at, back : int32[n, 3]
        Nodes of the two ends of each phase, ``at`` -1 where there is none.
    inj : complex128[n, 3]
        Current into node ``at`` and out of node ``back`` [A]; filled.
    """
    for i in range(s.shape[0]):
        inject_row(p, s, i, v, at, back, inj)
        measure_row(p, s, i, v, at, back, inj)


@kernel
def measure(p, s, v, at, back, inj):  # type: ignore[no-untyped-def]
    """Show power and current at the solved voltages (arguments as of ``inject``)."""
    for i in range(s.shape[0]):
        measure_row(p, s, i, v, at, back, inj)
