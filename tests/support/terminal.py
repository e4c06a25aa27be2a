"""A program on a pseudo terminal, driven by what it shows and by keys."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Mapping, Sequence
from pathlib import Path


class Terminal:
    """A pseudo terminal of 100 columns and 30 lines with a program in it."""

    def __init__(self, command: Sequence[str], cwd: Path, environment: Mapping[str, str]) -> None:
        self._ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 100, 0, 0))
        self.process = subprocess.Popen(
            command,
            cwd=cwd,
            env={**environment, "TERM": "xterm-256color", "COLUMNS": "100", "LINES": "30"},
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        )
        os.close(theirs)
        self.shown = b""

    def until(self, words: bytes, timeout_s: float) -> None:
        """Read until words have been written."""
        deadline = time.monotonic() + timeout_s
        while words not in self.shown:
            assert time.monotonic() < deadline, self.shown[-3000:]
            assert self._read(0.2), self.shown[-3000:]

    def press(self, keys: bytes) -> None:
        """Forget what was shown, and type."""
        self.shown = b""
        os.write(self._ours, keys)

    def interrupt(self) -> None:
        """Send what Ctrl-C sends: the signal goes to the program and its children."""
        os.killpg(self.process.pid, signal.SIGINT)

    def ended(self, timeout_s: float) -> int:
        """Return the exit code, reading meanwhile what is still written."""
        deadline = time.monotonic() + timeout_s
        while self.process.poll() is None and time.monotonic() < deadline and self._read(0.1):
            pass
        code = self.process.wait(5.0)
        while self._read(0.0, only_if_there=True):
            pass
        return code

    def _read(self, wait_s: float, *, only_if_there: bool = False) -> bool:
        """Take what was written; False when nobody is at the other end any more, or nothing is there."""
        if not select.select([self._ours], [], [], wait_s)[0]:
            return not only_if_there
        try:
            got = os.read(self._ours, 65_536)
        except OSError:
            return False
        self.shown += got
        return bool(got)

    def close(self) -> None:
        """End whatever still runs."""
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(10.0)
        os.close(self._ours)
