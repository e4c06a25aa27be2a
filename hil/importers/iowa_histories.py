"""Make ``config/histories/iowa240_2017.csv.gz``: ``python -m hil.importers.iowa_histories SOURCE_DIR``.

The total is that of the published reference year; feeders are sums of the shipped profile's loads.
"""

from __future__ import annotations

import csv
import gzip
import io
import sys
from pathlib import Path

from hil.paths import config_dir
from hil.profiles import Profile, read_profile
from hil.settings_types import iso

SOURCE = "iowa240_hourly_reference.csv.gz"
FEEDERS = {"1": "feeder_a_kw", "2": "feeder_b_kw", "3": "feeder_c_kw"}
"""By the first digit of a load's bus."""


def rows(profile: Profile, total_kw: list[str]) -> list[list[str]]:
    """Return time, total [kW] and feeders [kW] of every hour."""
    of_feeder = [
        profile.p_w[:, [n.startswith(f"load_{digit}") for n in profile.load_names]].sum(axis=1) / 1000.0
        for digit in FEEDERS
    ]
    return [
        [
            iso(profile.start_utc_ns + k * profile.step_ns, profile.utc_offset_s),
            total_kw[k],
            *(f"{x[k]:.3f}" for x in of_feeder),
        ]
        for k in range(profile.n_t)
    ]


def main(source: Path, target: Path) -> None:
    """Read the reference year and write the history."""
    with gzip.open(source / SOURCE, "rt", newline="") as file:
        total_kw = [row["ref_total_P_kW"] for row in csv.DictReader(file)]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["time", "total_kw", *FEEDERS.values()])
    writer.writerows(rows(read_profile("iowa240_2017"), total_kw))
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(gzip.compress(text.getvalue().encode(), 9, mtime=0))


if __name__ == "__main__":
    main(Path(sys.argv[1]), config_dir() / "histories" / "iowa240_2017.csv.gz")
