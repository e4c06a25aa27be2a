"""OPC UA: what 1,000 monitored items at 100 ms cost the gateway, and how late they arrive.

The server is the real gateway process in front of a board of 1,400 points that is published
every 10 ms with all values changed. The client is asyncua's, in a process of its own, reading
whole publish responses (``protocols.opcua_probe``): the cheapest client at hand that decodes
every value. Processor time is the gateway process's own, all threads, over the watched time.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from hil import segment
from hil.bench.cpu_time import cpu_s
from hil.runspec import RunSpec
from protocols.opcua_probe import watch
from rtcore import board as bd
from rtcore import ring as rg
from rtcore.errors import HostError
from rtcore.points import Kind, Point

N_POINTS = 1400
N_ITEMS = 1000
INTERVAL_MS = 100.0
PUBLISH_S = 0.01
CLIENT_EXTRA_S = 60.0


def run(seconds: float = 10.0) -> dict[str, dict[str, float]]:
    """Measure for ``seconds``.

    Returns
    -------
    dict
        ``items_1000_100ms`` -> core_pct (gateway's share of one core [%]), lag_p99_ms and
        lag_max_ms (source time stamp to the client), missed (values that never came),
        values_s [1/s], start_s (process start to "ready" [s]), client.
    """
    with tempfile.TemporaryDirectory(prefix="gridhil-bench-", dir="/dev/shm") as name:
        spec_path = _make_station(Path(name))
        with _plant(spec_path), _gateway(spec_path) as (pid, url, start_s):
            return {"items_1000_100ms": _measure(pid, url, seconds) | {"start_s": start_s}}


def _measure(pid: int, url: str, seconds: float) -> dict[str, float]:
    command = [sys.executable, "-m", "hil.bench.opcua", "--client", url, str(seconds)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as client:
        assert client.stdout is not None
        if client.stdout.readline().strip() != "watching":
            raise HostError("the measuring client did not start")
        before, started = cpu_s(pid), time.monotonic()
        time.sleep(seconds)
        core_pct = 100.0 * (cpu_s(pid) - before) / (time.monotonic() - started)
        answer, _ = client.communicate(timeout=CLIENT_EXTRA_S)
    if client.returncode != 0:
        raise HostError("the measuring client failed")
    row: dict[str, float] = json.loads(answer)
    return {"core_pct": round(core_pct, 1)} | row


def _client(url: str, seconds: float) -> None:
    """Watch and print the result; the client process's part."""
    node_ids = [f"ns=2;s=BENCH.D{i // 10}.V{i % 10}" for i in range(N_ITEMS)]

    def say() -> None:
        sys.stdout.write("watching\n")
        sys.stdout.flush()

    seen = asyncio.run(watch(url, node_ids, INTERVAL_MS, seconds, say))
    lag = np.array(seen.lag_ms)
    row = {
        "lag_p50_ms": round(float(np.percentile(lag, 50)), 1),
        "lag_p99_ms": round(float(np.percentile(lag, 99)), 1),
        "lag_max_ms": round(float(lag.max()), 1),
        "missed": seen.n_missed,
        "values_s": round(len(seen.lag_ms) / seen.seconds),
        "client": "asyncua, own process",
    }
    sys.stdout.write(json.dumps(row) + "\n")


def _make_station(directory: Path) -> Path:
    points = [
        Point(
            tag=f"BENCH.D{i // 10}.V{i % 10}",
            device=f"BENCH.D{i // 10}",
            template="meter",
            source=f"load_{i}",
            attr="v",
            kind=Kind.ANALOG,
            unit="V",
            minimum=0.0,
            maximum=10_000.0,
            deadband=0.1,
            instrument="",
            description="voltage",
            wire={},
        )
        for i in range(N_POINTS)
    ]
    spec = RunSpec(
        name="bench",
        station="bench",
        run_dir=directory,
        state_dir=directory / "state",
        points=points,
        stamps=[],
        modbus={},
        opcua={"host": "127.0.0.1", "port": 0},
        core={},
        started_utc_ns=time.time_ns(),
    )
    return spec.save()


@contextlib.contextmanager
def _plant(spec_path: Path) -> Iterator[None]:
    """Publish a board whose every value changes at every step, from a thread."""
    spec = RunSpec.load(spec_path)
    board = bd.Board(segment.create(spec.board_path, bd.board_bytes(N_POINTS)), N_POINTS)
    board.format(generation=1)
    board.ctl[bd.CTL_PERIOD_NS] = int(PUBLISH_S * 1e9)
    pair = rg.RingPair(segment.create(spec.ring_path("opcua"), rg.PAIR_BYTES))
    segment.create(spec.events_path, rg.EVENT_BYTES)
    pair.format()
    stop = threading.Event()

    def publish() -> None:
        image = bd.blank_image(N_POINTS)
        step = 0
        while True:
            image.meta[bd.M_STEP] = step
            image.meta[bd.M_UTC_NS] = time.time_ns()
            image.values[:] = 2400.0 + step % 1000
            board.publish(step, image)
            board.ctl[bd.CTL_BEAT_NS] = time.monotonic_ns()
            step += 1
            if stop.wait(PUBLISH_S):
                return

    thread = threading.Thread(target=publish, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


@contextlib.contextmanager
def _gateway(spec_path: Path) -> Iterator[tuple[int, str, float]]:
    """Run the gateway process; yield its pid, URL and start-up time [s]."""
    started = time.monotonic()
    command = [sys.executable, "-m", "hil.gw_opcua", str(spec_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            for line in process.stdout:
                if line.startswith("ready "):
                    yield process.pid, line.split()[1], round(time.monotonic() - started, 2)
                    return
            raise HostError("the OPC UA gateway did not start")
        finally:
            process.terminate()


if __name__ == "__main__":
    if sys.argv[1:2] == ["--client"]:
        _client(sys.argv[2], float(sys.argv[3]))
    else:
        sys.stdout.write(json.dumps(run(), indent=1) + "\n")
