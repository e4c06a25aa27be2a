"""COMTRADE player: a record from elsewhere, reduced to phasors, to stand in for the plant at a relay."""

from __future__ import annotations

import dataclasses as dc
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import comtrade
import numpy as np

from hil.recorder.waves import Complex, Floats, phasors_of
from hil.settings_sections import PlaybackSection
from rtcore.errors import Problem, UserInputError

QUANTITIES = ("ia", "ib", "ic", "va", "vb", "vc")
"""What a frame holds, in this order: primary amperes, primary volts to ground."""

FACTORS = {"A": 1.0, "KA": 1e3, "MA": 1e-3, "V": 1.0, "KV": 1e3, "MV": 1e-3, "UV": 1e-6}
"""Unit of a channel, in capitals -> amperes or volts (mA and mV: nobody records mega)."""


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
    """Return what is wrong with records; without a frequency none of them is too short."""
    problems: list[Problem] = []
    for playback in playbacks:
        try:
            _read(playback, math.inf if f0_hz is None else f0_hz)
        except UserInputError as error:
            problems += error.problems
    return problems


def _read(playback: Playback, f0_hz: float) -> tuple[Floats, float]:
    """Return the samples of a record, float64[n, 6] in primary A and V, and their rate [Hz].

    Raises
    ------
    UserInputError
        Everything that is wrong with it; less than a cycle of ``f0_hz`` is.
    """
    record = _load(playback.path)
    problems: list[Problem] = []
    n, rate_hz = int(record.total_samples), _rate(record, str(playback.path), problems)
    names = list(record.analog_channel_ids)
    samples = np.zeros((n, len(QUANTITIES)))
    for quantity, name in playback.channels.items():
        if quantity not in QUANTITIES:
            allowed = f"no such quantity; there are {', '.join(QUANTITIES)}"
            problems.append(Problem(str(playback.path), f"channels.{quantity}", allowed))
        elif name not in names:
            there = f"no channel {name!r}; there are {', '.join(names)}"
            problems.append(Problem(str(playback.path), f"channels.{quantity}", there))
        else:
            k = names.index(name)
            channel = record.cfg.analog_channels[k]
            factor = FACTORS.get(channel.uu.strip().upper())
            if factor is None:
                text = f"unit {channel.uu!r} of channel {name!r} is not known"
                problems.append(Problem(str(playback.path), f"channels.{quantity}", text))
                continue
            if channel.pors.strip().upper() == "S":
                factor *= channel.primary / channel.secondary
            samples[:, QUANTITIES.index(quantity)] = np.asarray(record.analog[k], float) * factor
    if not np.isfinite(samples).all():
        problems.append(Problem(str(playback.path), "samples", "some are missing"))
    if rate_hz > 0.0 and n < rate_hz / f0_hz:
        problems.append(Problem(str(playback.path), "samples", f"{n} are less than a cycle of {f0_hz:g} Hz"))
    if problems:
        raise UserInputError(problems)
    return samples, rate_hz


def _load(path: Path) -> Any:
    if not path.is_file():
        raise UserInputError([Problem(str(path), "file", "there is no such file")])
    record = comtrade.Comtrade(use_double_precision=True)
    try:
        if path.suffix.lower() == ".cff":
            record.load(str(path))
        else:
            dat = next((p for s in (".dat", ".DAT") if (p := path.with_suffix(s)).is_file()), None)
            if dat is None:
                raise UserInputError([Problem(str(path), "file", "there is no .dat beside it")])
            record.load(str(path), str(dat))
    except UserInputError:
        raise
    except OSError as error:
        raise UserInputError([Problem(str(path), "file", error.strerror or str(error))]) from None
    except Exception as error:  # noqa: BLE001 - the reader raises whatever the text makes it stumble over
        raise UserInputError([Problem(str(path), "file", f"is not a COMTRADE record: {error}")]) from None
    return record


def _rate(record: Any, file: str, problems: list[Problem]) -> float:
    """Return the one rate of the samples [Hz]."""
    rates = {float(rate) for rate, _ in record.cfg.sample_rates}
    if len(rates) == 1 and (rate := rates.pop()) > 0.0:
        return rate
    times = np.asarray(record.time, float)
    steps = np.diff(times)
    if len(steps) and steps.min() > 0.0 and np.ptp(steps) < 1e-3 * steps.mean():
        return float(1.0 / steps.mean())
    problems.append(Problem(file, "samples", "are not evenly spaced; a record with one rate can be played"))
    return 0.0
