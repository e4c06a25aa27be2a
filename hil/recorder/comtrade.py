"""COMTRADE files (IEEE C37.111-2013 / IEC 60255-24): ASCII, BINARY, BINARY32, FLOAT32, as pair or as .cff.

Times in a file count from its first sample in microseconds; first sample and trigger are UTC. Samples
are evenly spaced. A sample that is not a number is written as the format's missing value; FLOAT32,
whose missing value readers take for a number, refuses it.
"""

from __future__ import annotations

import contextlib
import dataclasses as dc
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from rtcore.errors import Problem, UserInputError

Floats = npt.NDArray[np.float64]

REVISION = "2013"
NS_PER_US = 1_000
TIME_MAX_US = 2**32 - 2
"""Largest time mark; one more means that there is none."""

LOCKED = "0"
"""Quality of the clock: locked to a source of time."""
UNRELIABLE = "F"

FORMATS = {
    "ASCII": (99_998, 99_999),
    "BINARY": (32_767, -0x8000),
    "BINARY32": (2**31 - 1, -(2**31)),
    "FLOAT32": (None, None),
}
"""Format -> largest magnitude of a stored sample, and what stands where there is none."""


@dc.dataclass(frozen=True, slots=True, kw_only=True)
class AnalogChannel:
    """What line 3 of a configuration says of one analog channel; values are primary quantities."""

    name: str
    unit: str
    phase: str = ""
    circuit: str = ""
    primary: float = 1.0
    secondary: float = 1.0
    skew_us: float = 0.0


@dc.dataclass(frozen=True, slots=True, kw_only=True)
class DigitalChannel:
    """One status channel; ``normal`` is its state at rest."""

    name: str
    phase: str = ""
    circuit: str = ""
    normal: int = 0


