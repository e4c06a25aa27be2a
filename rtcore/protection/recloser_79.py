"""Automatic reclosing (ANSI 79): states RESET, CYCLE and LOCKOUT, shots, open intervals, reset timers.

The rules are those published for SEL-351/351A/751 relays and ABB reclosers (SEL-351 instruction
manual, section "Close and reclose logic"; names of its logic in brackets).

- **Initiate** [79RI]: rising edge of TRIP. It needs the breaker closed or a cycle running [79RIS =
  52A OR 79CY], else LOCKOUT at once. An edge while the breaker stands open is a LOCKOUT, too.
- **Open interval** k of the shot counter's value k - 1 starts at the opening of the breaker (52b made)
  and stands still while TRIP [79STL]. The number of shots is that of the intervals before the first
  0; no interval at all defeats the function. At the end of the interval shot + 1, then close.
- **Close supervision** [79CLS, 79CLSD]: without the permission it waits at most ``close_wait_s``, 0 is
  a single look, then LOCKOUT. A breaker that has not closed ``close_fail_s`` after the demand
  [CFD] is a LOCKOUT. One demand an interval: a breaker that refuses is not asked again.
- **Reset timer** [79RSD from CYCLE, 79RSLD from LOCKOUT, at power-up and after a change of
  settings]: runs only while 52a, no TRIP and no blocking pickup [79BRS], and starts anew after an
  interruption. Its full time leads to RESET and shot 0.
- **LOCKOUT is entered at the final opening of the breaker**, not at the trip that causes it: the
  last shot's trip, an opening without initiation (manual, external), a trip on a tagged line. Told to
  trip while a cycle runs, by an operator or a controller, it is entered at once. A
  closing that this function did not ask for ends the cycle in LOCKOUT; so a manual close onto a
  fault, from whatever state, trips into LOCKOUT or stays there.
- **Drive to lockout** [79DTL], **drive to last shot** [79DLS], **skip shot** [79SKP, here at once: shot + 1
  and the next interval from its beginning]. In LOCKOUT the shot counter stands at the last shot
  [79DLS = 79LO]: a line closed by hand is not tripped by fast elements masked to the first shots.
- **Sequence coordination** [79SEQ]: 52a, no trip, and the chosen pickup stood for ``sequence_s`` and
  dropped: shot + 1, at most 4 also beyond the last shot, reset timer reloaded, state unchanged.
- **Hot-line tag**, or a tag on the breaker: no automatic close; a trip ends in LOCKOUT, an open
  interval that runs does so at once.

Instants within a step: openings, trips and pickups are taken in their order of time, timers run
between them, and what follows (state, shot, close demand) carries its own instant.
"""

from __future__ import annotations

from typing import Any, Literal

from rtcore.component import Attr, component, param
from rtcore.jit import kernel
from rtcore.protection.element import within

RESET, CYCLE, LOCKOUT = 0.0, 1.0, 2.0
"""States."""

QUIET, TRIPPED, TIMING, WAITING, CLOSING = 0.0, 1.0, 2.0, 3.0, 4.0
"""Phases: nothing, tripped and opening, open interval, close supervision, close demanded."""

OPEN, CLOSED, BETWEEN = 0.0, 1.0, 2.0
"""Positions of the breaker by 52a and 52b."""

(
    NO_REASON,
    POWER_UP,
    LAST_SHOT,
    EXTERNAL_OPENING,
    NOT_SUPERVISED,
    TRIP_WHILE_OPEN,
    DRIVEN,
    TAGGED,
    NOT_PERMITTED,
    CLOSE_FAILED,
    EXTERNAL_CLOSING,
    DISABLED,
    SETTINGS_CHANGED,
) = (float(k) for k in range(13))
"""Reasons of a lockout."""

SHOTS_MAX = 4.0
EPS_S = 1e-9
"""Far below any step, above the rounding of a summed timer [s]."""


def _command_attr(name: str, doc: str, writable: Literal["setpoint", "pulse"]) -> Attr:
    return Attr(name, "", doc, writable=writable, guard="is_remote")


