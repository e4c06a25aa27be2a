"""Shared memory: files in a run directory under /dev/shm, mapped whole; one owner each.

``multiprocessing.shared_memory`` is not used: on Python 3.11 its resource tracker deletes a
live segment when any separately started reader exits.
"""

from __future__ import annotations

import mmap
import os
from pathlib import Path

from rtcore.errors import HostError


def create(path: Path, size: int) -> mmap.mmap:
    """Create a zeroed, fully backed segment and return its writable map.

    The file is made under another name and renamed, so that a reader of an older file keeps
    a valid, stale map. A full /dev/shm is an error here instead of SIGBUS later.
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
    new.rename(path)
    return memory


def attach(path: Path, *, writable: bool = False) -> mmap.mmap:
    """Map an existing segment; boards read-only, one's own ring pair writable."""
    fd = os.open(path, (os.O_RDWR if writable else os.O_RDONLY) | os.O_CLOEXEC)
    try:
        size = os.fstat(fd).st_size
        prot = mmap.PROT_READ | (mmap.PROT_WRITE if writable else 0)
        return mmap.mmap(fd, size, prot=prot)
    finally:
        os.close(fd)
