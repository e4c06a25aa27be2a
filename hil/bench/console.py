"""The operator's console on a real station: how fast it shows, how fast it follows keys, what it costs.

The console is the program itself in a terminal of 120 x 40 (a pseudo-terminal, read here), attached to
iowa240 over OPC UA. Times run from what can be seen from outside: its connection to the station, keys written
to the terminal, words drawn on it.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np

from hil.bench.cpu_time import cpu_s
from hil.bench.terminal import Terminal, terminal
from hil.console.registry import PAGES
from rtcore.errors import HostError

STATION = "iowa240"
SIZE = (120, 40)
KEYS = 110
PAUSE_S = 0.2
"""Between two keys: somebody who leafs through the screens."""
READY_S, SHOWN_S, KEY_S = 300.0, 60.0, 10.0
SETTLE_S = 5.0
ESTABLISHED = "01"
"""State of a connection in /proc/net/tcp."""
FIRST_VALUE = r"\d+\.\d+ Hz"
"""The system's frequency on the first screen, a dash before it comes."""
FIT_S = 90.0
"""The forecaster of a new station fits its models for so long, which is no part of what is measured."""


def run(seconds: float = 30.0) -> dict[str, dict[str, float]]:
    """Measure; each processor time over ``seconds``.

    Returns
    -------
    dict
        ``iowa240`` -> connect_s (start of the program to its connection), first_paint_s (connection to the
        first live value), key_p50_ms, key_p95_ms (key to the screen it leads to), cpu_pct_120x40 (of one
        core, the larger of the two screens), cpu_overview_pct, cpu_one_line_pct, opcua_cpu_points
        (percentage points of a core that gw-opcua takes more), rss_mb.
    """
    with tempfile.TemporaryDirectory(prefix="gridhil-state-") as state:
        environment = os.environ | {"XDG_STATE_HOME": state, "LC_ALL": "C.UTF-8", "TERM": "xterm-256color"}
        with _station(environment) as (url, gateway):
            time.sleep(min(FIT_S, 3.0 * seconds))
            alone_pct = _cpu_pct([gateway], seconds)[0]
            command = [sys.executable, "-P", "-m", "hil", "console", url]
            started = time.monotonic()
            with terminal(command, environment, SIZE) as screen:
                row = _measure(screen, started, url, gateway, seconds)
    row["opcua_cpu_points"] = round(row.pop("gateway_pct") - alone_pct, 1)
    return {STATION: row}


def _measure(screen: Terminal, started: float, url: str, gateway: int, seconds: float) -> dict[str, float]:
    console = screen.process.pid
    try:
        connected = _connected(url)
        painted = screen.wait_for(FIRST_VALUE, SHOWN_S)
        if painted is None:
            raise HostError("the console showed no live value")
        screen.drain(SETTLE_S)
        overview_pct, gateway_pct = _drained(screen, [console, gateway], seconds)
        latencies_ms = _leaf(screen)
        one_line = next(p for p in PAGES if p.TITLE_TEXT == "One-line")
        screen.press(one_line.KEY.encode())
        screen.drain(SETTLE_S)
        one_line_pct, gateway_2_pct = _drained(screen, [console, gateway], seconds)
        rss_mb = _rss_mb(console)
    except (EOFError, FileNotFoundError):
        raise HostError("the console ended by itself") from None
    return {
        "connect_s": round(connected - started, 2),
        "first_paint_s": round(painted - connected, 2),
        "key_p50_ms": round(float(np.percentile(latencies_ms, 50)), 1),
        "key_p95_ms": round(float(np.percentile(latencies_ms, 95)), 1),
        "cpu_pct_120x40": max(overview_pct, one_line_pct),
        "cpu_overview_pct": overview_pct,
        "cpu_one_line_pct": one_line_pct,
        "gateway_pct": max(gateway_pct, gateway_2_pct),
        "rss_mb": round(rss_mb, 1),
    }


def _connected(url: str) -> float:
    """Return when the station has a connection: it is new, and only the console knows of it."""
    remote, deadline = f":{urlsplit(url).port:04X}", time.monotonic() + SHOWN_S
    while time.monotonic() < deadline:
        for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[2].endswith(remote) and fields[3] == ESTABLISHED:
                return time.monotonic()
        time.sleep(0.005)
    raise HostError("the console did not connect")


def _leaf(screen: Terminal) -> list[float]:
    """Leaf through the screens; return the time from each key to its screen [ms]."""
    found = []
    order = itertools.islice(itertools.cycle((*PAGES[1:], PAGES[0])), KEYS)
    for page in order:
        screen.drain(PAUSE_S)
        pressed = time.monotonic()
        screen.press(page.KEY.encode())
        shown = screen.wait_for(re.escape(f" {page.TITLE_TEXT}  "), KEY_S)
        if shown is None:
            raise HostError(f"the screen {page.TITLE_TEXT!r} did not come")
        found.append(1e3 * (shown - pressed))
    return found


def _drained(screen: Terminal, processes: list[int], seconds: float) -> list[float]:
    """Return the processor time of some processes while the console draws [% of one core]."""

    def drain() -> None:
        with contextlib.suppress(EOFError):  # its processor time cannot be read either then
            screen.drain(seconds)

    reader = threading.Thread(target=drain, daemon=True)
    reader.start()
    found = _cpu_pct(processes, seconds)
    reader.join(seconds + 5.0)
    return found


def _cpu_pct(processes: list[int], seconds: float) -> list[float]:
    before, started = [cpu_s(p) for p in processes], time.monotonic()
    time.sleep(seconds)
    wall_s = time.monotonic() - started
    return [round(100.0 * (cpu_s(p) - b) / wall_s, 1) for p, b in zip(processes, before, strict=True)]


def _rss_mb(pid: int) -> float:
    """Resident memory of a process [MB]."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


@contextlib.contextmanager
def _station(environment: Mapping[str, str]) -> Iterator[tuple[str, int]]:
    """Run the station; yield its address and the process of its OPC UA server."""
    command = [sys.executable, "-P", "-m", "hil", "run", STATION, "--modbus-port", "0", "--opcua-port", "0"]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield _ready(process)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(10)


def _ready(process: subprocess.Popen[str]) -> tuple[str, int]:
    assert process.stdout is not None
    url, deadline = "", time.monotonic() + READY_S
    for line in process.stdout:
        if found := re.search(r"opcua: ready .* (opc\.tcp://\S+)$", line):
            url = found[1]
        if url and line.startswith("ready after"):
            threading.Thread(target=_discard, args=(process,), daemon=True).start()
            return url, _child(process.pid, b"hil.gw_opcua")
        if time.monotonic() > deadline:
            break
    raise HostError("the station did not start; 'gridhil run' says why")


def _child(parent: int, module: bytes) -> int:
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    return next(int(c) for c in children if module in Path(f"/proc/{c}/cmdline").read_bytes().split(b"\0"))


def _discard(process: subprocess.Popen[str]) -> None:
    """Read what the station says, so that it is never held up."""
    assert process.stdout is not None
    for _ in process.stdout:
        pass
