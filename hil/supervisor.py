"""Starts the processes of a station in order, watches them, restarts gateways, stops everything.

The standard library alone: it computes nothing, so that nothing it imports can take it down.
It is single-threaded: one loop watches the children, drains their output and calls the
caller's tick. A child talks back by one line beginning with "ready" on its standard output and,
if it has one, by the heartbeat in its status file (``hil.gateway_status``).
"""

from __future__ import annotations

import contextlib
import ctypes
import dataclasses as dc
import os
import select
import signal
import struct
import subprocess
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any

WATCH_S = 0.05
"""A death is seen at once where the kernel has pidfds, at the latest after this time [s]."""
STOP_KILL_S = 1.2
"""What has not gone this long after SIGTERM is killed [s]; a whole stop takes less than 2 s."""
CORE_LINGER_S = 2.0
"""How long gateways go on after the core's death, so that masters see Bad quality [s]."""
CRASH_LOOP_DEATHS, CRASH_LOOP_S, RETRY_S = 5, 10.0, 2.0
"""After 5 deaths within 10 s the next start waits 2 s; before that it is immediate. A process that
served and was killed from outside is not counted: it can run, and masters wait for it."""
LOG_BYTES_MAX = 4_000_000
"""A log beyond this size is put aside as ``.old`` when its process first starts."""
EXIT_HOST = 3
SERVING = 2
SILENT_S = 1.0
"""A heartbeat older than this is told, long before it counts as hung [s]."""
ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"}

_HEARTBEAT = struct.Struct("<qq")  # beat_ns (CLOCK_MONOTONIC), state; see hil.gateway_status
_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_PR_SET_PDEATHSIG = 1


@dc.dataclass
class ProcessSpec:
    """One process of the station."""

    name: str
    argv: list[str]
    env: dict[str, str]
    """Added to the supervisor's own environment."""
    ready_timeout_s: float
    restart: bool
    """True for gateways; a process with False (the core) ends the run when it dies."""
    status_path: str | None
    hang_s: float
    """A heartbeat older than this while serving means hung [s]."""
    log_path: str
    beat_at: int | None = None
    """Where in the status file a bare heartbeat stands [bytes]; None: a gateway's status, beat and state."""
    silent_s: float = SILENT_S
    """A heartbeat older than this is told as silence [s]."""


class StartError(Exception):
    """A process ended, or said nothing, before it was ready; everything is stopped already."""

    def __init__(self, name: str, text: str, exit_code: int) -> None:
        super().__init__(text)
        self.name = name
        self.exit_code = exit_code


def die_with_parent() -> None:
    """Let the kernel kill this process when its parent dies (for children, at their start).

    The signal comes when the *thread* that started the child ends; the supervisor therefore
    starts every child from the thread that runs it.
    """
    parent = os.getppid()
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:  # it died before the call
        os.kill(os.getpid(), signal.SIGKILL)


