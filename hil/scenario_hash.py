"""One hash over everything a run follows from but its seed.

The scenario and the station file count byte by byte; network, points, instruments and profile as
they were read, so that where they lie on disk does not matter and nothing they name is forgotten.
"""

from __future__ import annotations

import dataclasses as dc
import enum
import hashlib
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from hil.scenario_model import Scenario
from rtcore.assemble import Setup


def config_hash(scenario: Scenario, setup: Setup) -> str:
    """Return SHA-256 (64 hex digits) of scenario, station, network, points and profile."""
    total = hashlib.sha256()
    for path in (scenario.path, scenario.plan.station.path):
        body = path.read_bytes()
        total.update(f"file {len(body)}\n".encode())
        total.update(body)
    for field in dc.fields(setup):
        if field.name != "seed":
            total.update(f"\n{field.name}\n".encode())
            for part in parts_of(getattr(setup, field.name)):
                total.update(part)
    return total.hexdigest()


def parts_of(value: Any) -> Iterator[bytes]:
    """Yield a value as bytes that depend on nothing but the value."""
    if isinstance(value, np.ndarray):
        yield f"array {value.dtype.str} {value.shape}\n".encode()
        yield np.ascontiguousarray(value).tobytes()
    elif dc.is_dataclass(value) and not isinstance(value, type):
        yield f"{type(value).__name__}\n".encode()
        for field in dc.fields(value):
            yield f".{field.name} ".encode()
            yield from parts_of(getattr(value, field.name))
    elif isinstance(value, enum.Enum):
        yield f"{value!s}\n".encode()
    elif isinstance(value, Mapping):
        yield f"map {len(value)}\n".encode()
        for key in sorted(value, key=str):
            yield f"{key}=".encode()
            yield from parts_of(value[key])
    elif isinstance(value, list | tuple):
        yield f"list {len(value)}\n".encode()
        for item in value:
            yield from parts_of(item)
    elif isinstance(value, set | frozenset):
        yield from parts_of(sorted(value, key=repr))
    elif value is None or isinstance(value, str | bytes | int | float | complex | np.generic):
        yield f"{type(value).__name__} {value!r}\n".encode()
    else:
        raise TypeError(f"{type(value).__name__} has no bytes of its own to hash")