@dc.dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One disturbance record.

    Attributes
    ----------
    values : float64[n_samples, n_analogs]
        In the channels' units.
    states : uint8[n_samples, n_digitals]
        0 or 1.
    rate_hz, line_hz : float
        Samples a second; nominal frequency [Hz].
    start_utc_ns, trigger_utc_ns : int
        Of the first sample and of the trigger [ns since 1970]; kept to the microsecond.
    time_quality : str
        Code of C37.111-2013 clause 7.4.9.2: "0" locked, "F" not reliable.
    notes : str
        Text of the header file, where it is said that waveforms were synthesised.
    """

    station: str
    device: str
    analogs: Sequence[AnalogChannel]
    digitals: Sequence[DigitalChannel]
    values: Floats
    states: npt.NDArray[np.uint8]
    rate_hz: float
    line_hz: float
    start_utc_ns: int
    trigger_utc_ns: int
    time_quality: str = UNRELIABLE
    notes: str = ""

    @property
    def n(self) -> int:
        """Number of samples."""
        return len(self.values)


def write(record: Record, stem: Path, form: str = "BINARY32", *, single: bool = False) -> list[Path]:
    """Write a record; returns the files.

    Parameters
    ----------
    stem : Path
        File name without its ending.
    form : str
        Key of ``FORMATS``.
    single : bool
        One .cff file instead of .cfg, .dat and, with notes, .hdr.

    Raises
    ------
    UserInputError
        Everything about the record that the format cannot hold.
    """
    problems = _problems(record, form, str(stem))
    if problems:
        raise UserInputError(problems)
    stored, scales = _stored(record.values, form)
    cfg = _configuration(record, form, stored, scales).encode("utf-8")
    dat = _ascii(record, stored) if form == "ASCII" else _binary(record, stored, form)
    if single:
        return [_save(stem, ".cff", _combined(cfg, dat, record.notes, form))]
    files = [_save(stem, ".cfg", cfg), _save(stem, ".dat", dat)]
    if record.notes:
        files.append(_save(stem, ".hdr", record.notes.encode("utf-8")))
    return files


def _problems(record: Record, form: str, file: str) -> list[Problem]:
    found = []
    if form not in FORMATS:
        found.append(Problem(file, "format", f"{form!r}; allowed {', '.join(FORMATS)}"))
    n, n_analogs, n_digitals = record.n, len(record.analogs), len(record.digitals)
    if record.values.shape != (n, n_analogs) or n == 0:
        found.append(Problem(file, "values", f"shape {record.values.shape} for {n_analogs} analog channels"))
    if record.states.shape != (n, n_digitals):
        what = f"shape {record.states.shape} for {n} samples of {n_digitals} digital channels"
        found.append(Problem(file, "states", what))
    if not (np.isfinite(record.rate_hz) and record.rate_hz > 0.0):
        found.append(Problem(file, "rate_hz", f"{record.rate_hz}; it must be above 0"))
    elif (n - 1) / record.rate_hz * 1e6 > TIME_MAX_US:
        found.append(Problem(file, "values", "longer than time marks can count (71 minutes)"))
    if np.isinf(record.values).any():
        found.append(Problem(file, "values", "an infinite sample"))
    if form == "FLOAT32" and not np.isfinite(record.values).all():
        found.append(Problem(file, "values", "FLOAT32 holds no missing samples that readers understand"))
    if form == "FLOAT32" and n_analogs and np.nanmax(np.abs(record.values), initial=0.0) > 3.4e38:
        found.append(Problem(file, "values", "beyond the range of FLOAT32"))
    words = [record.station, record.device]
    channels: list[AnalogChannel | DigitalChannel] = [*record.analogs, *record.digitals]
    words += [w for c in channels for w in (c.name, c.phase, c.circuit)]
    words += [c.unit for c in record.analogs]
    bad = [w for w in words if any(sign in w for sign in ",\r\n")]
    found += [Problem(file, "names", f"{w!r} holds a comma or a line break") for w in bad]
    return found


def _stored(values: Floats, form: str) -> tuple[npt.NDArray[Any], list[tuple[float, float]]]:
    """Return what is stored of every sample, and (a, b) of every channel: value = a x + b."""
    largest, missing = FORMATS[form]
    if largest is None or missing is None:
        return values.astype("<f4"), [(1.0, 0.0)] * values.shape[1]
    stored = np.empty(values.shape, np.int64)
    scales = []
    for k, column in enumerate(values.T):
        known = column[np.isfinite(column)]
        low, high = (known.min(), known.max()) if len(known) else (0.0, 0.0)
        b = low / 2 + high / 2
        a = max(high - b, b - low) / largest
        a = a if a > 0.0 else 1.0  # a channel that never moves
        with np.errstate(invalid="ignore"):
            x = np.asarray(np.clip(np.rint((column - b) / a), -largest, largest))
        stored[:, k] = np.where(np.isfinite(column), x, missing).astype(np.int64)
        scales.append((float(a), float(b)))
    return stored, scales


def _configuration(
    record: Record, form: str, stored: npt.NDArray[Any], scales: list[tuple[float, float]]
) -> str:
    n_analogs, n_digitals = len(record.analogs), len(record.digitals)
    lines = [
        f"{record.station},{record.device},{REVISION}",
        f"{n_analogs + n_digitals},{n_analogs}A,{n_digitals}D",
    ]
    for k, c in enumerate(record.analogs):
        a, b = scales[k]
        low, high = _limits(stored[:, k], form)
        lines.append(
            f"{k + 1},{c.name},{c.phase},{c.circuit},{c.unit},{a!r},{b!r},{c.skew_us:g},{low},{high},"
            f"{c.primary:g},{c.secondary:g},P"
        )
    lines += [f"{k + 1},{c.name},{c.phase},{c.circuit},{c.normal}" for k, c in enumerate(record.digitals)]
    lines += [
        f"{record.line_hz:g}",
        "1",
        f"{float(record.rate_hz)!r},{record.n}",
        _moment(record.start_utc_ns),
        _moment(record.trigger_utc_ns),
        form,
        "1",
        "0,0",  # UTC, and the place is told nowhere
        f"{record.time_quality},3",  # whether a leap second is near is not known
    ]
    return "\r\n".join(lines) + "\r\n"


def _limits(stored: npt.NDArray[Any], form: str) -> tuple[str, str]:
    largest, _ = FORMATS[form]
    if largest is not None:
        return str(-largest), str(largest)
    return f"{float(stored.min())!r}", f"{float(stored.max())!r}"


def _moment(utc_ns: int) -> str:
    """Return a time as dd/mm/yyyy,hh:mm:ss.ssssss."""
    seconds, ns = divmod(utc_ns, 1_000_000_000)
    moment = datetime.fromtimestamp(seconds, UTC)
    return f"{moment:%d/%m/%Y,%H:%M:%S}.{ns // NS_PER_US:06d}"


def _times_us(record: Record) -> npt.NDArray[np.int64]:
    return np.asarray(np.rint(np.arange(record.n) * (1e6 / record.rate_hz)), np.int64)


def _ascii(record: Record, stored: npt.NDArray[Any]) -> bytes:
    rows = np.column_stack([np.arange(1, record.n + 1), _times_us(record), stored, record.states])
    return ("\r\n".join(",".join(map(str, row)) for row in rows.tolist()) + "\r\n").encode()


def _binary(record: Record, stored: npt.NDArray[Any], form: str) -> bytes:
    kind = {"BINARY": "<i2", "BINARY32": "<i4", "FLOAT32": "<f4"}[form]
    n_words = -(-len(record.digitals) // 16)
    rows = np.zeros(
        record.n,
        [("n", "<u4"), ("t", "<u4"), ("x", kind, (len(record.analogs),)), ("s", "<u2", (n_words,))],
    )
    rows["n"] = np.arange(1, record.n + 1)
    rows["t"] = _times_us(record)
    rows["x"] = stored
    for k in range(len(record.digitals)):
        rows["s"][:, k // 16] |= (record.states[:, k] != 0).astype("<u2") << np.uint16(k % 16)
    return rows.tobytes()


def _combined(cfg: bytes, dat: bytes, notes: str, form: str) -> bytes:
    def part(title: str, body: bytes) -> bytes:
        return f"--- file type: {title} ---\r\n".encode() + body

    title = "DAT ASCII" if form == "ASCII" else f"DAT BINARY: {len(dat)}"
    header = (notes + "\r\n").encode() if notes else b""
    return part("CFG", cfg) + part("INF", b"") + part("HDR", header) + part(title, dat)


def _save(stem: Path, ending: str, body: bytes) -> Path:
    """Write a file that is there whole or not at all."""
    path = stem.with_name(stem.name + ending)
    new = path.with_name(path.name + ".new")
    try:
        new.write_bytes(body)
        return new.rename(path)
    except OSError:
        with contextlib.suppress(OSError):
            new.unlink(missing_ok=True)
        raise
