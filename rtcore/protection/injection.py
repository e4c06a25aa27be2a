"""Injection: ideal sources at one relay's instrument transformers, and a token to time a device by.

While it is on, the relay at its location and the instruments of the bay see its six quantities in
place of the plant's; the plant itself goes on. Magnitudes and angles are setpoints, primary values.
The frequency may ramp: f = f_sp + df_sp * t, t counted from the beginning or, later, from the step in which
one of the two was changed, and the phasors turn with it against the frame of nominal frequency. With
``is_following_sp`` current flows only in phases whose pole of the location's breaker is closed, so that
trips and reclosures act on it as on a real feeder. Instead of the setpoints a record (COMTRADE, reduced to
phasors) can be played, once from its first frame.

The sources stand for a test set at the relay's terminals: what they give is what the relay sees. With
``is_through_ct_sp`` they stand at the primary side instead, and the location's CTs and VTs add their ratio
and phase errors, noise and saturation.

``token`` is the number of the step modulo 65536. A device that echoes it shows how long its
measurements and commands are under way: ``round_trip_s`` is from the step whose image carried the token
to the step at whose beginning the echo was applied, just as operate times are counted. Binary inputs take
the contacts of a device whose trips are not to move a breaker: they have no effect but to be recorded.
What the location's transformers show, injected or not, stands beside in every step, over the whole range
of fault currents: a device under test reads it there.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from rtcore.component import Attr, component
from rtcore.jit import kernel
from rtcore.phasor import TWO_PI

INPUTS = ("the device's trip", "its close", "its pickup", "another of its outputs")
"""What the binary inputs are for; a plan may use them otherwise."""
TOKENS = 65536
"""Tokens before they start over: a register of 16 bits."""
F_MIN_HZ, F_MAX_HZ = 1.0, 200.0
"""A ramp ends there."""
RAD = math.pi / 180.0


def _setpoint(name: str, unit: str, doc: str) -> Attr:
    return Attr(name, unit, doc, writable="setpoint", role="engineer")


@component(
    "injection",
    attrs=(
        _setpoint("location_sp", "", "number of the relay, in the order of the scheme; 0 none"),
        _setpoint("is_active_sp", "", "1 puts its quantities in place of the plant's"),
        _setpoint("is_following_sp", "", "1: current flows only through closed poles of the breaker"),
        *(_setpoint(f"i{k}_a_sp", "A", f"current of phase {k}") for k in "abc"),
        *(_setpoint(f"i{k}_deg_sp", "deg", f"angle of the current of phase {k}") for k in "abc"),
        *(_setpoint(f"v{k}_v_sp", "V", f"voltage of phase {k} to ground") for k in "abc"),
        *(_setpoint(f"v{k}_deg_sp", "deg", f"angle of the voltage of phase {k}") for k in "abc"),
        _setpoint("f_hz_sp", "Hz", "frequency at the beginning"),
        _setpoint("df_hz_s_sp", "Hz/s", "ramp of the frequency"),
        _setpoint("play_sp", "", "number of the record to play instead; 0 none"),
        Attr("token_in_sp", "", "the token that the device last saw", writable="setpoint"),
        *(
            Attr(f"is_input_{k}_sp", "", f"binary input {k}, for {what}", writable="setpoint")
            for k, what in enumerate(INPUTS, 1)
        ),
        _setpoint("is_through_ct_sp", "", "1: the location's CTs and VTs add errors, noise and saturation"),
        Attr("token", "", "number of the step modulo 65536"),
        Attr("is_on", "", "1 while its quantities are in place", stamp="on_ago_s"),
        Attr("on_ago_s", "s", "time from the last change of is_on to the end of its step"),
        Attr("on_s", "s", "time since it is on"),
        Attr("ramp_s", "s", "time since the frequency and its ramp are what they are"),
        Attr("ramp_f_hz", "Hz", "frequency at the beginning of the ramp"),
        Attr("ramp_df_hz_s", "Hz/s", "its slope"),
        Attr("is_playing", "", "1 while a record is played"),
        Attr("frame", "", "frame of the record that is played"),
        Attr("turn_rad", "rad", "angle that the phasors have turned by"),
        Attr("f_hz", "Hz", "frequency now"),
        Attr("token_seen", "", "the echo before"),
        Attr("round_trip_s", "s", "of the last token that came back"),
        Attr("round_trips", "", "tokens that came back"),
        Attr("records", "", "records that there are to play"),
        *(Attr(f"seen_i{k}_a", "A", f"what the location's CT of phase {k} shows") for k in "abc"),
        Attr("seen_in_a", "A", "residual current of the location's CTs"),
        *(Attr(f"seen_v{k}_v", "V", f"what the location's VT of phase {k} shows") for k in "abc"),
    ),
)
class Injection:
    """Ideal sources for relay tests, as of a relay test set."""


def init(s: np.ndarray[Any, Any], f0_hz: float, n_records: int) -> None:
    """Set the state before the first step."""
    s["f_hz_sp"] = s["f_hz"] = f0_hz
    for k, turn in zip("abc", (0.0, -120.0, 120.0), strict=True):
        s[f"i{k}_deg_sp"] = s[f"v{k}_deg_sp"] = turn
    s["records"] = float(n_records)


@kernel
def step(s, own, breaker, play, first, ideal, f0_hz, step, dt_s):  # type: ignore[no-untyped-def]
    """Fill ``ideal`` with what the location is to see in this step; its ``at`` is -1 when off.

    Parameters
    ----------
    s : structured[1]
    own : int32[n_relays]
        Breaker of each relay, -1 none.
    breaker : structured
        State rows.
    play, first : complex128[n_frames, 6], int64[n_records + 1]
        Frames of all records, one a step, and where each record begins.
    ideal : tuple with at, direct, i, v, f_hz
        int64[1], int64[1], complex128[3] [A], complex128[3] [V], float64[1]; ``direct`` is ``at`` where the
        transformers are passed by, else -1.
    """
    _count_token(s, step, dt_s)
    r = int(s["location_sp"][0]) - 1
    is_on = s["is_active_sp"][0] != 0.0 and 0 <= r < own.shape[0]
    if is_on != (s["is_on"][0] != 0.0):
        s["is_on"][0], s["on_ago_s"][0] = 1.0 if is_on else 0.0, dt_s
        s["on_s"][0] = s["ramp_s"][0] = s["turn_rad"][0] = s["frame"][0] = 0.0
    ideal.at[0] = r if is_on else -1
    ideal.direct[0] = -1 if s["is_through_ct_sp"][0] != 0.0 else ideal.at[0]
    s["is_playing"][0] = 0.0
    if not is_on:
        return
    f_hz = _ramp(s, dt_s)
    s["on_s"][0] += dt_s
    record = int(s["play_sp"][0]) - 1
    if 0 <= record < first.shape[0] - 1:
        f_hz = f0_hz
        _play(s, play, first[record], first[record + 1], ideal)
    else:
        s["turn_rad"][0] = (s["turn_rad"][0] + TWO_PI * (f_hz - f0_hz) * dt_s) % TWO_PI
        _set(s, ideal)
    s["f_hz"][0] = ideal.f_hz[0] = f_hz
    if s["is_following_sp"][0] != 0.0 and own[r] >= 0:
        b = own[r]
        ideal.i[0] *= breaker["is_closed_a"][b]
        ideal.i[1] *= breaker["is_closed_b"][b]
        ideal.i[2] *= breaker["is_closed_c"][b]


@kernel
def show(s, i, v):  # type: ignore[no-untyped-def]
    """Write what the location sees, injected or not, complex128[n_relays, 3] each; 0 without a location."""
    r = int(s["location_sp"][0]) - 1
    is_there = 0 <= r < i.shape[0]
    s["seen_ia_a"][0] = abs(i[r, 0]) if is_there else 0.0
    s["seen_ib_a"][0] = abs(i[r, 1]) if is_there else 0.0
    s["seen_ic_a"][0] = abs(i[r, 2]) if is_there else 0.0
    s["seen_in_a"][0] = abs(i[r, 0] + i[r, 1] + i[r, 2]) if is_there else 0.0
    s["seen_va_v"][0] = abs(v[r, 0]) if is_there else 0.0
    s["seen_vb_v"][0] = abs(v[r, 1]) if is_there else 0.0
    s["seen_vc_v"][0] = abs(v[r, 2]) if is_there else 0.0


@kernel
def _count_token(s, step, dt_s):  # type: ignore[no-untyped-def]
    s["token"][0] = float(step % TOKENS)
    if s["token_in_sp"][0] != s["token_seen"][0]:
        s["token_seen"][0] = s["token_in_sp"][0]
        s["round_trip_s"][0] = ((step - int(s["token_in_sp"][0])) % TOKENS) * dt_s
        s["round_trips"][0] += 1.0


@kernel
def _ramp(s, dt_s):  # type: ignore[no-untyped-def]
    """Return the frequency of this step."""
    if s["f_hz_sp"][0] != s["ramp_f_hz"][0] or s["df_hz_s_sp"][0] != s["ramp_df_hz_s"][0]:
        s["ramp_f_hz"][0], s["ramp_df_hz_s"][0], s["ramp_s"][0] = s["f_hz_sp"][0], s["df_hz_s_sp"][0], 0.0
    f_hz = s["ramp_f_hz"][0] + s["ramp_df_hz_s"][0] * s["ramp_s"][0]
    s["ramp_s"][0] += dt_s
    return min(max(f_hz, F_MIN_HZ), F_MAX_HZ)


@kernel
def _play(s, play, begin, end, ideal):  # type: ignore[no-untyped-def]
    """Take the next frame; after the last there is nothing."""
    at = begin + int(s["frame"][0])
    is_there = at < end
    for k in range(3):
        ideal.i[k] = play[at, k] if is_there else 0.0j
        ideal.v[k] = play[at, 3 + k] if is_there else 0.0j
    if is_there:
        s["is_playing"][0] = 1.0
        s["frame"][0] += 1.0


@kernel
def _phasor(size, deg, turn_rad):  # type: ignore[no-untyped-def]
    angle = deg * RAD + turn_rad
    return complex(size * math.cos(angle), size * math.sin(angle))


@kernel
def _set(s, ideal):  # type: ignore[no-untyped-def]
    """Phasors of the setpoints."""
    turn = s["turn_rad"][0]
    ideal.i[0] = _phasor(s["ia_a_sp"][0], s["ia_deg_sp"][0], turn)
    ideal.i[1] = _phasor(s["ib_a_sp"][0], s["ib_deg_sp"][0], turn)
    ideal.i[2] = _phasor(s["ic_a_sp"][0], s["ic_deg_sp"][0], turn)
    ideal.v[0] = _phasor(s["va_v_sp"][0], s["va_deg_sp"][0], turn)
    ideal.v[1] = _phasor(s["vb_v_sp"][0], s["vb_deg_sp"][0], turn)
    ideal.v[2] = _phasor(s["vc_v_sp"][0], s["vc_deg_sp"][0], turn)
