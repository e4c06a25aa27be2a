"""Forecasts: processor time of one forecast and one daily refit, and what refits do to the loop beside them.

Beside our own times are those of Prophet alone on the same four weeks, the peer that most people would
run. The loop's
lateness is measured in turns without and with a process that refits all the time, as low as the forecaster's
worker.
"""

from __future__ import annotations

import multiprocessing as mp
import resource
import time
from typing import Any

import numpy as np

from forecasting.history import Wish, read_history
from forecasting.series import Series
from forecasting.service import Service
from forecasting.target import LoadTarget
from hil import doctor
from hil.background import LEAST, stay_behind
from hil.bench.loop import core_block, pinned
from hil.forecast_history import find_history
from rtcore.clock import NS_PER_HOUR

HISTORY, COLUMN = "iowa240_2017", "total_kw"
PAST_H, LIVE_H = 24 * 90, 24 * 3
"""Hours that the service starts with, and that it lives through."""
PROPHETS = 5
BLOCKS = 3


def run(seconds: float = 60.0) -> dict[str, dict[str, Any]]:
    """Measure all; ``seconds`` is what the loop's blocks take, half of them beside refits.

    Returns
    -------
    dict
        ``forecast`` -> issue p50 and p99 (a day, with intervals and scores), fit, Prophet, ratio, memory;
        ``loop`` -> p99_us alone, p99_us beside refits, ratio (medians of blocks).
    """
    return {"forecast": of_service(), "loop": of_loop(seconds)}


def live_service() -> tuple[Service, Series]:
    """Return a service of one load that is warm, and the load's whole year [W]."""
    series, _ = read_history(find_history(HISTORY), Wish(column=COLUMN))
    begin = series.start_ns + PAST_H * NS_PER_HOUR
    past = series.before(PAST_H)
    service = Service(
        [LoadTarget(COLUMN, past)],
        [],
        step_ns=NS_PER_HOUR,
        start_ns=begin,
        rng=np.random.default_rng(1),
        say=lambda text: None,
    )
    service.warm_up()
    return service, series


def of_service() -> dict[str, float]:
    """Return the times of a service that lives through some days."""
    service, series = live_service()
    issues = []
    for row in range(PAST_H, PAST_H + LIVE_H):
        end_ns = series.start_ns + (row + 1) * NS_PER_HOUR
        issues.append(service.close(end_ns, {COLUMN: float(series.values[row])}))
    issue_ms = 1e3 * np.array([i.issue_s for i in issues])
    fit_ms = 1e3 * float(np.median([i.fit_s for i in issues]))
    peer_ms = prophet_ms(series.before(PAST_H))
    return {
        "issue_p50_ms": float(np.median(issue_ms)),
        "issue_p99_ms": float(np.percentile(issue_ms, 99)),
        "fit_ms": fit_ms,
        "prophet_ms": peer_ms,
        "fit_to_prophet": fit_ms / peer_ms,
        "rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024.0,
    }


def prophet_ms(series: Series) -> float:
    """Return the median wall time of one fit of Prophet and its forecast of two days [ms]."""
    from forecasting.calendar import local_ns
    from forecasting.seasonal import WINDOW_DAYS, prophet

    known = WINDOW_DAYS * series.per_day
    clock = local_ns(series, np.arange(len(series) - known, len(series) + 2 * series.per_day))
    taken = []
    for _ in range(PROPHETS):
        begin = time.perf_counter()
        prophet(clock, series.values[-known:], known)
        taken.append(time.perf_counter() - begin)
    return 1e3 * float(np.median(taken))


def of_loop(seconds: float) -> dict[str, float]:
    """Return the lateness of the loop alone and beside a process that refits all the time."""
    block_s = max(2.0, seconds / (2 * BLOCKS))
    has_fifo, cpu = doctor.fifo_granted(), pinned()
    context = mp.get_context("spawn")
    ready, alone, beside = context.Event(), [], []
    go = context.Event()
    refits = context.Process(target=_refit, args=(ready, go), daemon=True)
    refits.start()
    ready.wait()
    try:
        for _ in range(BLOCKS):
            go.clear()
            alone.append(core_block(block_s, cpu, has_fifo)["p99_us"])
            go.set()
            beside.append(core_block(block_s, cpu, has_fifo)["p99_us"])
    finally:
        refits.kill()
    found = float(np.median(alone)), float(np.median(beside))
    return {"p99_us": found[0], "p99_beside_refits_us": found[1], "ratio": found[1] / found[0]}


def _refit(ready: Any, go: Any) -> None:
    """Refit again and again while told to go, at the forecaster's priority."""
    stay_behind(LEAST)
    service, series = live_service()
    ready.set()
    end_ns, row = service.end_ns, PAST_H
    while True:
        go.wait()
        end_ns += 24 * NS_PER_HOUR  # a day at once: a fit is due at each
        row += 24
        service.close(end_ns, {COLUMN: float(series.values[row % len(series)])})
