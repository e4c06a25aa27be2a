"""Where a station keeps its files: shared memory for the run, a state directory for good, a cache.

A run directory is alive as long as its owner holds the lock file in it; the kernel frees that
lock whatever way the owner ends, so what a killed station left is found and removed by the
next one that starts.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

from rtcore.errors import HostError

SHARED_MEMORY = Path("/dev/shm")
LOCK_NAME = "owner.lock"

_held: dict[Path, int] = {}
"""Lock descriptors of this process; closed by `remove_run_dir`, or by the kernel."""


def make_run_dir(station: str, root: Path = SHARED_MEMORY) -> Path:
    """Make and lock ``gridhil-<uid>/<station>-<pid>`` under ``root``; prune what dead owners left.

    Raises
    ------
    HostError
        Shared memory cannot be used, or another user sits on the parent's name.
    """
    parent = root / f"gridhil-{os.getuid()}"
    path = parent / f"{_safe(station)}-{os.getpid()}"
    try:
        with _locked_parent(parent):
            _prune(parent)
            shutil.rmtree(path, ignore_errors=True)  # the same pid, in an earlier life
            path.mkdir(mode=0o700)
            fd = os.open(path / LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            fcntl.flock(fd, fcntl.LOCK_EX)  # nobody holds it but a look by live_run_dirs
            os.write(fd, f"{os.getpid()}\n".encode())
    except OSError as error:
        raise HostError(f"{path}: cannot make the run directory: {error.strerror}") from None
    _held[path] = fd
    return path


def remove_run_dir(path: Path) -> None:
    """Remove a run directory of this process, and its parent when nothing else is in it."""
    with contextlib.suppress(FileNotFoundError), _locked_parent(path.parent):
        shutil.rmtree(path, ignore_errors=True)
        if (fd := _held.pop(path, None)) is not None:
            os.close(fd)
        with contextlib.suppress(OSError):  # another station runs
            path.parent.rmdir()


def live_run_dirs(root: Path = SHARED_MEMORY) -> list[Path]:
    """Return the run directories of this user whose owner is alive."""
    parent = root / f"gridhil-{os.getuid()}"
    try:
        return sorted(p for p in parent.iterdir() if p.is_dir() and not _is_dead(p))
    except FileNotFoundError:
        return []


def state_root() -> Path:
    """Return ``$XDG_STATE_HOME/gridhil``, made with mode 0700; default ``~/.local/state``."""
    return _make_private(_base("XDG_STATE_HOME", ".local/state", "state") / "gridhil")


def cache_root() -> Path:
    """Return ``$XDG_CACHE_HOME/gridhil``, made with mode 0700; default ``~/.cache``."""
    return _make_private(_base("XDG_CACHE_HOME", ".cache", "cache") / "gridhil", "XDG_CACHE_HOME", "cache")


def state_dir(station: str) -> Path:
    """Return the station's directory for records, journals and secrets, made with mode 0700."""
    return _make_private(state_root() / _safe(station))


@contextlib.contextmanager
def sole_user(directory: Path) -> Iterator[None]:
    """Keep a state directory to this run: its journals are chains, each with one writer.

    Raises
    ------
    HostError
        Another run holds it.
    """
    fd = os.open(directory / LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pid = os.pread(fd, 32, 0).decode(errors="replace").strip() or "unknown"
            raise HostError(
                f"station {directory.name} already runs (pid {pid}) and writes its records to {directory}; "
                "stop it, give a copy of the station file another name, or set XDG_STATE_HOME to another "
                "directory"
            ) from None
        os.ftruncate(fd, 0)
        os.write(fd, f"{os.getpid()}\n".encode())
        yield
    finally:
        os.close(fd)


def _base(variable: str, default: str, what: str) -> Path:
    """Return a base directory of the XDG specification."""
    given = os.environ.get(variable, "")
    if Path(given).is_absolute():  # the specification has relative values ignored
        return Path(given)
    try:
        return Path.home() / default
    except RuntimeError:
        raise HostError(
            f"no {what} directory: this user has no home; set {variable} to a writable directory"
        ) from None


def _make_private(path: Path, variable: str = "XDG_STATE_HOME", what: str = "state") -> Path:
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        if path.stat().st_uid == os.getuid():
            path.chmod(0o700)
    except OSError as error:
        raise HostError(
            f"{path}: cannot make the {what} directory: {error.strerror}; set {variable} to a writable one"
        ) from None
    return path


def _safe(station: str) -> str:
    name = re.sub(r"[^A-Za-z0-9_.-]", "_", station).lstrip(".")
    return name or "station"


@contextlib.contextmanager
def _locked_parent(parent: Path) -> Iterator[None]:
    """Hold the parent's lock, so that nobody prunes a directory that is not locked yet."""
    while True:
        with contextlib.suppress(FileExistsError):
            parent.mkdir(mode=0o700)
        fd = os.open(parent, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)
            held = os.fstat(fd)
            if held.st_uid != os.getuid():
                raise HostError(f"{parent}: belongs to another user (uid {held.st_uid}); remove it")
            try:
                is_same = parent.stat().st_ino == held.st_ino
            except FileNotFoundError:  # removed while we waited for the lock
                is_same = False
            if is_same:
                yield
                return
        finally:
            os.close(fd)


def _prune(parent: Path) -> None:
    for path in parent.iterdir():
        if path.is_dir() and _is_dead(path):
            shutil.rmtree(path, ignore_errors=True)


def _is_dead(path: Path) -> bool:
    if path in _held:
        return False
    try:
        fd = os.open(path / LOCK_NAME, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return True
    except OSError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(fd)
    return True
