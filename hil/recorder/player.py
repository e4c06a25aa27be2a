"""COMTRADE player: a record from elsewhere, reduced to phasors, to stand in for the plant at a relay."""

from __future__ import annotations

import dataclasses as dc
import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import comtrade
import numpy as np
import numpy.typing as npt

from hil.recorder.waves import MIN_PER_CYCLE, Complex, Floats, phasors_of
from hil.settings_sections import PlaybackSection
from rtcore.errors import Problem, UserInputError

QUANTITIES = ("ia", "ib", "ic", "va", "vb", "vc")
"""What a frame holds, in this order: primary amperes, primary volts to ground."""

FACTORS = {"A": 1.0, "KA": 1e3, "MA": 1e-3, "V": 1.0, "KV": 1e3, "MV": 1e-3, "UV": 1e-6}
"""Unit of a channel, in capitals -> amperes or volts (mA and mV: nobody records mega)."""

SAMPLE_BYTES = {"BINARY": 2, "BINARY32": 4, "FLOAT32": 4}
"""Format -> bytes of one analog sample; ASCII is the other one."""

MAX_DIGITS = 10
"""Of the number of a sample in ASCII."""

OTHER_FREQUENCY = 0.05
"""A record's own line frequency may be off the station's by this part: some state what was measured."""

_PART = re.compile(rb"^--- *file type: *([A-Za-z]+)[^\r\n]*---[ \t]*\r?\n", re.MULTILINE | re.IGNORECASE)
"""Where a part of a .cff begins."""


@dc.dataclass(frozen=True, slots=True, kw_only=True)
class Playback:
    """One record to play.

    Attributes
    ----------
    path : Path
        The .cfg or .cff file.
    channels : dict
        Quantity ("ia" ...) -> name of its channel; one that is left out is 0.
    """

    path: Path
    channels: dict[str, str]

    @classmethod
    def of(cls, section: PlaybackSection, folder: Path) -> Playback:
        """Return the record that a station file in this folder names."""
        channels = {q: name for q in QUANTITIES if (name := getattr(section, q)) is not None}
        return cls(path=folder / section.file, channels=channels)


def frames(playback: Playback, dt_s: float, f0_hz: float) -> Complex:
    """Return the phasors of a record, one frame a step.

    Returns
    -------
    complex128[n, 6]
        RMS against the frame of ``f0_hz``, primary A and V: full-cycle DFT over the cycle that ends
        at each step.

    Raises
    ------
    UserInputError
        Everything that is wrong with the file or its channels.
    """
    samples, rate_hz = _read(playback, f0_hz)
    return phasors_of(samples, rate_hz, f0_hz, dt_s)


def all_frames(playbacks: Sequence[Playback], dt_s: float, f0_hz: float) -> list[Complex]:
    """Return the frames of several records; one UserInputError has the problems of all."""
    found, problems = [], []
    for playback in playbacks:
        try:
            found.append(frames(playback, dt_s, f0_hz))
        except UserInputError as error:
            problems += error.problems
    if problems:
        raise UserInputError(problems)
    return found


def playback_problems(playbacks: Sequence[Playback], f0_hz: float | None) -> list[Problem]:
    """Return what is wrong with records; without a frequency (None) nothing is compared with it."""
    problems: list[Problem] = []
    for playback in playbacks:
        try:
            _read(playback, f0_hz)
        except UserInputError as error:
            problems += error.problems
    return problems


def _read(playback: Playback, f0_hz: float | None) -> tuple[Floats, float]:
    """Return the samples of a record, float64[n, 6] in primary A and V, and their rate [Hz].

    Raises
    ------
    UserInputError
        Everything that is wrong with it.
    """
    file = str(playback.path)
    text, dat = _contents(playback.path)
    cfg = _configuration(text, file)
    columns, problems = _columns(playback, cfg)
    problems += _timing_problems(cfg, f0_hz, file)
    data, damaged = _data(cfg, dat, file)
    problems += damaged
    if problems:
        raise UserInputError(problems)
    record = comtrade.Comtrade(use_double_precision=True, ignore_warnings=True)
    try:
        record.read(text, data)
    except Exception as error:  # noqa: BLE001 - the reader raises whatever the text makes it stumble over
        raise UserInputError([Problem(file, "samples", f"cannot be read: {error}")]) from None
    samples = np.zeros((_n_samples(cfg), len(QUANTITIES)))
    for quantity, (k, factor) in columns.items():
        column = np.asarray(record.analog[k], float) * factor
        samples[:, QUANTITIES.index(quantity)] = column
        if n_missing := int((~np.isfinite(column)).sum()):
            what = f"{n_missing} of {len(column)} are missing in channel {playback.channels[quantity]!r}"
            problems.append(Problem(file, "samples", what))
    rate_hz = _stated_rate(cfg) or _rate_of(
        np.asarray(record.time, float), cfg.time_base * cfg.timemult, file, problems
    )
    if rate_hz > 0.0 and f0_hz is not None:
        problems += _rate_problems(len(samples), rate_hz, f0_hz, file)
    if problems:
        raise UserInputError(problems)
    return samples, rate_hz