@component(
    "recloser_79",
    attrs=(
        Attr("state", "", "0 reset, 1 cycle, 2 lockout", stamp="state_ago_s"),
        Attr("is_reset", "", "1 in RESET", stamp="state_ago_s"),
        Attr("is_cycle", "", "1 in CYCLE", stamp="state_ago_s"),
        Attr("is_lockout", "", "1 in LOCKOUT", stamp="state_ago_s"),
        Attr("shot", "", "shot counter, 0..4", stamp="shot_ago_s"),
        Attr("is_closing", "", "1 from the close demand to closed or failed", stamp="closing_ago_s"),
        Attr("open_timer_s", "s", "open interval: time that has passed"),
        Attr("close_timer_s", "s", "time waited for the permission to close, or for the breaker to close"),
        Attr("reset_timer_s", "s", "reset timer: time that has passed"),
        Attr("sequence_timer_s", "s", "sequence coordination: time of the pickup"),
        Attr("cycles", "", "sequences begun"),
        Attr("recloses", "", "automatic close demands"),
        Attr("lockouts", "", "lockouts"),
        Attr(
            "lockout_reason",
            "",
            "last lockout: 0 none, 1 power-up, 2 last shot, 3 manual or external opening, 4 initiation not "
            "supervised, 5 trip while open, 6 driven, 7 tagged, 8 close not permitted, 9 close failed, "
            "10 manual or external closing, 11 disabled, 12 settings changed",
        ),
        Attr("is_remote", "", "local/remote switch of the breaker: 1 remote"),
        _command_attr("is_enabled_sp", "reclosing in service: 1 on", "setpoint"),
        _command_attr("is_hot_line_sp", "hot-line tag: 1 no automatic close", "setpoint"),
        _command_attr("drive_lockout", "drives to LOCKOUT", "pulse"),
        _command_attr("drive_last_shot", "drives the shot counter to the last shot", "pulse"),
        _command_attr("skip_shot", "skips a shot", "pulse"),
        Attr("phase", "", "0 quiet, 1 tripped, 2 open interval, 3 waits for permission, 4 closing"),
        Attr("position", "", "breaker as seen: 0 open, 1 closed, 2 between"),
        Attr("is_trip", "", "TRIP as seen"),
        Attr("is_blocking", "", "pickup that blocks the reset timer, as seen"),
        Attr("is_sequence", "", "pickup of the sequence coordination, as seen"),
        Attr("is_tagged", "", "1 while the hot-line tag or a tag of the breaker forbids closing"),
        Attr("is_held", "", "1 while the lockout is held: driven or out of service"),
        Attr("is_short_reset", "", "1 while the reset timer runs for the time from lockout"),
        Attr("settings_key", "", "number that stands for the settings in force, to see a change"),
        Attr("state_ago_s", "s", "time from the last change of the state to the end of its step"),
        Attr("shot_ago_s", "s", "time from the last change of the shot to the end of its step"),
        Attr("closing_ago_s", "s", "time from the last change of is_closing to the end of its step"),
    ),
    settings=True,
)
class Recloser79:
    """Reclosing of one breaker (SEL-751A defaults for the timers, three shots)."""

    is_enabled: float = param(default=1.0, unit="", doc="1 in service", ge=0, le=1)
    open_interval_1_s: float = param(default=0.5, unit="s", doc="open interval 1; 0 defeats", ge=0, le=3000)
    open_interval_2_s: float = param(default=5.0, unit="s", doc="open interval 2; 0 none", ge=0, le=3000)
    open_interval_3_s: float = param(default=15.0, unit="s", doc="open interval 3; 0 none", ge=0, le=3000)
    open_interval_4_s: float = param(default=0.0, unit="s", doc="open interval 4; 0 none", ge=0, le=3000)
    reset_s: float = param(default=15.0, unit="s", doc="reset time from CYCLE", ge=0.1, le=3000)
    reset_lockout_s: float = param(default=5.0, unit="s", doc="reset time from LOCKOUT", ge=0.1, le=3000)
    close_wait_s: float = param(
        default=0.0, unit="s", doc="longest wait for the permission to close; 0 one look", ge=0, le=3000
    )
    close_fail_s: float = param(
        default=1.0, unit="s", doc="close demand to close failure", ge=0.2, le=60, source="SEL CFD 60 cycles"
    )
    is_sequence_coordinated: float = param(default=0.0, unit="", doc="1: sequence coordination", ge=0, le=1)
    sequence_s: float = param(
        default=1.25 / 60.0, unit="s", doc="shortest pickup that counts", ge=0, le=1, source="1.25 cycles"
    )


