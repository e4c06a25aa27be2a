"""A program in a terminal of its own, watched from outside: keys in, what it draws out."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time
from collections.abc import Iterator, Mapping, Sequence

_ESCAPES = re.compile(
    rb"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[P_^][^\x1b]*\x1b\\|[()#].|.)"
)


class Terminal:
    """The near end of a pseudo-terminal.

    Attributes
    ----------
    process : subprocess.Popen
    """

    def __init__(self, process: subprocess.Popen[bytes], master: int) -> None:
        self.process, self._master = process, master

    def press(self, keys: bytes) -> None:
        """Send keys."""
        os.write(self._master, keys)

    def read(self, for_s: float) -> bytes:
        """Return what is drawn within a time; empty for nothing, EOFError when the program ended."""
        ready, _, _ = select.select([self._master], [], [], max(0.0, for_s))
        if not ready:
            return b""
        try:
            found = os.read(self._master, 1 << 16)
        except OSError:
            found = b""  # Linux says EIO when the last writer has gone
        if not found:
            raise EOFError
        return found

    def wait_for(self, pattern: str, timeout_s: float) -> float | None:
        """Return the monotonic time at which words were drawn, None where they are not in time [s]."""
        wanted = re.compile(pattern.encode())
        drawn, deadline = b"", time.monotonic() + timeout_s
        while (left_s := deadline - time.monotonic()) > 0.0:
            drawn += self.read(left_s)
            if wanted.search(_ESCAPES.sub(b"", drawn)):
                return time.monotonic()
        return None

    def drain(self, for_s: float) -> None:
        """Take what is drawn for a time, so that the program is never held up."""
        deadline = time.monotonic() + for_s
        while (left_s := deadline - time.monotonic()) > 0.0:
            self.read(left_s)


@contextlib.contextmanager
def terminal(
    command: Sequence[str], environment: Mapping[str, str], size: tuple[int, int]
) -> Iterator[Terminal]:
    """Run a program in a terminal of so many columns and lines; it is ended at the end of the block."""
    master, slave = pty.openpty()
    columns, lines = size
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
    process = subprocess.Popen(
        list(command), stdin=slave, stdout=slave, stderr=slave, env=dict(environment), start_new_session=True
    )
    os.close(slave)
    try:
        yield Terminal(process, master)
    finally:
        process.terminate()
        try:
            process.wait(5.0)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        os.close(master)
