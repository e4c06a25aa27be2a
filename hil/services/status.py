"""What is no point of a station: its processes, commands, the loop's timing, the recorder, attacks."""

from __future__ import annotations

import json
import math
import os
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hil import gateway_status
from hil.gateway_status import SERVING
from hil.recorder import status as recorder_status
from hil.runspec import RunSpec
from hil.services.attacks import ActiveAttacks
from hil.services.commands import NewestCommands
from protocols.duration_histogram import BINS, upper_edge_ns
from rtcore import overruns as ov
from rtcore.board import CTL_BEAT_NS, CTL_MODE, FLAG_SLIPPED, Board

GATEWAYS = ("tamper", "modbus", "opcua", "device", "estimator", "forecaster", "dispatcher")
"""Processes with a ``hil.gateway_status``, in the order in which they start."""
SILENT_S, THINKING_S = 1.5, 15.0
THINKERS = ("estimator", "forecaster", "dispatcher")
"""Processes that may think longer than others."""
OVERRUNS_SHOWN = 8
NOT_SEEN = "not seen one by one"
COUNTERS = ("pid", "clients", "requests", "refused", "commands", "errors")


class StatusReader:
    """Reads it all anew for every question; blocks on small files.

    Parameters
    ----------
    board : Board
        The core's own, also where masters are shown another.
    """

    def __init__(self, spec: RunSpec, board: Board) -> None:
        self._spec, self._board = spec, board
        self._commands = NewestCommands(spec)
        self._attacks = ActiveAttacks(spec)
        self._causes: Counter[str] = Counter()
        self._n_overruns = 0
        self._core_pid = 0

    def read(self, sessions: Sequence[dict[str, Any]]) -> str:
        """Return the status as JSON."""
        processes = self._processes()
        modbus = next((p for p in processes if p["name"] == "modbus"), None)
        row = {
            "utc_ns": time.time_ns(),
            "mono_ns": time.monotonic_ns(),
            "processes": processes,
            "sessions": list(sessions),
            "modbus_clients": 0 if modbus is None else modbus["clients"],
            "commands": self._commands.rows(),
            "recorder": self._recorder(),
            "loop": self._loop(),
            "attack": self._attacks.read(),
        }
        return json.dumps(row, separators=(",", ":"))

    # ---- processes

    def _processes(self) -> list[dict[str, Any]]:
        rows = [self._core()]
        rows += [self._gateway(name) for name in GATEWAYS if self._is_wanted(name)]
        if self._spec.recorder:
            found = recorder_status.read(self._spec.gateway_path("recorder"))
            rows.append(_process("recorder", found))
        return rows

    def _is_wanted(self, name: str) -> bool:
        spec = self._spec
        if name in spec.published or spec.gateway_path(name).exists():
            return True
        return {"tamper": bool(spec.attack), "device": bool(spec.device)}.get(name, False)

    def _gateway(self, name: str) -> dict[str, Any]:
        return _process(name, gateway_status.read(self._spec.gateway_path(name)))

    def _core(self) -> dict[str, Any]:
        beat_ns = int(self._board.ctl[CTL_BEAT_NS])
        if not _is_running(self._core_pid):
            self._core_pid = _sibling("hil.core_process")
        row = _process("core", {"beat_ns": beat_ns, "state": SERVING, "pid": self._core_pid})
        if self._board.published < 0:
            return row | {"state": "starting"}
        return row if self._core_pid or row["state"] != "gone" else row | {"state": "silent"}

    # ---- loop

    def _loop(self) -> dict[str, Any]:
        stats = self._board.stats
        counts = np.array(stats[ov.S_LATE : ov.S_LATE + BINS])
        (used,) = counts.nonzero()
        n = int(used[-1]) + 1 if len(used) else 0
        rows = self._overruns()
        snapshot = self._board.read()
        return {
            "lateness_us": {
                "edges": [upper_edge_ns(b) / 1e3 for b in range(n)],
                "counts": counts[:n].tolist(),
            },
            "overruns_by_cause": dict(self._causes),
            "last_overruns": rows[::-1],
            "mode": "real time" if int(self._board.ctl[CTL_MODE]) == 1 else "best effort",
            "slipped": snapshot is not None and bool(snapshot.flags & FLAG_SLIPPED),
        }

    def _overruns(self) -> list[dict[str, Any]]:
        """Count the overruns since the last look by their cause; return the latest ones, oldest first."""
        stats = self._board.stats
        total = int(stats[ov.S_N_OVERRUN])
        first = max(self._n_overruns, total - ov.OVERRUN_ROWS)
        if first > self._n_overruns:
            self._causes[NOT_SEEN] += first - self._n_overruns
        for k in range(first, total):
            self._causes[_overrun(stats, k)["cause"]] += 1
        self._n_overruns = total
        return [_overrun(stats, k) for k in range(max(0, total - OVERRUNS_SHOWN), total)]

    def _recorder(self) -> dict[str, Any] | None:
        if not self._spec.recorder:
            return None
        found = recorder_status.read(self._spec.gateway_path("recorder"))
        if found is None:
            return None
        return found | {"disk": recorder_status.DISK[found["disk"]]}


def _overrun(stats: Any, k: int) -> dict[str, Any]:
    at = ov.S_OVERRUN + k % ov.OVERRUN_ROWS * ov.OVERRUN_WORDS
    row = stats[at : at + ov.OVERRUN_WORDS].tolist()
    return {
        "step": row[ov.O_STEP],
        "late_us": row[ov.O_LATE_NS] / 1e3,
        "exec_us": row[ov.O_EXEC_NS] / 1e3,
        "cause": ov.CAUSE_TEXT.get(row[ov.O_CAUSE], "unknown"),
    }


def _process(name: str, found: dict[str, int] | None) -> dict[str, Any]:
    if found is None:
        return {"name": name, "state": "starting", **dict.fromkeys(COUNTERS, 0), "beat_age_s": None}
    beat_ns = found.get("beat_ns", 0)
    age_s = (time.monotonic_ns() - beat_ns) / 1e9 if beat_ns else math.inf
    return {
        "name": name,
        "state": _state(name, found, age_s),
        **{key: found.get(key, 0) for key in COUNTERS},
        "beat_age_s": round(age_s, 3) if math.isfinite(age_s) else None,
    }


def _state(name: str, found: dict[str, int], age_s: float) -> str:
    patience_s = THINKING_S if name in THINKERS else SILENT_S
    if age_s > patience_s:
        return "silent" if _is_running(found.get("pid", 0)) else "gone"
    return "serving" if found.get("state") == SERVING else "starting"


def _is_running(pid: int) -> bool:
    return pid > 0 and Path(f"/proc/{pid}").exists()


def _sibling(module: str) -> int:
    """Return the process id of another child of our parent, by its module; 0 where none is found."""
    parent = os.getppid()
    try:
        children = Path(f"/proc/{parent}/task/{parent}/children").read_text(encoding="ascii").split()
        for child in children:
            if module.encode() in Path(f"/proc/{child}/cmdline").read_bytes().split(b"\0"):
                return int(child)
    except OSError:  # it ended meanwhile, or the kernel does not tell
        return 0
    return 0
