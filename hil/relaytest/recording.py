"""What the relay saw in a shot, thinned for a report: RMS values all along, waveforms at its heart."""

from __future__ import annotations

import dataclasses as dc

import numpy as np
import numpy.typing as npt

from hil.recorder.waves import synthesise
from hil.relaytest.bench import Traces

Floats = npt.NDArray[np.float64]

EVEN_MAX = 240
"""Steps kept of a shot, evenly spaced; with the jumps more than a chart of 700 px can show."""
JUMPS_MAX = 60
"""Jumps kept with the steps on both sides of them; the largest, when there are more."""
JUMP_SHARE = 0.01
"""A change within a step by more than this share of the largest value is a jump."""
LEVELS = 2000
"""Steps of a quantity that are told apart: the largest value, divided by this."""
NOMINAL_HZ = 0.05
"""A frequency that is off by less in the whole shot is no matter of it."""
F_SCALE_HZ = 2.0
DEAD_SHARE, TINY = 0.02, 1e-9
"""Voltages below this share of the largest have no frequency."""
BEFORE_CYCLES, AFTER_CYCLES = 2.0, 6.0
SAMPLES_A_CYCLE = 20


@dc.dataclass(frozen=True, slots=True)
class Stretch:
    """Currents and voltages of phases a, b, c over time.

    Attributes
    ----------
    t_s : float64[n]
        From the shot's time 0 [s].
    i_a, v_v : float64[n, 3]
        Primary [A], [V]; phase to ground.
    """

    t_s: Floats
    i_a: Floats
    v_v: Floats


@dc.dataclass(frozen=True, slots=True)
class Recording:
    """A shot as a recorder at the location would show it.

    Attributes
    ----------
    rms : Stretch
        RMS values of the whole shot, without steps that say nothing new.
    wave : Stretch or None
        Instantaneous values about ``at_step``, synthesised from the phasors of the steps.
    f_hz : float64[n] or None
        Frequency at the times of ``rms`` [Hz], NaN where there is no voltage; None where it stays nominal.
    """

    rms: Stretch
    wave: Stretch | None
    f_hz: Floats | None = None


def recording(traces: Traces, zero_step: int, at_step: int, dt_s: float, f0_hz: float) -> Recording | None:
    """Return what is worth keeping of a shot's traces; None when there are none.

    Parameters
    ----------
    zero_step : int
        Step of the shot's time 0.
    at_step : int
        Step about which the waveforms are wanted.
    dt_s, f0_hz : float
        Length of a step [s]; frequency of the frame of the phasors [Hz].
    """
    if not len(traces.step):
        return None
    sizes = np.asarray(abs(np.hstack([traces.i_a, traces.v_v])), np.float64)
    f_hz = frequency_hz(traces, dt_s, f0_hz)
    is_nominal = bool((abs(f_hz - f0_hz) < NOMINAL_HZ)[~np.isnan(f_hz)].all())
    kept = _telling(sizes, np.zeros(len(sizes)) if is_nominal else (f_hz - f0_hz) / F_SCALE_HZ)
    t_s = np.asarray((traces.step[kept] - zero_step) * dt_s, np.float64)
    rms = Stretch(t_s, sizes[kept, :3], sizes[kept, 3:])
    wave = _wave(traces, zero_step, at_step, dt_s, f0_hz)
    return Recording(rms, wave, None if is_nominal else f_hz[kept])


def frequency_hz(traces: Traces, dt_s: float, f0_hz: float) -> Floats:
    """Return the frequency of the voltages at every step [Hz], NaN where there are none to speak of.

    From how far they turn in a cycle, and of that the median of two cycles: a jump of their angle, as a
    fault on a feeder makes it, is none of the frequency. A step of it is seen as a ramp of a cycle.

    Notes
    -----
    Steps that are missing do not count: what is seen across them is a jump.
    """
    lag = min(max(round(1.0 / f0_hz / dt_s), 1), len(traces.step) - 1)
    if lag < 1:
        return np.full(len(traces.step), np.nan)
    later, earlier = traces.v_v[lag:], traces.v_v[:-lag]
    turn = (later * earlier.conj()).sum(axis=1)
    f_hz = f0_hz + np.angle(turn) / (2.0 * np.pi * lag * dt_s)
    f_hz[abs(turn) <= DEAD_SHARE**2 * max(float(abs(turn).max(initial=0.0)), TINY)] = np.nan
    f_hz[traces.step[lag:] - traces.step[:-lag] != lag] = np.nan
    before = lag + (lag + 1) // 2
    padded = np.pad(f_hz, (before, 3 * lag - before), mode="edge")
    windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * lag + 1)
    return np.asarray(np.where(np.isnan(windows).all(axis=1), np.nan, _median(windows)))


def _median(windows: Floats) -> Floats:
    """Return the median of each row, of the values that there are; NaN is sorted to the end."""
    ranked = np.sort(windows, axis=1)
    n = np.maximum((~np.isnan(ranked)).sum(axis=1), 1)
    return np.asarray(np.take_along_axis(ranked, ((n - 1) // 2)[:, None], axis=1)[:, 0])


def _telling(sizes: Floats, slip: Floats) -> npt.NDArray[np.int64]:
    """Return the rows that a chart needs: both sides of jumps, and ends and bends in between.

    ``slip`` is what the frequency is off, as a share of what a chart of it shows.
    """
    n = len(sizes)
    scale = np.array([sizes[:, :3].max(), sizes[:, 3:].max()]).repeat(3)
    share = sizes / np.where(scale > 0.0, scale, 1.0)
    leap = abs(np.diff(share, axis=0)).max(axis=1, initial=0.0)
    jumps = np.argsort(-leap, kind="stable")[:JUMPS_MAX]
    jumps = jumps[leap[jumps] > JUMP_SHARE]
    even = np.linspace(0, n - 1, min(n, EVEN_MAX)).round().astype(np.int64)
    rows = np.unique(np.concatenate([even, jumps, jumps + 1]))
    level = np.rint(np.column_stack([share[rows], np.nan_to_num(slip[rows])]) * LEVELS)
    same = (level[1:] == level[:-1]).all(axis=1)
    is_idle = np.zeros(len(rows), bool)
    is_idle[1:-1] = same[1:] & same[:-1]  # like both neighbours: a straight line goes through it
    return np.asarray(rows[~is_idle])


def _wave(traces: Traces, zero_step: int, at_step: int, dt_s: float, f0_hz: float) -> Stretch | None:
    first = at_step - round(BEFORE_CYCLES / f0_hz / dt_s)
    last = at_step + round(AFTER_CYCLES / f0_hz / dt_s)
    inside = (traces.step >= first) & (traces.step <= last)
    steps = traces.step[inside]
    if len(steps) < 2 or steps[-1] - steps[0] != len(steps) - 1:
        return None
    phasors = np.hstack([traces.i_a[inside], traces.v_v[inside]]).astype(np.complex128)
    rate_hz = SAMPLES_A_CYCLE * f0_hz
    values = synthesise(phasors, dt_s, rate_hz, f0_hz, float(steps[0]) * dt_s)
    t_s = (steps[0] - zero_step) * dt_s + np.arange(len(values)) / rate_hz
    return Stretch(t_s, values[:, :3], values[:, 3:])
