"""cyclictest (rt-tests) as the yardstick of the loop: SCHED_FIFO, absolute sleeps, chosen CPU."""

from __future__ import annotations

import dataclasses as dc
import shutil
import subprocess
from collections.abc import Iterable

from rtcore.errors import HostError

HISTOGRAM_US = 100_000
"""Bins of 1 us; what is later than 100 ms is counted and represented by the maximum."""


@dc.dataclass(frozen=True, slots=True)
class Lateness:
    """Wake-up lateness of one run [us]."""

    p50_us: float
    p99_us: float
    p999_us: float
    max_us: float
    count: int


def is_installed() -> bool:
    """Tell whether cyclictest can be called."""
    return shutil.which("cyclictest") is not None


def run(
    seconds: float, cpu: int | None = None, *, interval_us: int = 1000, priority: int = 80, fifo: bool = True
) -> Lateness:
    """Run cyclictest for ``seconds`` and return its lateness percentiles [us].

    It holds /dev/cpu_dma_latency at 0 itself, when it may.

    Raises
    ------
    HostError
        It is not installed, or may not use SCHED_FIFO.
    """
    if not is_installed():
        raise HostError("cyclictest is not installed; Debian and Ubuntu: apt-get install rt-tests")
    loops = max(1, round(seconds * 1e6 / interval_us))
    command = [
        "cyclictest",
        "-q",
        "-t",
        "1",
        "-l",
        str(loops),
        "-i",
        str(interval_us),
        "-h",
        str(HISTOGRAM_US),
    ]
    command += ["-m", "-p", str(priority), "--policy=fifo"] if fifo else ["--policy=other"]
    command += [] if cpu is None else ["-a", str(cpu)]
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            check=False,
            timeout=seconds * 3 + 10,
            start_new_session=True,
        )
    except subprocess.TimeoutExpired:
        raise HostError(f"cyclictest did not end within {seconds * 3 + 10:.0f} s") from None
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines()
        raise HostError(
            f"cyclictest failed (exit {done.returncode}): {said[-1] if said else 'no reason given'}"
        )
    return parse(done.stdout.splitlines())


def parse(lines: Iterable[str]) -> Lateness:
    """Read the histogram that ``cyclictest -q -h N`` prints for one thread."""
    counts: list[tuple[int, int]] = []
    overflows, longest = 0, 0
    for line in lines:
        if line.startswith("# Max Latencies:"):
            longest = int(line.split()[-1])
        elif line.startswith("# Histogram Overflows:"):
            overflows = int(line.split()[-1])
        elif line[:1].isdigit():
            late_us, count = line.split()[:2]
            counts.append((int(late_us), int(count)))
    total = sum(count for _, count in counts) + overflows
    if total == 0:
        raise HostError("cyclictest printed no histogram")

    def percentile(share: float) -> float:
        seen = 0
        for late_us, count in counts:
            seen += count
            if seen >= share * total:
                return float(late_us)
        return float(longest)

    return Lateness(percentile(0.5), percentile(0.99), percentile(0.999), float(longest), total)
