"""The folder of one run: its name, and what stands in it.

::

    runs/<UTC time>-<run id>/
        run.json        what a replay needs: station, seed, step, hashes, versions, processor
        station.toml    the station file as it was
        soe.journal     sequence of events and commands: what counts
        soe.db          the same, to be asked questions (SQLite)
        images.journal  a full image every second
        trends/         Parquet
        disturbances/   COMTRADE, where something triggered
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import platform
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from hil import kernel_cache
from hil.runspec import PRODUCERS, RunSpec

RUN, STATION, SOE, SOE_DB, IMAGES = "run.json", "station.toml", "soe.journal", "soe.db", "images.journal"
FORMAT = 1
NAME = re.compile(r"\d{8}T\d{6}Z-[0-9a-f]+")
TOOLS = ("numpy", "scipy", "numba", "llvmlite", "pandas", "pvlib", "pyarrow")
"""What computes the plant or what it is fed with; their versions are the lock of a run."""


def folder_of(spec: RunSpec) -> Path:
    """Return where the records of a run are."""
    began = datetime.fromtimestamp(spec.started_utc_ns // 1_000_000_000, UTC)
    return spec.state_dir / "runs" / f"{began:%Y%m%dT%H%M%SZ}-{spec.core['run_id']}"


def open_folder(spec: RunSpec) -> Path:
    """Return the folder of a run; made with its ``run.json`` when this is the first look at it."""
    folder = folder_of(spec)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not (folder / RUN).exists():
        text = Path(spec.core["station"]).read_text(encoding="utf-8")
        _save(folder / STATION, text)
        _save(folder / RUN, json.dumps(_run(spec, text), indent=1) + "\n")
    return folder


def host() -> dict[str, Any]:
    """Return what the bits of a run depend on beside its input: lock, kernels, processor."""
    versions = {tool: kernel_cache.version_of(tool) for tool in TOOLS} | {"python": platform.python_version()}
    lock = "\n".join(f"{k}=={v}" for k, v in sorted(versions.items()))
    return {
        "lock_hash": hashlib.sha256(lock.encode()).hexdigest(),
        "kernels": kernel_cache.digest(),
        "cpu_model": cpu_model(),
        "versions": versions | {"gridhil": kernel_cache.version_of("gridhil")},
    }


def cpu_model(path: Path = Path("/proc/cpuinfo")) -> str:
    """Return the processor's model as the kernel names it."""
    with contextlib.suppress(OSError):
        for line in path.read_text().splitlines():
            key, _, value = line.partition(":")
            if key.strip() == "model name":
                return value.strip()
    return platform.machine()


def _run(spec: RunSpec, station: str) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "run_id": spec.core["run_id"],
        "started_utc_ns": spec.started_utc_ns,
        "station": {"name": spec.name, "title": spec.station, "path": spec.core["station"]},
        "station_sha256": hashlib.sha256(station.encode()).hexdigest(),
        "configuration": spec.recorder["configuration"],
        "core": {k: spec.core[k] for k in ("dt_ns", "period_ns", "speed", "seed", "duration_s")},
        "producers": list(PRODUCERS),
        "host": host(),
        "tags": [p.tag for p in spec.points[: spec.n_core]],
    }


def _save(path: Path, text: str) -> None:
    """Write a file that is there whole or not at all."""
    new = path.with_name(path.name + ".new")
    with new.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    new.rename(path)
