"""Files with secrets: mode 0600, written whole or not at all, refused when others can reach them."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from rtcore.errors import HostError


def create(path: Path, body: bytes) -> bool:
    """Write a private file unless it exists already; tell whether it was written.

    Another process may be first.
    """
    if path.exists():
        return False
    with _written(path, body) as new:
        try:
            os.link(new, path)  # fails when somebody else was quicker; never replaces
        except FileExistsError:
            return False
    return True


def replace(path: Path, body: bytes) -> None:
    """Write a private file in the place of another; readers see the old one or the new one."""
    with _written(path, body) as new:
        new.replace(path)


def check_private(path: Path) -> None:
    """Raise HostError where others can reach a file; OSError where it cannot be looked at."""
    mode = path.stat().st_mode & 0o777
    if mode & 0o077:
        raise HostError(
            f"{path}: mode is {mode:04o}, others can reach it; allowed is 0600 (chmod 600 {path})"
        )


@contextlib.contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Keep others out who change files of a directory by this way, too."""
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)


@contextlib.contextmanager
def _written(path: Path, body: bytes) -> Iterator[Path]:
    """Write a file beside the one that it is to become; it is gone afterwards unless it was moved."""
    new = path.with_name(f"{path.name}.{os.getpid()}.new")
    new.unlink(missing_ok=True)  # the same pid, in an earlier life
    fd = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(fd, "wb") as file:
            file.write(body)
            file.flush()
            os.fsync(file.fileno())
        yield new
    finally:
        new.unlink(missing_ok=True)
