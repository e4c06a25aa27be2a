"""The load history of a station as the estimator's pseudo-measurements take it."""

from __future__ import annotations

from estimation.pseudo import History
from hil.station import Plan


def history_of(plan: Plan) -> History | None:
    """Return the whole profile of a station, None where it has none."""
    profile = plan.station.read_profile([x.name for x in plan.network.loads], None)
    if profile is None:
        return None
    return History(
        start_ns=profile.start_utc_ns,
        step_ns=profile.step_ns,
        p_w=profile.p_w,
        q_var=profile.q_var,
        wraps=profile.wraps,
    )
