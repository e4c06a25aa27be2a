"""From ``gridhil run`` to the first answer on both protocols: warm kernel cache, and cold."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from asyncua import Client, ua

from rtcore.errors import HostError

READ_STEP = struct.pack(">HHHBBHH", 1, 0, 6, 1, 4, 0, 6)
"""FC 4 of the substation's stamp block."""
OPCUA_VALUE = "ns=2;s=SUB.T1.P"
ANSWER_S, RETRY_S = 300.0, 0.01
"""A server may be ready long before the core has compiled its kernels [s]."""


def run(seconds: float = 0.0, *, cold: bool = True) -> dict[str, Any]:
    """Start iowa240 with the kernel cache as it is, then with an empty one.

    Returns
    -------
    dict
        warm_s, cold_s (None when not asked for), rss_mb of all processes, both protocols
        answering; modbus_s and opcua_s of the warm start.
    """
    start_once(None)  # makes sure that the cache is warm
    warm = start_once(None)
    with tempfile.TemporaryDirectory(prefix="gridhil-cold-") as empty:
        cold_s = start_once(Path(empty))["seconds"] if cold else None
    return {
        "warm_s": warm["seconds"],
        "cold_s": cold_s,
        "rss_mb": warm["rss_mb"],
        "modbus_s": warm["modbus_s"],
        "opcua_s": warm["opcua_s"],
    }


def start_once(cache: Path | None) -> dict[str, float]:
    """Start a station on free ports, wait for an answer on both protocols, stop it."""
    environment = dict(os.environ)
    with tempfile.TemporaryDirectory(prefix="gridhil-state-") as state:
        if cache is not None:
            environment |= {"NUMBA_CACHE_DIR": str(cache), "GRIDHIL_CACHE_READY": "1"}
        environment["XDG_STATE_HOME"] = state
        started = time.monotonic()
        command = [sys.executable, "-m", "hil", "run", "--modbus-port", "0", "--opcua-port", "0"]
        process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
        try:
            return _first_answers(process, started)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(10)


def _first_answers(process: subprocess.Popen[str], started: float) -> dict[str, float]:
    """Wait for values on both protocols, each asked from the moment its server is there."""
    assert process.stdout is not None
    modbus_s = opcua_s = 0.0
    for line in process.stdout:
        if found := re.search(r"modbus: ready .* \S+:(\d+)$", line):
            modbus_answers(int(found[1]))
            modbus_s = time.monotonic() - started
        elif found := re.search(r"opcua: ready .* (opc\.tcp://\S+)$", line):
            opcua_answers(found[1])
            opcua_s = time.monotonic() - started
        if modbus_s and opcua_s:
            return {
                "seconds": max(modbus_s, opcua_s),
                "modbus_s": modbus_s,
                "opcua_s": opcua_s,
                "rss_mb": _tree_rss_mb(process.pid),
            }
    raise HostError("the station ended before both protocols answered; 'gridhil run' says why")


def modbus_answers(port: int, within_s: float = ANSWER_S) -> None:
    """Ask until the answer holds data: before the first step a server can only refuse."""

    def ask() -> bool:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as link:
            link.sendall(READ_STEP)
            return link.recv(256)[7:8] == READ_STEP[7:8]

    _until(ask, "Modbus", within_s)


def opcua_answers(url: str, within_s: float = ANSWER_S) -> None:
    """Ask for one value through a session until it is good."""

    async def ask() -> bool:
        async with Client(url, timeout=5) as client:
            found = await client.get_node(OPCUA_VALUE).read_data_value(raise_on_bad_status=False)
            return found.StatusCode is not None and found.StatusCode.is_good()

    _until(lambda: asyncio.run(ask()), "OPC UA", within_s)


def _until(answers: Callable[[], bool], what: str, within_s: float) -> None:
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError, asyncio.TimeoutError, asyncio.CancelledError, ua.UaError):
            if answers():
                return
        time.sleep(RETRY_S)
    raise HostError(f"{what}: no data within {within_s:g} s after the server was ready")


def _tree_rss_mb(root: int) -> float:
    """Memory of a process and its descendants, shared pages split among their users (PSS) [MB]."""
    pids, queue = [], [root]
    while queue:
        pid = queue.pop()
        pids.append(pid)
        children = Path(f"/proc/{pid}/task/{pid}/children")
        queue += [int(c) for c in children.read_text().split()] if children.exists() else []
    rows = [Path(f"/proc/{p}/smaps_rollup").read_text().splitlines() for p in pids]
    kb = sum(int(line.split()[1]) for row in rows for line in row if line.startswith("Pss:"))
    return round(kb * 1024 / 1e6, 1)