class _Child:
    """One running process: its output, its readiness, its heartbeat."""

    def __init__(self, spec: ProcessSpec) -> None:
        self.spec = spec
        self.started_ns = time.monotonic_ns()
        self.ready_text: str | None = None
        self.ready_s = 0.0
        self.log = os.open(spec.log_path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self.log_start = os.fstat(self.log).st_size
        try:
            self.process = subprocess.Popen(
                spec.argv,
                env=os.environ | ONE_THREAD | spec.env,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=self.log,
                bufsize=0,
                start_new_session=True,  # Ctrl-C on the terminal is the supervisor's alone
            )
        except OSError:
            os.close(self.log)
            raise
        assert self.process.stdout is not None
        self.out = self.process.stdout.fileno()
        os.set_blocking(self.out, False)
        self.out_is_open = True
        self.pidfd = -1
        with contextlib.suppress(OSError):  # kernels before 5.3: the loop's period is enough
            self.pidfd = os.pidfd_open(self.process.pid)
        self._partial = b""

    @property
    def pid(self) -> int:
        return self.process.pid

    def age_s(self) -> float:
        return (time.monotonic_ns() - self.started_ns) / 1e9

    def drain(self) -> None:
        """Copy what the child printed to its log; notice the ready line."""
        while self.out_is_open:
            try:
                data = os.read(self.out, 65536)
            except BlockingIOError:
                return
            except OSError:
                data = b""
            if not data:
                self.out_is_open = False
            *lines, self._partial = (self._partial + data).split(b"\n")
            for line in lines:
                self._take(line)
            if len(self._partial) > 65536 or (self._partial and not self.out_is_open):
                self._take(self._partial)
                self._partial = b""

    def _take(self, line: bytes) -> None:
        if self.ready_text is None and line.startswith(b"ready"):
            self.ready_text = line[len(b"ready") :].decode(errors="replace").strip()
            self.ready_s = self.age_s()
        with contextlib.suppress(OSError):  # a full disk must not end the run
            os.write(self.log, b"out: " + line + b"\n")

    def exit_status(self) -> int | None:
        """Return the exit code (negative: signal), None while it runs; does not reap it."""
        if self.process.returncode is not None:
            return self.process.returncode
        info = os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        if info is None:
            return None
        return info.si_status if info.si_code == os.CLD_EXITED else -info.si_status

    def beat_age_s(self) -> float | None:
        """Return the heartbeat's age while serving [s]; None when there is nothing to judge."""
        if self.spec.status_path is None:
            return None
        try:
            with Path(self.spec.status_path).open("rb") as file:
                file.seek(self.spec.beat_at or 0)
                beat_ns, state = _HEARTBEAT.unpack(file.read(_HEARTBEAT.size))
        except (OSError, struct.error):
            return None
        if beat_ns < self.started_ns:  # no beat yet, or the file of its predecessor
            return None
        if self.spec.beat_at is None and state != SERVING:
            return None
        return float(time.monotonic_ns() - beat_ns) / 1e9

    def send(self, number: signal.Signals) -> None:
        if self.exit_status() is None:
            with contextlib.suppress(ProcessLookupError):
                self.process.send_signal(number)

    def reap(self) -> None:
        """Kill what is left of the child's session, collect the child, close everything."""
        # Before wait(): a zombie leader keeps its process group id from being given to others.
        if self.process.returncode is None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, signal.SIGKILL)
        self.process.wait()
        self.drain()
        assert self.process.stdout is not None
        self.process.stdout.close()
        self.out_is_open = False
        if self.pidfd >= 0:
            os.close(self.pidfd)
            self.pidfd = -1
        os.close(self.log)

    def last_error_line(self) -> str:
        """Return the last line this process (not a predecessor) wrote to standard error."""
        path = Path(self.spec.log_path)
        with path.open("rb") as file:
            file.seek(max(self.log_start, path.stat().st_size - 65536))
            lines = file.read().decode(errors="replace").splitlines()
        return next((x.strip() for x in reversed(lines) if x.strip() and not x.startswith("out: ")), "")


