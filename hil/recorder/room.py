"""Room on the disk: the oldest trends go first; the sequence of events and the audit never go.

Little room is noticed ahead and answered by removing trends, of older runs first. Where the disk is
full all the same, a reserve file is given up, which leaves room for many events more.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import threading
from collections.abc import Callable
from pathlib import Path

from hil.recorder import trend_files

OK, LOW, FULL = range(3)
"""State of the disk, see ``hil.recorder.status.DISK``."""
RESERVE = "reserve"
RESERVE_BYTES = 16 << 20


def free_bytes(folder: Path) -> int:
    """Return what this user may still write on the disk of a folder [bytes]."""
    return shutil.disk_usage(folder).free


class Room:
    """Keeps room for what must not be lost; may be used by several threads.

    Parameters
    ----------
    runs : Path
        Folder of all runs of the station.
    min_free : int
        With less free than this trends are removed [bytes].
    trends_max : int
        Most that the trends of all runs may take [bytes].
    """

    def __init__(
        self,
        runs: Path,
        min_free: int,
        trends_max: int,
        reserve_bytes: int = RESERVE_BYTES,
        free: Callable[[Path], int] = free_bytes,
    ) -> None:
        self._runs, self._min_free, self._trends_max = runs, min_free, trends_max
        self._reserve_bytes, self._free = reserve_bytes, free
        self._lock = threading.Lock()
        self.state = OK
        self.n_removed = 0
        """Trend files removed so far."""

    def trends(self) -> list[Path]:
        """Return the trend files of all runs, oldest first; names of runs are in order of time."""
        runs = sorted(p for p in self._runs.iterdir() if p.is_dir())
        return [f for run in runs for f in trend_files.files(run / trend_files.FOLDER)]

    def look(self) -> int:
        """Keep the limits; return the state of the disk."""
        with self._lock:
            trends = self.trends()
            total = sum(_size(p) for p in trends)
            while trends and (total > self._trends_max or self._free(self._runs) < self._min_free):
                total -= _size(trends[0])
                self._remove(trends.pop(0))
            free = self._free(self._runs)
            if free < self._min_free:
                self.state = max(self.state, LOW)
            else:
                self.state = OK
                if free >= self._min_free + self._reserve_bytes:
                    self._reserve()
            return self.state

    def make(self) -> None:
        """Find room now: a write was refused."""
        with self._lock:
            self.state = FULL
            (self._runs / RESERVE).unlink(missing_ok=True)
            for path in self.trends()[:1]:
                self._remove(path)

    def _remove(self, path: Path) -> None:
        path.unlink(missing_ok=True)
        self.n_removed += 1

    def _reserve(self) -> None:
        path = self._runs / RESERVE
        if _size(path) == self._reserve_bytes:
            return
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.posix_fallocate(fd, 0, self._reserve_bytes)
        except OSError:  # there is less than there seemed to be
            path.unlink(missing_ok=True)
        finally:
            os.close(fd)


def _size(path: Path) -> int:
    with contextlib.suppress(FileNotFoundError):
        return path.stat().st_size
    return 0