def init(p: Any, s: Any, breaker_of: Any, breaker: Any, *, is_settled: bool = False) -> None:
    """Put the rows into their state at power-up, LOCKOUT; ``is_settled``: RESET where closed.

    A relay that is switched on with its breaker closed goes to RESET after ``reset_lockout_s``. A
    plant that has been running for long starts settled.
    """
    s[:] = 0.0
    s["is_enabled_sp"] = s["is_remote"] = 1.0
    for i in range(s.shape[0]):
        s["position"][i] = position_of(breaker["is_52a"][breaker_of[i]], breaker["is_52b"][breaker_of[i]])
        s["settings_key"][i] = settings_key(p, i)
        s["lockout_reason"][i] = NO_REASON if is_settled else POWER_UP
        is_ready = is_settled and s["position"][i] == CLOSED and p["is_enabled"][i] > 0.0
        is_ready = is_ready and last_shot(p, i) > 0.0
        s["state"][i] = RESET if is_ready else LOCKOUT
        s["shot"][i] = 0.0 if is_ready else last_shot(p, i)
        s["is_reset"][i], s["is_lockout"][i] = float(is_ready), float(not is_ready)


@kernel
def shot_allows(shots_mask, shot):  # type: ignore[no-untyped-def]
    """Return 1 where bit ``shot`` of a mask is set (1 = shot 0, 3 = shots 0 and 1, 31 = all), else 0."""
    if not (0.0 <= shots_mask < 32.0 and 0.0 <= shot <= SHOTS_MAX):
        return 0.0
    return 1.0 if int(shots_mask) >> int(shot) & 1 else 0.0


@kernel
def step(  # type: ignore[no-untyped-def]
    p,
    s,
    breaker_of,
    breaker,
    trip,
    trip_ago_s,
    is_blocking_pickup,
    seq_pickup,
    is_driven,
    is_told_to_trip,
    is_close_permitted,
    change_ago_s,
    dt_s,
):
    """Advance every recloser; call after the relays, before the next step of the breakers.

    Parameters
    ----------
    breaker_of : int32[n]
        Breaker of each row.
    breaker : structured
        State rows of the breakers: is_52a, is_52b, moved_ago_s (any change of the two), is_tagged_sp.
        Writes the demand ``close_coil`` and ``close_ago_s``.
    trip : float64[n]
        TRIP that initiates reclosing; other trips are external openings.
    trip_ago_s : float64[n]
        Time from the last change of ``trip`` to the end of its step [s]; negative: it changed with the
        network.
    is_blocking_pickup, seq_pickup : float64[n]
        Pickup that blocks the reset timer, pickup of the sequence coordination; they change with
        the network.
    is_driven : float64[n]
        1 drives to LOCKOUT and holds it there (86, breaker failure).
    is_told_to_trip : float64[n]
        1 in a step in which somebody other than a relay told the breaker to trip: no more reclosing.
    is_close_permitted : float64[n]
        Close conditions at the end of the step (25, dead line).
    change_ago_s, dt_s : float
        Time from the last change of the network to the end of the step; length of the step [s].
    """
    with_network_s = within(change_ago_s, dt_s)
    for i in range(s.shape[0]):
        b = breaker_of[i]
        t = s[i]
        t["is_remote"] = breaker["is_remote_sp"][b]
        t["is_tagged"] = 1.0 if t["is_hot_line_sp"] != 0.0 or breaker["is_tagged_sp"][b] != 0.0 else 0.0
        _command(p, s, i, is_driven[i], is_told_to_trip[i], dt_s)
        recloses = t["recloses"]
        is_trip = 1.0 if trip[i] > 0.0 else 0.0
        is_blocking = 1.0 if is_blocking_pickup[i] > 0.0 else 0.0
        is_sequence = 1.0 if seq_pickup[i] > 0.0 else 0.0
        with_trip_s = with_network_s if trip_ago_s[i] < 0.0 else within(trip_ago_s[i], dt_s)
        _follow(
            p, s, i, breaker, b, is_trip, is_blocking, is_sequence, is_close_permitted[i], with_network_s,
            with_trip_s, dt_s,
        )  # fmt: skip
        if t["state"] == LOCKOUT and t["recloses"] != recloses:
            breaker["close_coil"][b] = 0.0  # overtaken within its own step