class Supervisor:
    """Owner of a station's processes.

    Parameters
    ----------
    specs : list of ProcessSpec
        In start order; they are stopped in reverse order.
    on_event : callable
        ``on_event(process name, text)``: starts, deaths, restarts.
    """

    def __init__(
        self, specs: list[ProcessSpec], on_event: Callable[[str, str], None] = lambda _name, _text: None
    ) -> None:
        self.specs = specs
        self.ready_text: dict[str, str] = {}
        self.restarts = {spec.name: 0 for spec in specs}
        self.stop_requested = False
        self.stop_signal: int | None = None
        """The signal that asked to stop, if one did."""
        self.why_ended = ""
        """Why a process that is not restarted ended; empty as long as none did."""
        self._on_event = on_event
        self._children: dict[str, _Child] = {}
        self._deaths: dict[str, deque[float]] = {s.name: deque(maxlen=CRASH_LOOP_DEATHS) for s in specs}
        self._start_at: dict[str, float] = {}  # monotonic time at which a dead one is started again
        self._is_starting: set[str] = set()  # restarted, not ready yet
        self._is_silent: set[str] = set()
        self._handlers: dict[int, Any] = {}
        self._watched_s = time.monotonic()

    def __enter__(self) -> Supervisor:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, e: BaseException | None, tb: TracebackType | None
    ) -> None:
        self.stop()

    def pids(self) -> dict[str, int]:
        """Return the process ids of what runs now."""
        return {name: child.pid for name, child in self._children.items()}

    # ---- start ----------------------------------------------------------------------------

    def start(self) -> bool:
        """Start every process in order, then wait until each is ready.

        Takes SIGINT, SIGTERM and SIGHUP over until `stop`.

        Returns
        -------
        bool
            False when a signal asked to stop meanwhile; everything is stopped then.

        Raises
        ------
        StartError
            A process did not become ready; everything is stopped, ``exit_code`` says how to end.
        """
        self._take_signals()
        try:
            for spec in self.specs:
                self._spawn(spec)
            for spec in self.specs:
                if not self._await_ready(spec):
                    self.stop()
                    return False
        except BaseException:
            self.stop()
            raise
        self._watched_s = time.monotonic()
        return True

    def _spawn(self, spec: ProcessSpec) -> None:
        log = Path(spec.log_path)
        if log.exists() and log.stat().st_size > LOG_BYTES_MAX:
            log.replace(log.with_name(log.name + ".old"))
        try:
            child = self._children[spec.name] = _Child(spec)
        except OSError as error:
            raise StartError(spec.name, f"{spec.name} cannot be started: {error}", EXIT_HOST) from None
        self._on_event(spec.name, f"starting, pid {child.pid}")

    def _await_ready(self, spec: ProcessSpec) -> bool:
        child = self._children[spec.name]
        while child.ready_text is None:
            if self.stop_requested:
                return False
            status = child.exit_status()  # before drain: what it said last is then already in the pipe
            for other in self._children.values():
                other.drain()
            if child.ready_text is not None:
                break
            if status is not None:
                raise self._start_error(child, status)
            if child.age_s() > spec.ready_timeout_s:
                text = f"{spec.name} was not ready after {spec.ready_timeout_s:g} s; see {spec.log_path}"
                raise StartError(spec.name, text, 1)
            self._check_others_live(spec)
            self._wait(WATCH_S)
        self._note_ready(child)
        return True

    def _start_error(self, child: _Child, status: int) -> StartError:
        child.reap()
        del self._children[child.spec.name]
        said = child.last_error_line()
        name = child.spec.name
        if status == EXIT_HOST:
            return StartError(name, said or f"{name}: this host cannot run it", EXIT_HOST)
        text = f"{name} {_how_it_ended(status)} while starting" + (f": {said}" if said else "")
        return StartError(name, f"{text}; see {child.spec.log_path}", 1)

    def _check_others_live(self, starting: ProcessSpec) -> None:
        """A process that dies while another one starts ends the start as well."""
        for name, child in list(self._children.items()):
            if name != starting.name and (status := child.exit_status()) is not None:
                raise self._start_error(child, status)

    def _note_ready(self, child: _Child) -> None:
        name = child.spec.name
        self.ready_text[name] = child.ready_text or ""
        self._is_starting.discard(name)
        self._on_event(name, f"ready after {child.ready_s:.2f} s {child.ready_text or ''}".rstrip())

    # ---- run ------------------------------------------------------------------------------

    def run(self, until: Callable[[], bool], tick: Callable[[], None], tick_s: float) -> int:
        """Watch the processes until ``until()`` is true or a signal comes; then stop everything.

        Parameters
        ----------
        until : callable
            Asked at least every 50 ms.
        tick : callable
            Called every ``tick_s`` seconds; must be short, nothing is watched meanwhile.

        Returns
        -------
        int
            0 when it ended as asked, 1 when a process that is not restarted died.
        """
        ends_at, next_tick = None, time.monotonic()
        try:
            while not self.stop_requested and not until():
                now = time.monotonic()
                if ends_at is not None and now >= ends_at:
                    break
                if self._watch(now, restart=ends_at is None) and ends_at is None:
                    ends_at = now + CORE_LINGER_S
                if now >= next_tick:
                    tick()
                    next_tick = max(next_tick + tick_s, now)
                self._wait(max(0.0, min(WATCH_S, next_tick - time.monotonic())))
        finally:
            self.stop()
        return 0 if ends_at is None else 1

    def _watch(self, now: float, *, restart: bool) -> bool:
        """Look at every process once; return True when one that is not restarted has died."""
        # If this process itself was held up (a frozen host), heartbeats are old for the same reason.
        was_held_up, self._watched_s = now - self._watched_s > 1.0, now
        is_over = False
        for name, child in list(self._children.items()):
            child.drain()
            status = child.exit_status()
            if status is None:
                if name in self._is_starting and child.ready_text is not None:
                    self._note_ready(child)
                why = None if was_held_up else self._stuck(child)
                if why is None:
                    continue
                self._on_event(name, f"{why}; killed")
                if not child.spec.restart:
                    self.why_ended = f"{name} {why}"
                child.send(signal.SIGKILL)
                os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
                status = -int(signal.SIGKILL)
            is_over |= self._bury(child, status, now)
        for name, at in list(self._start_at.items()):
            if restart and now >= at:
                self._restart(name)
        return is_over

    def _stuck(self, child: _Child) -> str | None:
        """Return why a living process counts as hung, None when it is well."""
        if child.spec.name in self._is_starting:
            if child.age_s() > child.spec.ready_timeout_s:
                return f"not ready after {child.spec.ready_timeout_s:g} s"
            return None
        age_s = child.beat_age_s()
        self._note_silence(child, age_s)
        if age_s is not None and age_s > child.spec.hang_s:
            return f"hung, no heartbeat for {age_s:.1f} s"
        return None

    def _note_silence(self, child: _Child, age_s: float | None) -> None:
        """Tell once that a process has fallen silent, and once that it is back."""
        name = child.spec.name
        is_silent = age_s is not None and age_s > child.spec.silent_s
        if is_silent and name not in self._is_silent:
            self._is_silent.add(name)
            left_s = max(child.spec.hang_s - (age_s or 0.0), 0.0)
            self._on_event(name, f"silent for {age_s:.1f} s, killed in {left_s:.0f} s unless it comes back")
        elif not is_silent and name in self._is_silent:
            self._is_silent.discard(name)
            self._on_event(name, "no longer silent")

    def _bury(self, child: _Child, status: int, now: float) -> bool:
        """Collect a dead process and plan its restart; return True when it has none."""
        name = child.spec.name
        self._is_silent.discard(name)
        child.reap()
        del self._children[name]
        said = child.last_error_line() if status > 0 else ""
        text = f"{_how_it_ended(status)} after {child.age_s():.1f} s" + (f": {said}" if said else "")
        if not child.spec.restart:
            self.why_ended = self.why_ended or f"{name} {text}"
            self._on_event(name, f"{text}; the run ends in {CORE_LINGER_S:g} s, see {child.spec.log_path}")
            return True
        was_killed = status < 0 and child.ready_text is not None
        self._plan_restart(name, text, now, was_killed=was_killed)
        return False

    def _plan_restart(self, name: str, text: str, now: float, *, was_killed: bool = False) -> None:
        deaths = self._deaths[name]
        if not was_killed:
            deaths.append(now)
        is_crash_loop = len(deaths) == CRASH_LOOP_DEATHS and now - deaths[0] < CRASH_LOOP_S
        self._start_at[name] = now + RETRY_S if is_crash_loop else now
        when = f"starting again in {RETRY_S:g} s" if is_crash_loop else "starting again"
        self._on_event(name, f"{text}; {when}")

    def _restart(self, name: str) -> None:
        del self._start_at[name]
        spec = next(s for s in self.specs if s.name == name)
        self.restarts[name] += 1
        try:
            self._children[name] = _Child(spec)
        except OSError as error:
            self._plan_restart(name, f"cannot be started: {error}", time.monotonic())
            return
        self._is_starting.add(name)

    def _wait(self, timeout_s: float) -> None:
        """Sleep until a child says something or ends, at most ``timeout_s``."""
        poller = select.poll()
        for child in self._children.values():
            if child.out_is_open:
                poller.register(child.out, select.POLLIN)
            if child.pidfd >= 0:
                poller.register(child.pidfd, select.POLLIN)
        poller.poll(timeout_s * 1000)

    # ---- stop -----------------------------------------------------------------------------

    def stop(self) -> None:
        """Stop everything in reverse order, in less than 2 s; may be called again."""
        children = list(reversed(self._children.values()))
        deadline = time.monotonic() + STOP_KILL_S
        for child in children:
            child.send(signal.SIGTERM)
        while time.monotonic() < deadline and any(c.exit_status() is None for c in children):
            for child in children:
                child.drain()
            time.sleep(0.01)
        for child in children:
            if child.exit_status() is None:
                self._on_event(child.spec.name, f"did not stop within {STOP_KILL_S:g} s; killed")
                child.send(signal.SIGKILL)
            child.reap()
            del self._children[child.spec.name]
        self._start_at.clear()
        self._is_starting.clear()
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        self._handlers.clear()

    def request_stop(self) -> None:
        """Ask `start` or `run` to end; safe from a signal handler."""
        self.stop_requested = True

    def _take_signals(self) -> None:
        def note(number: int, _frame: FrameType | None) -> None:
            self.stop_requested = True
            self.stop_signal = self.stop_signal or number

        for number in _STOP_SIGNALS:
            self._handlers[number] = signal.signal(number, note)


def _how_it_ended(status: int) -> str:
    if status >= 0:
        return f"ended with exit code {status}"
    try:
        return f"was killed by {signal.Signals(-status).name}"
    except ValueError:
        return f"was killed by signal {-status}"
