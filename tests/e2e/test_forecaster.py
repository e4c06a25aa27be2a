"""The forecaster of a running station: scores that anyone can recompute from the record, its death."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import math
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest
from asyncua import Client

from forecasting.history import Wish, read_history
from forecasting.outputs import State
from forecasting.scoreboard import by_target, recompute
from forecasting.series import Floats
from hil.console.pages.forecast import ForecastPage
from hil.forecast_history import find_history
from hil.forecaster_memory import PAUSE_S
from hil.paths import config_dir
from hil.recorder.run_folder import folder_of
from hil.recorder.trend_files import FOLDER, files
from hil.trend_history import step_means
from rtcore.quality import BAD_FROM
from tests.e2e.test_estimator import by_modbus, wait
from tests.support.console_rig import console, screen_text, until, until_shown
from tests.support.station import Station, running, say

SPEED = int(os.environ.get("GRIDHIL_SPEED", "300"))
"""Simulated seconds a second: a step of half an hour is 6 s. With 60 the file takes ten minutes."""
STEP_NS = 1800 * 1_000_000_000
STEP_S = 1800.0 / SPEED
PAST_DAYS = 46
SCORED = 8
"""Forecasts one step ahead that are scored before anything is compared."""
START_S = 400.0
"""The models are fitted on the past first, behind everything else; on a busy machine that has taken 150 s."""
LOST = math.ceil(PAUSE_S / STEP_S) + 1
"""Forecasts at most that a death loses: those since the last state, written every so many seconds."""
DEADBAND_KW = 10.0
"""Of the measured total's trend."""
WHAT = (".H", "_I.LOW", "_I.HIGH")
SHOWN = ("RMSE", "MAE", "MAPE", "BIAS", "COUNT", "COVER_80", "RMSE_PERSISTENCE", "SKILL")


def half_hours(path: Path, begin: dt.datetime) -> None:
    """Write the shipped history in half-hours, straight lines between its hours."""
    series, _ = read_history(find_history("iowa240_2017"), Wish(column="total_kw"))
    first = round((begin.timestamp() * 1e9 - series.start_ns) / series.step_ns)
    hours = series.values[first - 24 * PAST_DAYS : first + 1]
    rows = np.interp(np.arange(0, len(hours) - 0.5, 0.5), np.arange(len(hours)), hours)
    start = begin - dt.timedelta(days=PAST_DAYS)
    lines = [f"{(start + k * dt.timedelta(minutes=30)).isoformat()},{x:.3f}" for k, x in enumerate(rows)]
    path.write_text("\n".join(["time,total_kw", *lines, ""]))


@pytest.fixture(scope="module")
def station(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Station]:
    """The shipped station, fast, with forecasts of its total load by the half-hour."""
    state = tmp_path_factory.mktemp("state")
    text = (config_dir() / "stations" / "iowa240.toml").read_text()
    head, _, rest = text.partition("[forecast]\n")
    table = '[forecast]\nhistory = "past.csv"\nhistory_rows = "instants"\nstep_min = 30\n'
    table += '[forecast.loads.total]\ncolumn = "total_kw"\nmeasured = ["SUB.T1.P"]\n'
    tail = rest.partition("# State estimation")[2].partition("[security]")[2]
    (state / "iowa240.toml").write_text(f"{head}{table}[security]\n{tail}")
    half_hours(state / "past.csv", dt.datetime.fromisoformat("2017-07-12T12:00:00-06:00"))
    with running(state, str(state / "iowa240.toml"), "--speed", str(SPEED)) as live:
        wait(lambda: live.quality("FC.TOTAL.H1") == 0, START_S)
        yield live


async def by_opcua(station: Station, tags: list[str]) -> list[float]:
    async with Client(station.url, timeout=10) as client:
        values = await client.read_values([client.get_node(f"ns=2;s={tag}") for tag in tags])
    return [math.nan if v is None else float(v) for v in values]


def trends(station: Station, tags: list[str]) -> dict[str, list[tuple[int, float]]]:
    """Return (step, value) of every recorded row of some points; NaN where the value was bad."""
    import pyarrow.parquet as pq

    folder = folder_of(station.spec)
    found: dict[str, list[tuple[int, float]]] = {tag: [] for tag in tags}
    for path in files(folder / FOLDER):
        for row in pq.read_table(path).to_pylist():
            if row["tag"] in found:
                value = row["value"] if row["quality"] < BAD_FROM else math.nan
                found[row["tag"]].append((row["step"], value))
    return found


def issues(rows: list[tuple[int, float]]) -> list[tuple[int, int]]:
    """Return (step, end of what it stands on [ns]) of every issue, where it was first shown."""
    first: dict[int, int] = {}
    for step, end_h in rows:
        if math.isfinite(end_h):
            first.setdefault(round(end_h * 3600e9), step)
    return [(step, end_ns) for end_ns, step in first.items()]


