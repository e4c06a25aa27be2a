"""The load history of a station as the estimator's pseudo-measurements take it."""

from __future__ import annotations

from estimation.pseudo import History
from hil.profiles import read_profile
from hil.station import Plan


def history_of(plan: Plan) -> History | None:
    """Return the whole profile of a station, None where it has none.

    It is the past, so it need not cover the run: what it lacks the estimator forecasts worse.
    """
    station = plan.station
    if station.profile is None:
        return None
    loads = [x.name for x in plan.network.loads]
    profile = read_profile(station.profile, loads, folder=station.path.parent)
    return History(
        start_ns=profile.start_utc_ns,
        step_ns=profile.step_ns,
        p_w=profile.p_w,
        q_var=profile.q_var,
        wraps=profile.wraps,
    )