def _contents(path: Path) -> tuple[str, bytes | None]:
    """Return the configuration's text and the data of a record; None: there is no .dat."""
    if not path.is_file():
        raise UserInputError([Problem(str(path), "file", "there is no such file")])
    try:
        if path.suffix.lower() == ".cff":
            return _parts(path)
        dat = next((p for s in (".dat", ".DAT") if (p := path.with_suffix(s)).is_file()), None)
        return _decoded(path.read_bytes()), None if dat is None else dat.read_bytes()
    except OSError as error:
        raise UserInputError(
            [Problem(str(error.filename or path), "file", error.strerror or str(error))]
        ) from None


def _parts(path: Path) -> tuple[str, bytes | None]:
    """Return configuration and data of a .cff; what follows the first DAT line is data."""
    body = path.read_bytes()
    text, name, start = b"", "", 0
    for found in _PART.finditer(body):
        if name == "CFG":
            text = body[start : found.start()]
        name, start = found[1].decode().upper(), found.end()
        if name == "DAT":
            return _decoded(text), body[start:]
    raise UserInputError([Problem(str(path), "file", "is not a COMTRADE record: it has no part DAT")])


def _decoded(body: bytes) -> str:
    """Return text with plain line ends; what is not UTF-8 is Latin-1, which many recorders write."""
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = body.decode("latin-1")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _configuration(text: str, file: str) -> Any:
    """Return what the reader finds in a configuration."""
    cfg = comtrade.Cfg(ignore_warnings=True)
    try:
        cfg.read(text)
        if min(cfg.analog_count, cfg.status_count) < 0:
            raise ValueError("a number of channels below 0")
    except Exception as error:  # noqa: BLE001 - the reader raises whatever the text makes it stumble over
        raise UserInputError([Problem(file, "file", f"is not a COMTRADE record: {error}")]) from None
    return cfg


def _n_samples(cfg: Any) -> int:
    return int(cfg.sample_rates[-1][1]) if cfg.sample_rates else 0


def _columns(playback: Playback, cfg: Any) -> tuple[dict[str, tuple[int, float]], list[Problem]]:
    """Return number and factor of each quantity's channel, and what is wrong with them."""
    columns: dict[str, tuple[int, float]] = {}
    problems: list[Problem] = []
    names = [channel.name for channel in cfg.analog_channels]
    for quantity, name in playback.channels.items():
        factor = 0.0
        if quantity not in QUANTITIES:
            what = f"no such quantity; there are {', '.join(QUANTITIES)}"
        elif name not in names:
            what = f"no channel {name!r}; there are {', '.join(names)}"
        elif names.count(name) > 1:
            what = f"{names.count(name)} channels are named {name!r}"
        else:
            factor, what = _factor(cfg.analog_channels[names.index(name)])
        if what:
            problems.append(Problem(str(playback.path), f"channels.{quantity}", what))
        else:
            columns[quantity] = names.index(name), factor
    return columns, problems


def _factor(channel: Any) -> tuple[float, str]:
    """Return what makes a channel's values primary A or V; or 0 and why there is no such factor."""
    factor = FACTORS.get(channel.uu.strip().upper())
    if factor is None:
        return 0.0, f"unit {channel.uu!r} of channel {channel.name!r} is not known"
    if channel.pors.strip().upper() != "S":
        return factor, ""
    if not all(math.isfinite(x) and x > 0.0 for x in (channel.primary, channel.secondary)):
        ratio = f"{channel.primary:g} to {channel.secondary:g}"
        return 0.0, f"ratio {ratio} of channel {channel.name!r}, which holds secondary values, is none"
    return factor * channel.primary / channel.secondary, ""


def _timing_problems(cfg: Any, f0_hz: float | None, file: str) -> list[Problem]:
    """Return what a configuration alone tells of samples that cannot be played."""
    problems = []
    n, rate_hz, line_hz = _n_samples(cfg), _stated_rate(cfg), cfg.frequency
    if n <= 0:
        problems.append(Problem(file, "samples", f"the .cfg says that there are {n}"))
    if any(not math.isfinite(rate) or rate < 0.0 for rate, _ in cfg.sample_rates):
        told = ", ".join(f"{rate:g}" for rate, _ in cfg.sample_rates)
        problems.append(Problem(file, "samples", f"a rate of {told} Hz is none"))
    elif rate_hz > 0.0 and n > 0 and f0_hz is not None:
        problems += _rate_problems(n, rate_hz, f0_hz, file)
    if f0_hz is not None and line_hz != 0.0 and not abs(line_hz / f0_hz - 1.0) <= OTHER_FREQUENCY:
        what = f"{line_hz:g} Hz; the station has {f0_hz:g} Hz, at which its phasors would be wrong"
        problems.append(Problem(file, "line frequency", what))
    return problems


