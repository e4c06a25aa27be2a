"""A station as the dispatcher sees it: its network, ratings and typical demand from the station's files."""

from __future__ import annotations

from typing import Any

import numpy as np

from estimation.pseudo import History
from forecasting.dispatch.site import Battery, PvSite, Regulator, Site, VoltVar
from forecasting.series import NS_PER_DAY
from hil.load_history import history_of
from hil.station import Plan, stated
from rtcore.clock import NS_PER_S
from rtcore.errors import Problem, UserInputError
from rtcore.network.model import Network
from rtcore.plant.battery import Battery as BatterySettings
from rtcore.plant.pv_inverter import VOLT_VAR, Pv

FEEDERS = {"1": "A", "2": "B", "3": "C"}
"""Feeder by the first digit in the name of a load or a site."""


def site_of(plan: Plan, before_ns: int) -> Site:
    """Return the site of a station; what is typical of its loads comes from its profile before a moment.

    UserInputError where the station has no profile, no batteries or no regulators.
    """
    history = history_of(plan)
    network = plan.network
    problems = []
    if history is None:
        problems.append(Problem(plan.station.name, "profile", "dispatch needs a station with a load profile"))
    if not any(d.kind == "battery" for d in network.ders):
        problems.append(Problem(plan.station.name, "network", "dispatch needs a network with a battery"))
    if problems:
        raise UserInputError(problems)
    assert history is not None
    names = sorted({feeder_of(x.name) for x in network.loads})
    return Site(
        network=network,
        batteries=tuple(_battery(plan, d.name) for d in network.ders if d.kind == "battery"),
        regulators=_regulators(network),
        pv=tuple(PvSite(d.name, 1e3 * d.kva, feeder_of(d.name)) for d in network.ders if d.kind == "pv"),
        feeders=tuple(names),
        feeder_of=np.array([names.index(feeder_of(x.name)) for x in network.loads], np.int64),
        typical_va=_typical(plan, history, before_ns),
        utc_offset_s=plan.station.utc_offset_s,
        volt_var=_volt_var(plan),
        source_pu=plan.station.source.v_pu,
    )


def feeder_of(name: str) -> str:
    """Return the feeder of ``load_2043`` or ``pv_2043``."""
    return FEEDERS[name.rpartition("_")[2][0]]


def _typical(plan: Plan, history: History, before_ns: int) -> np.ndarray[Any, np.dtype[np.complex128]]:
    """Return the mean demand of each load by hour of the local day over the history before a moment."""
    rows = (before_ns - history.start_ns) // history.step_ns
    if not NS_PER_DAY // history.step_ns <= rows:
        what = "dispatch needs a day of the load profile before the start"
        raise UserInputError([Problem(plan.station.name, "profile", what)])
    rows = min(rows, len(history.p_w))
    starts_s = (history.start_ns + np.arange(rows) * history.step_ns) // NS_PER_S
    slot = (starts_s + plan.station.utc_offset_s) % 86_400 // 3600
    s = (history.p_w[:rows] + 1j * history.q_var[:rows]) * plan.station.load.scale
    return np.stack([s[slot == k].mean(0) for k in range(24)])


def _given(plan: Plan, kind: str, name: str) -> dict[str, Any]:
    """Return the parameters of an instance that network and station state; the rest are defaults."""
    return stated(plan.network)[kind][name] | dict(plan.plant.get(kind, {}).get(name, {}))


def _battery(plan: Plan, name: str) -> Battery:
    p = BatterySettings(**_given(plan, "battery", name))
    return Battery(
        name=name,
        e_rated_wh=p.e_rated_wh,
        p_charge_max_w=min(p.s_rated_va, p.charge_max_per_h * p.e_rated_wh),
        p_discharge_max_w=min(p.s_rated_va, p.discharge_max_per_h * p.e_rated_wh),
        eta_charge=p.eta_charge,
        eta_discharge=p.eta_discharge,
        soc_min_pct=max(p.soc_min_pct, p.reserve_pct),
        soc_max_pct=p.soc_max_pct,
        standby_w=p.standby_w,
    )


def _regulators(network: Network) -> tuple[Regulator, ...]:
    return tuple(
        Regulator(
            name=r.name,
            tap_max=r.tap_highest,
            tap_v=r.step_pu * r.vreg_v,
            vreg_v=r.vreg_v,
            band_v=r.band_v,
        )
        for r in network.regulators
    )


def _volt_var(plan: Plan) -> VoltVar:
    """Return the curve of the sites; that of the first one stands for all."""
    names = [d.name for d in plan.network.ders if d.kind == "pv"]
    if not names:
        return VoltVar()
    p = Pv(**_given(plan, "pv", names[0]))
    q = (p.vv_q1_pu, p.vv_q2_pu, p.vv_q3_pu, p.vv_q4_pu)
    nan = float("nan")
    return VoltVar(
        v_pu=(p.vv_v1_pu, p.vv_v2_pu, p.vv_v3_pu, p.vv_v4_pu),
        q_pu=q if p.q_mode == VOLT_VAR else (0.0, 0.0, 0.0, 0.0),
        vw_v1_pu=p.vw_v1_pu if p.volt_watt else nan,
        vw_v2_pu=p.vw_v2_pu if p.volt_watt else nan,
    )