@kernel
def _follow(  # type: ignore[no-untyped-def]
    p, s, i, breaker, b, is_trip, is_blocking, is_sequence, is_permitted, with_network_s, with_trip_s, dt_s
):
    """Go through the step from instant to instant; ``with_network_s``, ``with_trip_s``: when, if at all."""
    t = s[i]
    position = position_of(breaker["is_52a"][b], breaker["is_52b"][b])
    # Instants of what changed in this step, -1 for what did not.
    moved_s = pickup_s = tripped_s = -1.0
    if position != t["position"]:
        moved_s = within(breaker["moved_ago_s"][b], dt_s)
    if is_blocking != t["is_blocking"] or is_sequence != t["is_sequence"]:
        pickup_s = with_network_s
    if is_trip != t["is_trip"]:
        tripped_s = with_trip_s
    now_s = dt_s
    while moved_s >= 0.0 or pickup_s >= 0.0 or tripped_s >= 0.0:
        next_s = max(moved_s, pickup_s, tripped_s)
        _pass(p, s, i, breaker, b, is_permitted, now_s, next_s)
        now_s = next_s
        if moved_s == next_s:  # at one instant: contacts, then pickups, then trips
            _move(p, s, i, position, now_s)
            moved_s = -1.0
        elif pickup_s == next_s:
            _pick_up(p, s, i, is_blocking, is_sequence, now_s)
            pickup_s = -1.0
        else:
            _trip(p, s, i, is_trip, now_s)
            tripped_s = -1.0
    _pass(p, s, i, breaker, b, is_permitted, now_s, 0.0)


@kernel
def position_of(is_52a, is_52b):  # type: ignore[no-untyped-def]
    """Position of a breaker; contacts that agree (00 travelling, 11 faulty) are between."""
    if (is_52a > 0.0) == (is_52b > 0.0):
        return BETWEEN
    return CLOSED if is_52a > 0.0 else OPEN


@kernel
def last_shot(p, i):  # type: ignore[no-untyped-def]
    """Return the number of shots: of open intervals before the first 0."""
    q = p[i]
    if not q["open_interval_1_s"] > 0.0:
        return 0.0
    if not q["open_interval_2_s"] > 0.0:
        return 1.0
    if not q["open_interval_3_s"] > 0.0:
        return 2.0
    return 4.0 if q["open_interval_4_s"] > 0.0 else 3.0


@kernel
def open_interval(p, i, shot):  # type: ignore[no-untyped-def]
    """Return the open interval that belongs to a value of the shot counter [s]."""
    if shot < 1.0:
        return p["open_interval_1_s"][i]
    if shot < 2.0:
        return p["open_interval_2_s"][i]
    return p["open_interval_3_s"][i] if shot < 3.0 else p["open_interval_4_s"][i]


