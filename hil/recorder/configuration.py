"""Hashes of what a run follows from beside its seed, step and commands: one for each part of the station.

Parts count as they were read, so that where they lie on disk does not matter and nothing that they name
is forgotten.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hil.profiles import Profile
from hil.scenario_hash import parts_of
from hil.settings_sections import PlaybackSection
from hil.station import Plan


def part_hashes(plan: Plan, profile: Profile | None) -> dict[str, str]:
    """Return SHA-256 (64 hex digits) of each part of a checked station; ``profile`` is that of its loads."""
    station = plan.station
    weather = None if station.weather is None else station.weather.model_dump()
    parts = {
        "start": station.start_utc_ns,
        "utc_offset_s": station.utc_offset_s,
        "load": station.load.model_dump(),
        "source": station.source.model_dump(),
        "weather": [weather, _ambient_file(plan)],
        "network": plan.network,
        "plant": plan.plant,
        "points": [p.to_dict() for p in plan.points.core],
        "instruments": plan.points.instruments,
        "profile": profile,
        "protection": plan.scheme,
        "faults": plan.faults.rows,
        "playback": [_played(plan, section) for section in station.injection.play],
    }
    return {name: _hash(value) for name, value in parts.items()}


def config_hash(parts: Mapping[str, str]) -> str:
    """Return one hash over all parts."""
    return hashlib.sha256("\n".join(f"{k} {v}" for k, v in sorted(parts.items())).encode()).hexdigest()


def _ambient_file(plan: Plan) -> bytes:
    weather = plan.station.weather
    if weather is None or weather.ambient.file is None:
        return b""
    return Path(plan.station.path.parent / weather.ambient.file).read_bytes()


def _played(plan: Plan, section: PlaybackSection) -> list[Any]:
    """Return what a record to play is read from: its channels, and the bytes of its files."""
    path = Path(plan.station.path.parent / section.file)
    files = [p for e in ("", ".dat", ".DAT") if (p := path.with_suffix(e) if e else path).is_file()]
    return [section.model_dump(exclude={"file"}), *(p.read_bytes() for p in files)]


def _hash(value: Any) -> str:
    total = hashlib.sha256()
    for part in parts_of(value):
        total.update(part)
    return total.hexdigest()