def _rate_problems(n: int, rate_hz: float, f0_hz: float, file: str) -> list[Problem]:
    if rate_hz < MIN_PER_CYCLE * f0_hz:
        what = f"{rate_hz:g} a second are too few; {MIN_PER_CYCLE * f0_hz:g} are needed at {f0_hz:g} Hz"
        return [Problem(file, "samples", what)]
    if n < rate_hz / f0_hz:
        return [Problem(file, "samples", f"{n} are less than a cycle of {f0_hz:g} Hz")]
    return []


def _data(cfg: Any, dat: bytes | None, file: str) -> tuple[bytes | str, list[Problem]]:
    """Return the data as the reader takes it, and what is damaged.

    The reader fills with zeros what is not there, and does not look at the numbers of samples.
    """
    form, n = cfg.ft.upper(), max(0, _n_samples(cfg))
    data: bytes | str
    problems: list[Problem] = []
    if form != "ASCII" and form not in SAMPLE_BYTES:
        problems.append(Problem(file, "format", f"{cfg.ft!r}; allowed ASCII, {', '.join(SAMPLE_BYTES)}"))
    if dat is None:
        problems.append(Problem(file, "file", "there is no .dat beside it"))
    if problems or dat is None:
        return b"", problems
    if form == "ASCII":
        data, n_rows, numbers, problems = _ascii_rows(cfg, dat, file)
    else:
        size = 8 + SAMPLE_BYTES[form] * cfg.analog_count + 2 * -(-cfg.status_count // 16)
        n_rows = len(dat) // size
        rows = np.frombuffer(dat, np.uint8, n_rows * size).reshape(-1, size)
        data, numbers = dat, rows[:, :4].copy().view("<u4")[:, 0].astype(np.int64)
    if n_rows != n and n > 0:
        problems.append(Problem(file, "samples", f"the data hold {n_rows} whole rows, the .cfg says {n}"))
    gaps = np.flatnonzero(np.diff(numbers) != 1)
    if len(gaps):
        one, other = numbers[gaps[0]], numbers[gaps[0] + 1]
        problems.append(Problem(file, "samples", f"sample {one} is followed by sample {other}"))
    return data, problems


def _ascii_rows(cfg: Any, dat: bytes, file: str) -> tuple[str, int, npt.NDArray[np.int64], list[Problem]]:
    """Return the rows that hold something, how many, numbers of their samples, and the first bad one.

    Numbers end before the first row that is none.
    """
    wanted = 2 + cfg.analog_count + cfg.status_count
    rows = [row for line in _decoded(dat).split("\n") if (row := line.strip(" \t\x1a"))]
    numbers: list[int] = []
    problems: list[Problem] = []
    for row in rows:
        cells = row.split(",")
        number = cells[0].strip()
        if len(cells) != wanted or not number.isdecimal() or len(number) > MAX_DIGITS:
            at = (
                f"row {len(numbers) + 1} is not a sample number, a time and {wanted - 2} values: {row[:40]!r}"
            )
            problems.append(Problem(file, "samples", at))
            break
        numbers.append(int(number))
    return "\n".join(rows), len(rows), np.array(numbers, np.int64), problems


def _stated_rate(cfg: Any) -> float:
    """Return the one rate that a configuration states [Hz], or 0."""
    rates = {float(rate) for rate, _ in cfg.sample_rates}
    rate = rates.pop() if len(rates) == 1 else 0.0
    return rate if math.isfinite(rate) and rate > 0.0 else 0.0


def _rate_of(times: Floats, tick_s: float, file: str, problems: list[Problem]) -> float:
    """Return the rate of samples whose times are known to a tick [Hz], or 0 and a problem."""
    if len(times) > 1 and times[-1] > times[0]:
        even = np.linspace(times[0], times[-1], len(times))
        step_s = (times[-1] - times[0]) / (len(times) - 1)
        if np.abs(times - even).max() <= max(1e-3 * step_s, min(tick_s, 0.1 * step_s)):
            return float(1.0 / step_s)
    problems.append(Problem(file, "samples", "are not evenly spaced; a record with one rate can be played"))
    return 0.0
