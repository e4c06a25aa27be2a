"""Modbus requests per second next to libmodbus' C server, same load, alternating blocks.

The load is one C program with an epoll loop, so that the client is not the limit. Our side is
the real gateway process in front of a board of 1,400 points published at 1 kHz; the publisher
keeps running while the reference is measured, so that both share the host with the same work.
Needs gcc and libmodbus-dev.
"""

from __future__ import annotations

import contextlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from hil import segment
from hil.runspec import RunSpec
from rtcore import board as bd
from rtcore import ring as rg
from rtcore.errors import HostError
from rtcore.points import Kind, Point

CLIENTS = (1, 10, 50)
BLOCKS = 5
BLOCK_S_MIN = 0.2
N_POINTS = 1400
PUBLISH_S = 0.001
FIRST_REGISTER = 1000
HERE = Path(__file__).parent


def run(seconds: float = 15.0) -> dict[str, dict[str, float]]:
    """Measure both servers; medians of alternating blocks that take ``seconds`` in all.

    Returns
    -------
    dict
        ``clients_<n>`` -> req_s [1/s], p99_ms [ms], libmodbus_req_s [1/s] and
        ratio_to_libmodbus (median of the ratios of neighbouring blocks).
    """
    block_s = max(BLOCK_S_MIN, seconds / (len(CLIENTS) * BLOCKS * 2))
    with (
        tempfile.TemporaryDirectory(prefix="gridhil-bench-") as programs,  # /dev/shm may be noexec
        tempfile.TemporaryDirectory(prefix="gridhil-bench-", dir="/dev/shm") as run_dir,
        _plant(Path(run_dir)),
    ):
        load = _compile("modbus_load.c", Path(programs))
        reference = _compile("libmodbus_server.c", Path(programs), "-I/usr/include/modbus", "-lmodbus")
        gateway = [sys.executable, "-m", "hil.gw_modbus", str(Path(run_dir) / "spec.json")]
        with _server(gateway) as ours, _server([str(reference)]) as theirs:
            return {f"clients_{n}": _compare([str(load)], ours, theirs, n, block_s) for n in CLIENTS}


def _compare(load: list[str], ours: int, theirs: int, n: int, block_s: float) -> dict[str, float]:
    rates, p99_ms, reference_rates = [], [], []
    for _ in range(BLOCKS):
        rate, p99 = _block([*load, str(ours), "1", str(10_000 + FIRST_REGISTER), str(n), str(block_s)])
        reference_rate, _ = _block([*load, str(theirs), "1", "0", str(n), str(block_s)])
        rates.append(rate)
        p99_ms.append(p99)
        reference_rates.append(reference_rate)
    ratios = [a / b for a, b in zip(rates, reference_rates, strict=True)]
    return {
        "req_s": round(statistics.median(rates)),
        "p99_ms": round(statistics.median(p99_ms), 3),
        "libmodbus_req_s": round(statistics.median(reference_rates)),
        "ratio_to_libmodbus": round(statistics.median(ratios), 3),
    }


def _block(command: list[str]) -> tuple[float, float]:
    """Run the load once; return requests per second and the 99th percentile [ms]."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    if done.returncode:
        raise HostError(f"Modbus load failed: {done.stderr.strip()}")
    requests, taken_s, _, p99_us = map(float, done.stdout.split())
    return requests / taken_s, p99_us / 1000


def _compile(source: str, folder: Path, *options: str) -> Path:
    compiler = shutil.which("gcc")
    if compiler is None:
        raise HostError("bench modbus needs a C compiler and libmodbus (apt-get install gcc libmodbus-dev)")
    program = folder / source.removesuffix(".c")
    command = [compiler, "-O2", "-o", str(program), str(HERE / source), *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        first = (done.stderr.strip().splitlines() or ["no message"])[0]
        raise HostError(f"bench modbus: {source} does not compile (libmodbus-dev installed?): {first}")
    return program


@contextlib.contextmanager
def _server(command: list[str]) -> Iterator[int]:
    """Start a server that prints ``ready host:port``; give the port."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line.startswith("ready "):
            raise HostError(f"{command[0]} did not start (exit {process.wait(5)})")
        yield int(line.rpartition(":")[2])
    finally:
        process.terminate()
        process.wait(5)
        if process.stdout is not None:
            process.stdout.close()


@contextlib.contextmanager
def _plant(folder: Path) -> Iterator[None]:
    """Publish a board of float32 points at 1 kHz and write the run specification."""
    points = [_point(k) for k in range(N_POINTS)]
    spec = RunSpec(
        name="bench",
        station="bench",
        run_dir=folder,
        state_dir=folder,
        points=points,
        stamps=[{"unit": 1, "address": 0, "device": ""}],
        modbus={"host": "127.0.0.1", "port": 0, "units": [{"unit": 1, "name": "bench"}], "default_unit": 1},
        opcua={},
        core={},
        started_utc_ns=time.time_ns(),
    )
    spec.save()
    rg.RingPair(segment.create(spec.ring_path("modbus"), rg.PAIR_BYTES)).format()
    board = bd.Board(segment.create(spec.board_path, bd.board_bytes(N_POINTS)), N_POINTS)
    board.format(generation=1)
    board.ctl[bd.CTL_PERIOD_NS] = int(PUBLISH_S * 1e9)
    stopping = threading.Event()
    _publish(board, 0)
    publisher = threading.Thread(target=_keep_publishing, args=(board, stopping), daemon=True)
    publisher.start()
    try:
        yield
    finally:
        stopping.set()
        publisher.join()


def _keep_publishing(board: bd.Board, stopping: threading.Event) -> None:
    step = 1
    while not stopping.wait(PUBLISH_S):
        _publish(board, step)
        step += 1


def _publish(board: bd.Board, step: int) -> None:
    image = bd.blank_image(N_POINTS)
    now_ns = time.monotonic_ns()
    image.meta[bd.M_STEP], image.meta[bd.M_UTC_NS], image.meta[bd.M_MONO_NS] = step, time.time_ns(), now_ns
    image.values[:] = step % 1000
    board.publish(step, image)
    board.ctl[bd.CTL_BEAT_NS] = now_ns


def _point(k: int) -> Point:
    return Point(
        tag=f"BENCH.M{k // 6}.A{k % 6}",
        device=f"BENCH.M{k // 6}",
        template="bench",
        source="bench",
        attr=f"a{k}",
        kind=Kind.ANALOG,
        unit="",
        minimum=0.0,
        maximum=1000.0,
        deadband=0.0,
        instrument="",
        description="",
        wire={"modbus": f"1:ir:{FIRST_REGISTER + 2 * k}:float32"},
    )