@kernel
def settings_key(p, i):  # type: ignore[no-untyped-def]
    """Return a number that changes with the settings.

    A sum with square roots of primes as weights: settings have a few decimals, and no such numbers but
    zeros make the change of such a sum 0.
    """
    q = p[i]
    key = 1.4142135623730951 * q["open_interval_1_s"] + 1.7320508075688772 * q["open_interval_2_s"]
    key += 2.23606797749979 * q["open_interval_3_s"] + 2.6457513110645907 * q["open_interval_4_s"]
    key += 3.3166247903554 * q["reset_s"] + 3.605551275463989 * q["reset_lockout_s"]
    key += 4.123105625617661 * q["close_wait_s"] + 4.358898943540674 * q["close_fail_s"]
    key += 4.795831523312719 * q["sequence_s"]
    return 1.0 + key + 5.385164807134504 * q["is_sequence_coordinated"]


@kernel
def _command(p, s, i, is_driven, is_told_to_trip, dt_s):  # type: ignore[no-untyped-def]
    """Take commands and changed settings, at the beginning of the step."""
    q, t = p[i], s[i]
    last, key = last_shot(p, i), settings_key(p, i)
    if abs(key - t["settings_key"]) > 0.0:  # never true for what is not a number
        t["settings_key"] = key
        _shoot(s, i, max(t["shot"], last) if t["state"] != LOCKOUT else last, dt_s)
        t["is_short_reset"], t["reset_timer_s"] = 1.0, 0.0
        if t["phase"] in (TIMING, WAITING):
            _lock_out(p, s, i, SETTINGS_CHANGED, dt_s)
    is_out = not (q["is_enabled"] > 0.0 and t["is_enabled_sp"] > 0.0 and last > 0.0)
    t["is_held"] = 1.0 if is_out or is_driven > 0.0 else 0.0
    if is_out:
        _lock_out(p, s, i, DISABLED, dt_s)
    if t["drive_lockout"] != 0.0:
        _lock_out(p, s, i, DRIVEN, dt_s)
    elif is_driven > 0.0:
        _lock_out(p, s, i, DRIVEN, 0.0)
    if is_told_to_trip > 0.0 and (t["state"] == CYCLE or t["phase"] != QUIET):
        _lock_out(p, s, i, EXTERNAL_OPENING, dt_s)
    if t["is_tagged"] != 0.0 and t["phase"] in (TIMING, WAITING):
        _lock_out(p, s, i, TAGGED, dt_s)
    if t["drive_last_shot"] != 0.0:
        _skip_to(p, s, i, last, dt_s)
    elif t["skip_shot"] != 0.0:
        _skip_to(p, s, i, min(t["shot"] + 1.0, last), dt_s)
    t["drive_lockout"] = t["drive_last_shot"] = t["skip_shot"] = 0.0


@kernel
def _skip_to(p, s, i, shot, ago_s):  # type: ignore[no-untyped-def]
    """Advance the shot counter by command; an open interval that runs is replaced by the next."""
    if s["state"][i] == LOCKOUT or shot <= s["shot"][i]:
        return
    _shoot(s, i, shot, ago_s)
    s["reset_timer_s"][i] = 0.0
    if s["phase"][i] in (TIMING, WAITING):
        s["open_timer_s"][i] = s["close_timer_s"][i] = 0.0
        s["phase"][i] = TIMING
        if shot >= last_shot(p, i):
            _lock_out(p, s, i, LAST_SHOT, ago_s)


@kernel
def _move(p, s, i, position, ago_s):  # type: ignore[no-untyped-def]
    """The breaker has arrived, or left."""
    s["position"][i] = position
    phase = s["phase"][i]
    if s["state"][i] == LOCKOUT or position == BETWEEN:
        return
    if position == CLOSED:
        if phase == CLOSING:
            _to_phase(s, i, QUIET, ago_s)
        elif phase in (TIMING, WAITING):
            _lock_out(p, s, i, EXTERNAL_CLOSING, ago_s)
    elif phase != TRIPPED:
        _lock_out(p, s, i, EXTERNAL_OPENING, ago_s)
    elif s["is_tagged"][i] != 0.0:
        _lock_out(p, s, i, TAGGED, ago_s)
    elif s["shot"][i] >= last_shot(p, i):
        _lock_out(p, s, i, LAST_SHOT, ago_s)
    else:
        _enter(s, i, CYCLE, ago_s)
        _to_phase(s, i, TIMING, ago_s)


