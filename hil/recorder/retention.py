"""How many runs are kept, and how much they may take: the oldest go first, whole.

The run in progress stays whatever it takes. The audit of commands is elsewhere and never goes.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from hil.recorder.run_folder import NAME


class Retention:
    """Keeps the limits of a station's records.

    Parameters
    ----------
    current : Path
        Folder of the run in progress, among those of the others.
    runs_max : int
        Runs that are kept, this one included.
    bytes_max : int
        What they may take on the disk together, this one included [bytes].
    """

    def __init__(self, current: Path, runs_max: int, bytes_max: int) -> None:
        self._current, self._runs_max, self._bytes_max = current, runs_max, bytes_max

    def look(self) -> list[Path]:
        """Remove the oldest runs that are too many or too large; return what was removed.

        Raises
        ------
        OSError
            One could not be removed; those after it stay until the next look.
        """
        others = self._others()
        sizes = [_size(run) for run in others]
        total = _size(self._current) + sum(sizes)
        removed: list[Path] = []
        for run, size in zip(others, sizes):
            if 1 + len(others) - len(removed) <= self._runs_max and total <= self._bytes_max:
                break
            shutil.rmtree(run)
            removed.append(run)
            total -= size
        return removed

    def _others(self) -> list[Path]:
        """Return the other runs, oldest first: their names begin with their time."""
        found = (p for p in self._current.parent.iterdir() if p.is_dir() and NAME.fullmatch(p.name))
        return sorted(p for p in found if p != self._current)


def _size(folder: Path) -> int:
    """Return what files take on the disk, which may be more or less than their length [bytes]."""
    total = 0
    for place, _, names in os.walk(folder):
        for name in names:
            try:
                total += (Path(place) / name).lstat().st_blocks * 512
            except FileNotFoundError:  # the recorder renames and removes files
                continue
    return total
