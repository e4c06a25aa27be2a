"""Waveforms made of phasors, and phasors taken from waveforms.

A plant of phasors has no waveforms. For records that waveform readers can open they are synthesised:
x(t) = sqrt(2) Re(X(t) exp(j 2 pi f0 t)), where X is the RMS phasor against a frame that turns with the
nominal frequency, interpolated between steps. Where the network changes at once, a current cannot: it
goes on from its last value, and the difference dies away as the DC offset of an R-L circuit. Records say
of such waveforms that they were synthesised.
"""

from __future__ import annotations

import dataclasses as dc
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Complex = npt.NDArray[np.complex128]

MIN_PER_CYCLE = 4.0
"""Fewest samples a cycle that phasors are taken from: constant and fundamental with one to spare."""
MAX_HARMONIC = 7
"""Highest harmonic that is told from the fundamental exactly where a cycle is no whole number of samples."""


@dc.dataclass(frozen=True, slots=True)
class Jump:
    """A change of the network at one instant.

    Attributes
    ----------
    at_s : float
        When, from the first phasor on [s].
    tau_s : float64[n_channels]
        Time constant of each channel's offset [s]; 0 where a jump is a jump (voltages).
    """

    at_s: float
    tau_s: Floats


def synthesise(
    phasors: Complex,
    dt_s: float,
    rate_hz: float,
    f0_hz: float,
    start_s: float = 0.0,
    jumps: Sequence[Jump] = (),
) -> Floats:
    """Return evenly spaced samples from the first phasor to the last.

    Parameters
    ----------
    phasors : complex128[n_steps, n_channels]
        RMS, one row every ``dt_s``.
    rate_hz, f0_hz : float
        Samples a second; frequency the frame turns with [Hz].
    start_s : float
        Time of the first phasor [s]: records of one plant are in phase with each other.
    jumps : sequence of Jump
        In order of time; those outside the record are left out. The phasors just before and just
        after a jump are those of the steps around it.

    Returns
    -------
    float64[n_samples, n_channels]
    """
    n_steps, n_channels = phasors.shape
    n_samples = int(np.floor((n_steps - 1) * dt_s * rate_hz + 1e-9)) + 1
    t = np.arange(n_samples) / rate_hz
    inside = [j for j in jumps if 0.0 < j.at_s <= (n_steps - 1) * dt_s]
    turned = _turned(_between(phasors, t, dt_s, inside), start_s + t, f0_hz)
    wave = np.asarray(np.sqrt(2.0) * turned.real)
    for jump in inside:
        k = _step_before(jump.at_s, dt_s)
        leap = _turned(phasors[k] - phasors[k + 1], np.array(start_s + jump.at_s), f0_hz)
        since = t - jump.at_s
        for c in np.flatnonzero(jump.tau_s > 0.0):
            after = since >= 0.0
            wave[after, c] += np.sqrt(2.0) * leap[c].real * np.exp(-since[after] / jump.tau_s[c])
    assert wave.shape == (n_samples, n_channels)
    return wave


def _step_before(at_s: float, dt_s: float) -> int:
    """Return the last step before an instant; one that falls on a step belongs to that step."""
    return int(np.ceil(at_s / dt_s - 1e-9)) - 1


def _between(phasors: Complex, t: Floats, dt_s: float, jumps: Sequence[Jump]) -> Complex:
    at = (
        np.minimum((t / dt_s + 1e-9).astype(np.int64), len(phasors) - 2)
        if len(phasors) > 1
        else np.zeros(1, int)
    )
    if len(phasors) == 1:
        return phasors
    part = (t / dt_s - at)[:, None]
    found: Complex = phasors[at] * (1.0 - part) + phasors[at + 1] * part
    for jump in jumps:
        k = _step_before(jump.at_s, dt_s)
        here = (at == k) | ((at == k + 1) & (t < jump.at_s))
        found[here & (t < jump.at_s)] = phasors[k]
        found[here & (t >= jump.at_s)] = phasors[k + 1]
    return found


def _turned(phasors: Complex, t_s: Floats, f0_hz: float) -> Complex:
    turn = np.exp(2j * np.pi * f0_hz * t_s)
    return np.asarray(phasors * (turn[:, None] if turn.ndim else turn))


def phasors_of(
    samples: Floats, rate_hz: float, f0_hz: float, every_s: float, start_s: float = 0.0
) -> Complex:
    """Return RMS phasors of the last cycle, one every ``every_s``.

    Parameters
    ----------
    samples : float64[n, n_channels]
        Evenly spaced; from another recorder, say. At least ``MIN_PER_CYCLE`` a cycle.
    start_s : float
        Time of the first sample [s]; phasors are against the frame that turns with ``f0_hz``.

    Returns
    -------
    complex128[m, n_channels]
        The window of each ends at its time; the first cycle's are those of the first whole window.

    Notes
    -----
    Where a cycle is a whole number of samples this is the full-cycle DFT.
    """
    cycle = rate_hz / f0_hz
    if cycle < MIN_PER_CYCLE:
        raise ValueError(f"{cycle:g} samples a cycle; {MIN_PER_CYCLE:g} are needed")
    taps = _fundamental_taps(cycle)
    whole = len(taps)
    if len(samples) < whole:
        raise ValueError(f"{len(samples)} samples are less than a cycle of {whole}")
    ends = np.rint(np.arange(0.0, len(samples) / rate_hz - 1e-12, every_s) * rate_hz).astype(np.int64)
    ends = np.clip(ends, whole - 1, len(samples) - 1)
    columns = [np.convolve(column, taps[::-1], "valid")[ends - (whole - 1)] for column in samples.T]
    turn_back = np.exp(-2j * np.pi * f0_hz * (start_s + ends / rate_hz))
    return np.asarray(np.column_stack(columns) * turn_back[:, None])


def _fundamental_taps(cycle: float) -> Complex:
    """Return what the samples of one window are multiplied with; their sum is the RMS phasor at its end.

    Least squares over the window of a constant, the fundamental and low harmonics. Unlike a sum over
    samples it is exact for these also where a cycle is no whole number of samples; the oldest sample
    counts in part then, so that higher harmonics hardly enter.
    """
    whole = int(np.ceil(cycle - 1e-9))
    weights = np.ones(whole)
    weights[0] = 1.0 - (whole - cycle)
    orders = np.arange(1, min(MAX_HARMONIC, max(1, int(cycle / 2 + 1e-9) - 1)) + 1)
    angles = 2 * np.pi / cycle * np.arange(1 - whole, 1)[:, None] * orders[None, :]
    model = np.concatenate([np.cos(angles), np.sin(angles), np.ones((whole, 1))], axis=1)
    root = np.sqrt(weights)
    fit = np.linalg.pinv(model * root[:, None]) * root[None, :]
    return np.asarray((fit[0] - 1j * fit[len(orders)]) / np.sqrt(2.0))
