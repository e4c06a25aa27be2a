"""One running station: its own engine, its own instruments, a clean day after the day that is learned from.

The full test takes 17,280 scans of two simulated days (``GRIDHIL_DAYS=2``, minutes); by default the first
twenty minutes are looked at, which says that the chain holds and that a clean station raises no alarm.
"""

from __future__ import annotations

import os

import numpy as np
import pytest
from scipy.stats import beta

from hil.estimator_setup import periods
from hil.station import make_setup, read_plan
from hil.telemetry_files import telemetry_of
from hil.telemetry_image import Fetched, TelemetryImage
from rtcore.engine import Engine
from tests.support.estimation_rig import service_of
from tests.support.station import say

SCAN_S = 10
DAYS = float(os.environ.get("GRIDHIL_DAYS", "0"))
SHORT_SCANS = 120


@pytest.mark.timeout(7200 if DAYS else 120)
def test_a_clean_station_raises_no_alarm_and_centred_residuals_stay_within_their_threshold() -> None:
    """The chain of the estimator's process over the plant, without processes.

    Centred residuals: 1 % at the threshold is aimed at. Thresholds come from one day's moments, and days
    differ; the bound that the full test asks is 3 %, and the rate is said with its exact 95 % interval.
    """
    plan = read_plan("iowa240")
    telemetry = telemetry_of(plan, "sections")
    service = service_of(plan, telemetry)
    engine = Engine(make_setup(plan, 1_000_000_000))
    for k in "ABC":
        engine.do(f"SUB.AVR_{k}.AUTO", 1.0)
    image = TelemetryImage(len(plan.points.core), periods(telemetry))
    index = service.layout.place
    attrs = ("j", "j_centred", "threshold_centred", "is_bad_data")
    where = [index("estimator", "estimator", a) for a in attrs]
    rows = []
    for _ in range(round(DAYS * 86_400 / SCAN_S) if DAYS else SHORT_SCANS):
        engine.step(SCAN_S)
        sim_ns = plan.station.start_utc_ns + (engine.n_steps - 1) * 1_000_000_000
        asked = image.due(sim_ns)
        world = engine.world
        image.take(sim_ns, asked, Fetched(world.values[asked].copy(), world.quality[asked].copy()))
        found = service.scan(image.reading(sim_ns))
        rows.append([found.values[at] for at in where])
    j, j_centred, threshold, is_bad = np.array(rows).T
    assert np.isfinite(j).all()
    assert not is_bad.any()
    if DAYS:
        tested = np.isfinite(j_centred)
        n, k = int(tested.sum()), int((j_centred > threshold)[tested].sum())
        low, high = beta.ppf([0.025, 0.975], [k, k + 1], [n - k + 1, n - k])
        say(f"centred: {k} of {n} scans above, {k / n:.2%} ({low:.2%} to {high:.2%})")
        say(f"mean {j_centred[tested].mean():.0f}, threshold {threshold[tested][0]:.0f}")
        assert k / n < 0.03
