"""A year's load of the shipped network as a user would have it: a table of his own, the record of a run."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd

from hil.recorder.run_folder import RUN, STATION
from hil.recorder.trend_files import TrendFiles
from hil.recorder.trends import Rows
from rtcore.quality import Quality
from tests.support.station import ROOT

TAGS = ("SUB.T1.P", "FDR_A.HEAD.P", "FDR_B.HEAD.P")
DAYS = 70
DT_NS = 10_000_000_000
STEPS_AN_HOUR = 360
SPEED = 600
WALL_NS = 1_700_000_000_000_000_000


def load_kw() -> pd.Series:
    """Return the shipped hourly load, all of it, by time."""
    table = pd.read_csv(ROOT / "config" / "histories" / "iowa240_2017.csv.gz", index_col=0)
    return table["total_kw"]


def write_load(path: Path) -> None:
    """Write a table of times and one load."""
    load_kw().to_csv(path)


def record_of_a_load(folder: Path) -> Path:
    """Write what the recorder leaves of a run of ten weeks, 600 times as fast as the clock on the wall."""
    folder.mkdir(parents=True)
    (folder / RUN).write_text(json.dumps({"format": 1, "core": {"dt_ns": DT_NS}, "tags": TAGS}))
    (folder / STATION).write_text("[time]\nstart = 2017-05-01T00:00:00-06:00\n")
    load = load_kw().to_numpy()[: 24 * DAYS]
    hour, point = (x.ravel() for x in np.meshgrid(np.arange(len(load)), np.arange(len(TAGS)), indexing="ij"))
    step = hour.astype(np.int64) * STEPS_AN_HOUR
    good = np.full(len(step), Quality.GOOD, np.uint8)
    share = np.array([1.0, 0.4, 0.6])[point]
    trends = TrendFiles(folder / "trends", TAGS, 10**18, 10**9)
    trends.write(
        Rows(WALL_NS + step * DT_NS // SPEED, step, point.astype(np.int32), load[hour] * share, good)
    )
    return folder