def at(rows: list[tuple[int, float]], steps: list[int]) -> Floats:
    """Return the value that held at each step, NaN before the first."""
    known = np.array([s for s, _ in rows])
    where = np.searchsorted(known, steps, side="right") - 1
    values = np.array([v for _, v in rows] or [math.nan])
    return np.where(where >= 0, values[np.maximum(where, 0)], math.nan)


def scores_are_those_of_the_record(station: Station) -> int:
    """Recompute everything from the trends alone: what was issued, what came, and then the score.

    The values of steps that waited for the worker together are not shown one by one; with such a step among
    those that are scored, the trend of the measurement must do, and the score is the same to its deadband.

    Returns
    -------
    int
        Forecasts one step ahead that were over when they were shown.
    """
    tags = ["FC.TOTAL.END_H", *(f"FC.TOTAL_S{h}.{name}" for h in (1, 6) for name in SHOWN)]
    shown, again = (asyncio.run(by_opcua(station, tags)) for _ in range(2))
    if shown[0] != again[0]:
        shown = asyncio.run(by_opcua(station, tags))  # a step ended in between: the next one is far
    asked = ["FC.TOTAL.END_H", "FC.TOTAL.ACTUAL"]
    asked += [f"FC.TOTAL{what}{h}" for what in WHAT for h in (1, 6)]
    wait(lambda: any(h >= shown[0] for _, h in trends(station, asked)["FC.TOTAL.END_H"]), 30.0)
    rows = trends(station, asked)
    ends = [(step, e) for step, e in issues(rows["FC.TOTAL.END_H"]) if e <= round(shown[0] * 3600e9)]
    assert ends[-1][1] == round(shown[0] * 3600e9)
    steps, end_ns = [s for s, _ in ends], np.array([e for _, e in ends])
    actual_kw = at(rows["FC.TOTAL.ACTUAL"], steps)
    first_ns, count = int(end_ns[0]), int((end_ns[-1] - end_ns[0]) // STEP_NS) + 1
    came = by_target(end_ns, actual_kw, 0, STEP_NS, first_ns, count)
    unseen = np.isnan(came)
    means = step_means(folder_of(station.spec), ["SUB.T1.P"], first_ns - STEP_NS, int(end_ns[-1]), STEP_NS)
    came[unseen] = means[unseen, 0]
    for h, told in ((1, shown[1 : 1 + len(SHOWN)]), (6, shown[1 + len(SHOWN) :])):
        said, low, high = (
            by_target(end_ns, at(rows[f"FC.TOTAL{what}{h}"], steps), h, STEP_NS, first_ns, count)
            for what in WHAT
        )
        persistence = by_target(end_ns, actual_kw, h, STEP_NS, first_ns, count)
        ends_of_80 = [np.column_stack([x, x, x]) for x in (low, high)]
        score = recompute(
            said, came, 48, lower=ends_of_80[0], upper=ends_of_80[1], models={"persistence": persistence}
        )
        pairs = dict(zip(SHOWN, told, strict=True))
        say(f"{h} steps ahead: {pairs}")
        assert pairs["COUNT"] == score.count > 0
        if (unseen & np.isfinite(said)).any():
            assert pairs["RMSE"] == pytest.approx(score.rmse_w, abs=DEADBAND_KW)
            assert pairs["MAE"] == pytest.approx(score.mae_w, abs=DEADBAND_KW)
            assert pairs["BIAS"] == pytest.approx(score.bias_w, abs=DEADBAND_KW)
            continue
        # the points are in kW, factors of one thousand are products of float64
        assert pairs["RMSE"] == pytest.approx(score.rmse_w, rel=1e-9)
        assert pairs["MAE"] == pytest.approx(score.mae_w, rel=1e-9)
        assert pairs["BIAS"] == pytest.approx(score.bias_w, rel=1e-9, abs=1e-9)
        assert pairs["COVER_80"] == pytest.approx(score.cover_80_pct, nan_ok=True)
        assert pairs["MAPE"] == pytest.approx(score.mape_pct, rel=1e-9)
        assert pairs["RMSE_PERSISTENCE"] == pytest.approx(score.rmse_of["persistence"], rel=1e-9)
        assert pairs["SKILL"] == pytest.approx(score.skill_pct, rel=1e-9, abs=1e-9)
    return int(np.isnan(at(rows["FC.TOTAL.H1"], steps)).sum())


def workers(station: Station) -> list[psutil.Process]:
    """Return the processes that fit and forecast."""
    forecaster = psutil.Process(station.pid("forecaster"))
    return [p for p in forecaster.children(True) if "spawn_main" in " ".join(p.cmdline())]


@pytest.mark.timeout(1200)  # the first start of a session compiles the kernels
def test_scores_on_opc_ua_are_those_of_the_recorded_forecasts_and_values(station: Station) -> None:
    wait(lambda: station.value("FC.TOTAL_S1.COUNT") >= SCORED, STEP_S * (SCORED + 6))
    scores_are_those_of_the_record(station)


def test_a_forecast_that_comes_when_its_step_is_over_is_not_scored(station: Station) -> None:
    (worker,) = workers(station)
    worker.suspend()
    try:
        time.sleep(2.6 * STEP_S)  # it is asked within a step, and more than another goes by
    finally:
        issued = station.value("FC.SVC.ISSUED")
        worker.resume()
    wait(lambda: station.value("FC.SVC.ISSUED") >= issued + 3, 8 * STEP_S)
    assert scores_are_those_of_the_record(station) > 0


def test_what_is_scored_against_is_the_mean_of_what_was_measured(station: Station) -> None:
    """The trend of the measurement has a deadband of 10 kW; the mean of a step is nearer than that."""
    folder = folder_of(station.spec)
    rows = trends(station, ["FC.TOTAL.END_H", "FC.TOTAL.ACTUAL"])
    ends = issues(rows["FC.TOTAL.END_H"])[1:4]
    actual = at(rows["FC.TOTAL.ACTUAL"], [s for s, _ in ends])
    begin_ns, end_ns = ends[0][1] - STEP_NS, ends[-1][1]
    means = step_means(folder, ["SUB.T1.P"], begin_ns, end_ns, STEP_NS)[:, 0]
    # and what moves between two looks of the recorder
    assert means == pytest.approx(actual, abs=1.5 * DEADBAND_KW)


def test_forecasts_are_points_on_modbus_and_take_no_commands(station: Station) -> None:
    value, _ = by_modbus(station, "FC.TOTAL.H1")
    assert value == pytest.approx(station.value("FC.TOTAL.H1"), rel=0.2)  # a step may end in between
    with station.master() as m:
        assert m.ask(7, b"\x06\x04\x4c\x00\x01") == bytes((0x86, 0x02))


@pytest.mark.timeout(600)
def test_its_worker_may_die_and_its_forecasts_stand_and_go_on(station: Station) -> None:
    issued, count = station.value("FC.SVC.ISSUED"), station.value("FC.TOTAL_S1.COUNT")
    for worker in workers(station):
        with contextlib.suppress(psutil.NoSuchProcess):
            worker.kill()
    assert station.quality("FC.TOTAL.MEAN") == 0
    wait(lambda: station.value("SUB.FC_ALM.FAILED") == 1.0, 10.0)
    wait(lambda: station.value("FC.SVC.ISSUED") > issued, START_S)
    wait(lambda: station.value("SUB.FC_ALM.FAILED") == 0.0, 10.0)
    assert station.value("FC.SVC.STATE") in (State.RUNNING, State.FALLBACK)
    assert station.value("FC.TOTAL_S1.COUNT") >= count - LOST > 0


@pytest.mark.timeout(600)
def test_without_its_process_its_points_are_bad_until_it_is_back_with_its_scores(station: Station) -> None:
    before, count = station.pid("forecaster"), station.value("FC.TOTAL_S1.COUNT")
    os.kill(before, signal.SIGSTOP)  # first: a quick start would be back before its board is old
    wait(lambda: station.quality("FC.TOTAL.MEAN") >= BAD_FROM, 6.0)
    with contextlib.suppress(ProcessLookupError):  # the supervisor may have been faster
        os.kill(before, signal.SIGKILL)
    wait(lambda: station.pid("forecaster") != before, START_S)
    wait(lambda: station.quality("FC.TOTAL_S1.COUNT") == 0, START_S)
    assert station.value("FC.TOTAL_S1.COUNT") >= count - LOST > 0


@pytest.mark.timeout(1200)
async def test_a_console_shows_forecast_measured_values_and_scores(station: Station) -> None:
    wait(lambda: station.value("FC.TOTAL_S1.COUNT") >= 1, STEP_S * (SCORED + 6))
    async with console(station, "8", size=(140, 44)) as pilot:
        await until_shown(pilot, "TOTAL [kW]")
        await until(
            pilot, lambda: len(pilot.app.view.reading("arrays.FORECAST.TOTAL.MEAN").value or ()) == 24
        )
        await until_shown(pilot, "80 % interval")
        page = pilot.app.page
        assert isinstance(page, ForecastPage)
        await until(pilot, lambda: bool(page.past[0]), 30.0)
        hours, kw = page.past
        assert -24.1 < min(hours) < max(hours) <= 0.0
        assert station.value("SUB.T1.P") == pytest.approx(kw[-1], rel=0.3)

        def shows_the_score() -> bool:
            """Tell whether row and points say the same; a step may end in between."""
            lines = screen_text(pilot).splitlines()
            row = lines[next(k for k, x in enumerate(lines) if x.split()[:2] == ["ahead", "n"]) + 1].split()
            named = (("FC.TOTAL_S1.COUNT", 2), ("FC.TOTAL_S1.RMSE", 3), ("FC.TOTAL_S1.MAE", 4))
            shown = {tag: float(row[k].rstrip("?")) for tag, k in named}  # a late worker's are questionable
            is_same = all(x == pytest.approx(station.value(tag), rel=1e-3) for tag, x in shown.items())
            return row[:2] == ["0.5", "h"] and is_same

        await until(pilot, shows_the_score, 30.0)
        assert "persist." in screen_text(pilot)
