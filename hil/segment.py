"""Shared memory: files in a run directory under /dev/shm, mapped whole; one owner each.

``multiprocessing.shared_memory`` is not used: on Python 3.11 its resource tracker deletes a
live segment when any separately started reader exits.
"""

from __future__ import annotations

import mmap
import os
import time
from collections.abc import Callable
from pathlib import Path

from rtcore.errors import HostError

WAIT_STEP_S = 0.01


def create(path: Path, size: int, prepare: Callable[[mmap.mmap], None] = lambda _memory: None) -> mmap.mmap:
    """Create a zeroed, fully backed segment and return its writable map.

    ``prepare`` writes what must be there before anyone can attach. The file is made under
    another name and renamed, so that a reader of an older file keeps a valid, stale map. A full
    /dev/shm is an error here instead of SIGBUS later.
    """
    new = path.with_suffix(".new")
    fd = os.open(new, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o660)
    try:
        os.posix_fallocate(fd, 0, size)
        memory = mmap.mmap(fd, size)
    except OSError as error:
        new.unlink(missing_ok=True)
        raise HostError(f"{path}: cannot reserve {size} bytes of shared memory: {error.strerror}") from None
    finally:
        os.close(fd)
    memory[:] = bytes(size)  # touch every page
    prepare(memory)
    new.rename(path)
    return memory


def attach(path: Path, *, writable: bool = False, wait_s: float = 0.0) -> mmap.mmap:
    """Map an existing segment; boards read-only, one's own ring pair writable.

    A gateway that starts beside the core waits up to ``wait_s`` for the core to make it.
    """
    deadline = time.monotonic() + wait_s
    while not path.exists() and time.monotonic() < deadline:
        time.sleep(WAIT_STEP_S)
    fd = os.open(path, (os.O_RDWR if writable else os.O_RDONLY) | os.O_CLOEXEC)
    try:
        size = os.fstat(fd).st_size
        prot = mmap.PROT_READ | (mmap.PROT_WRITE if writable else 0)
        return mmap.mmap(fd, size, prot=prot)
    finally:
        os.close(fd)