@kernel
def _trip(p, s, i, is_trip, ago_s):  # type: ignore[no-untyped-def]
    """TRIP has come, or gone."""
    s["is_trip"][i] = is_trip
    s["sequence_timer_s"][i] = 0.0
    phase, position = s["phase"][i], s["position"][i]
    if is_trip == 0.0 or s["state"][i] == LOCKOUT or phase == TRIPPED:
        return
    if phase in (TIMING, WAITING) or (phase == CLOSING and position == OPEN):
        _lock_out(p, s, i, TRIP_WHILE_OPEN, ago_s)
    elif position == CLOSED or s["state"][i] == CYCLE:
        if s["is_tagged"][i] == 0.0 and s["shot"][i] < last_shot(p, i):
            _enter(s, i, CYCLE, ago_s)
        _to_phase(s, i, TRIPPED, ago_s)
    else:
        _lock_out(p, s, i, NOT_SUPERVISED, ago_s)


@kernel
def _pick_up(p, s, i, is_blocking, is_sequence, ago_s):  # type: ignore[no-untyped-def]
    """Pickups have come or gone; one that went without a trip counts for the sequence."""
    if is_sequence == 0.0 and s["is_sequence"][i] != 0.0:
        timer_s, s["sequence_timer_s"][i] = s["sequence_timer_s"][i], 0.0
        if timer_s > 0.0 and timer_s >= p["sequence_s"][i] - EPS_S:
            _shoot(s, i, min(s["shot"][i] + 1.0, SHOTS_MAX), ago_s)
            s["reset_timer_s"][i] = s["is_short_reset"][i] = 0.0
    s["is_blocking"][i], s["is_sequence"][i] = is_blocking, is_sequence


@kernel
def _pass(p, s, i, breaker, b, is_permitted, from_s, to_s):  # type: ignore[no-untyped-def]
    """Let time pass from ``from_s`` to ``to_s`` before the end of the step, all inputs constant."""
    q, t = p[i], s[i]
    if t["position"] == CLOSED:
        _run_sequence_timer(p, s, i, from_s - to_s)
        _run_reset_timer(p, s, i, from_s - to_s, to_s)
        return
    t["reset_timer_s"] = t["sequence_timer_s"] = 0.0
    phase = t["phase"]
    if phase == TIMING:
        _run_open_interval(p, s, i, breaker, b, is_permitted, from_s - to_s, to_s)
    elif phase == WAITING:
        t["close_timer_s"] += from_s - to_s
        _wait(p, s, i, breaker, b, is_permitted, to_s)
    elif phase == CLOSING:
        t["close_timer_s"] += from_s - to_s
        past_s = t["close_timer_s"] - q["close_fail_s"]
        if past_s >= -EPS_S:
            _lock_out(p, s, i, CLOSE_FAILED, to_s + min(max(past_s, 0.0), from_s - to_s))


@kernel
def _run_sequence_timer(p, s, i, span_s):  # type: ignore[no-untyped-def]
    is_on = s["is_sequence"][i] != 0.0 and p["is_sequence_coordinated"][i] > 0.0
    if is_on and s["is_trip"][i] == 0.0 and s["state"][i] != LOCKOUT:
        s["sequence_timer_s"][i] += span_s
    else:
        s["sequence_timer_s"][i] = 0.0


@kernel
def _run_reset_timer(p, s, i, span_s, to_s):  # type: ignore[no-untyped-def]
    q, t = p[i], s[i]
    is_due = t["state"] != RESET or t["shot"] > 0.0 or t["phase"] != QUIET
    if not is_due or t["is_trip"] != 0.0 or t["is_blocking"] != 0.0 or t["is_held"] != 0.0:
        t["reset_timer_s"] = 0.0
        return
    t["reset_timer_s"] += span_s
    is_short = t["state"] == LOCKOUT or t["is_short_reset"] != 0.0
    past_s = t["reset_timer_s"] - (q["reset_lockout_s"] if is_short else q["reset_s"])
    if past_s >= -EPS_S:
        ago_s = to_s + min(max(past_s, 0.0), span_s)
        _enter(s, i, RESET, ago_s)
        _to_phase(s, i, QUIET, ago_s)
        _shoot(s, i, 0.0, ago_s)
        t["is_short_reset"] = 0.0


