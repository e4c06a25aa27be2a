"""Which attacks of a station's attack file act now, as their ground truth says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from hil.runspec import RunSpec

BYTES_MAX = 2_000_000
_ACTIVE, _NONE = "active: ", "none"


class ActiveAttacks:
    """Reads the ground truth when it has changed."""

    def __init__(self, spec: RunSpec) -> None:
        self._file = spec.attack
        self._spec = spec
        self._seen: tuple[Path, int] | None = None
        self._active: list[str] = []

    def read(self) -> dict[str, Any]:
        """Return the attack file, "" for none, and the names of the attacks that act."""
        if self._file:
            self._look()
        return {"file": self._file, "active": self._active}

    def _look(self) -> None:
        try:
            folder, run_id = self._spec.state_dir / "attacks", self._spec.core["run_id"]
            paths = sorted(folder.glob(f"{run_id}-*/truth.json"), key=lambda p: p.stat().st_mtime_ns)
            if not paths:
                return
            stat = paths[-1].stat()
            if self._seen == (paths[-1], stat.st_mtime_ns) or stat.st_size > BYTES_MAX:
                return
            self._active = active_of(json.loads(paths[-1].read_bytes()))
            self._seen = paths[-1], stat.st_mtime_ns
        except (OSError, ValueError):  # being written: the next look has it
            return


def active_of(truth: Any) -> list[str]:
    """Return the attacks that the last note of a ground truth names as active."""
    notes = truth.get("notes", []) if isinstance(truth, dict) else []
    for note in reversed(notes):
        what = str(note.get("what", "")) if isinstance(note, dict) else ""
        if what.startswith(_ACTIVE):
            names = what.removeprefix(_ACTIVE)
            return [] if names == _NONE else names.split(", ")
    return []