@kernel
def _run_open_interval(p, s, i, breaker, b, is_permitted, span_s, to_s):  # type: ignore[no-untyped-def]
    if s["is_trip"][i] != 0.0:
        return
    s["open_timer_s"][i] += span_s
    past_s = s["open_timer_s"][i] - open_interval(p, i, s["shot"][i])
    if past_s < -EPS_S:
        return
    past_s = min(max(past_s, 0.0), span_s)
    _shoot(s, i, s["shot"][i] + 1.0, to_s + past_s)
    if is_permitted > 0.0:
        _close(s, i, breaker, b, to_s + past_s)
        s["close_timer_s"][i] = past_s
    else:
        s["phase"][i], s["close_timer_s"][i] = WAITING, past_s
        _wait(p, s, i, breaker, b, 0.0, to_s)


@kernel
def _wait(p, s, i, breaker, b, is_permitted, to_s):  # type: ignore[no-untyped-def]
    """Close as soon as it is permitted; the permission is one of the end of the step."""
    past_s = s["close_timer_s"][i] - p["close_wait_s"][i]
    if p["close_wait_s"][i] <= 0.0 or past_s > EPS_S:
        _lock_out(p, s, i, NOT_PERMITTED, to_s + max(past_s, 0.0))
    elif is_permitted > 0.0 and to_s == 0.0:
        _close(s, i, breaker, b, 0.0)
    elif past_s >= -EPS_S:
        _lock_out(p, s, i, NOT_PERMITTED, to_s)


@kernel
def _close(s, i, breaker, b, ago_s):  # type: ignore[no-untyped-def]
    breaker["close_coil"][b], breaker["close_ago_s"][b] = 1.0, ago_s
    _to_phase(s, i, CLOSING, ago_s)
    s["recloses"][i] += 1.0


@kernel
def _lock_out(p, s, i, reason, ago_s):  # type: ignore[no-untyped-def]
    """Enter LOCKOUT; the first reason stays."""
    if s["state"][i] == LOCKOUT:
        return
    _enter(s, i, LOCKOUT, ago_s)
    _to_phase(s, i, QUIET, ago_s)
    _shoot(s, i, max(s["shot"][i], last_shot(p, i)), ago_s)
    s["lockout_reason"][i] = reason
    s["lockouts"][i] += 1.0
    s["is_short_reset"][i] = 0.0


@kernel
def _enter(s, i, state, ago_s):  # type: ignore[no-untyped-def]
    if s["state"][i] == state:
        return
    s["state"][i], s["state_ago_s"][i] = state, ago_s
    s["is_reset"][i] = 1.0 if state == RESET else 0.0
    s["is_cycle"][i] = 1.0 if state == CYCLE else 0.0
    s["is_lockout"][i] = 1.0 if state == LOCKOUT else 0.0
    s["cycles"][i] += s["is_cycle"][i]
    s["reset_timer_s"][i] = 0.0


@kernel
def _to_phase(s, i, phase, ago_s):  # type: ignore[no-untyped-def]
    """Change the phase; its timers begin anew."""
    is_closing = 1.0 if phase == CLOSING else 0.0
    if is_closing != s["is_closing"][i]:
        s["is_closing"][i], s["closing_ago_s"][i] = is_closing, ago_s
    s["phase"][i] = phase
    s["open_timer_s"][i] = s["close_timer_s"][i] = 0.0


@kernel
def _shoot(s, i, shot, ago_s):  # type: ignore[no-untyped-def]
    """Set the shot counter."""
    if shot != s["shot"][i]:
        s["shot"][i], s["shot_ago_s"][i] = shot, ago_s
