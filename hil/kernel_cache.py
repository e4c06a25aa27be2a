"""Where compiled kernels are kept, so that only the first start compiles.

numba's own cache notices a changed function but not a changed callee in another file, which
would silently run old physics; the directory is therefore named by a digest of every kernel
source. Call `prepare` before anything imports numba.
"""

from __future__ import annotations

import atexit
import contextlib
import dataclasses as dc
import fcntl
import hashlib
import importlib.metadata
import os
import platform
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from hil import run_dir, stop_signals
from rtcore.errors import HostError

ROOT = Path(__file__).resolve().parents[1]
KERNEL_PACKAGES = ("rtcore",)
KEPT = 3
"""Digests kept, the latest used ones: going back to a branch need not compile again."""
READY = "GRIDHIL_CACHE_READY"
MARK = "complete"
"""Holds a station's kernels; the file says how long they took."""
HEADLESS = "headless"
"""Holds those of an engine without a loop."""


@dc.dataclass(frozen=True, slots=True)
class KernelCache:
    """The directory in use."""

    path: Path
    is_warm: bool
    """Every kernel was compiled into it before."""
    expected_s: float | None
    """How long compiling took the last time on this machine [s]; None when never measured."""
    is_kept: bool
    """False: a temporary directory, because the cache directory cannot be written."""


def prepare(say: Callable[[str], None] = lambda _text: None, root: Path = ROOT) -> KernelCache:
    """Point numba at the cache of exactly these sources.

    Sets ``NUMBA_CACHE_DIR`` and ``GRIDHIL_CACHE_READY``, which child processes inherit; there
    this does nothing but read them.
    """
    inherited = os.environ.get("NUMBA_CACHE_DIR", "")
    if os.environ.get(READY) == "1" and inherited:
        path = Path(inherited)
        return KernelCache(path, (path / MARK).exists(), _expected_s(path.parent), True)
    assert "numba" not in sys.modules, "kernel_cache.prepare() comes before the first import of numba"
    name = f"{version_of('gridhil')}-{digest(root)}"
    cache = _kept(name, say) or _temporary(say)
    os.environ["NUMBA_CACHE_DIR"] = str(cache.path)
    os.environ[READY] = "1"
    return cache


def mark_complete(seconds: float) -> None:
    """Note in the cache in use that every kernel is in it now, and how long that took [s]."""
    path = os.environ.get("NUMBA_CACHE_DIR", "")
    if os.environ.get(READY) == "1" and path and not (Path(path) / MARK).exists():
        with contextlib.suppress(OSError):
            (Path(path) / MARK).write_text(f"{seconds:.1f}\n")


def has(mark: str) -> bool:
    """Tell whether the cache in use has a mark; without a cache nothing is known to be missing."""
    path = os.environ.get("NUMBA_CACHE_DIR", "")
    return os.environ.get(READY) != "1" or not path or (Path(path) / mark).exists()


@contextlib.contextmanager
def compiling(mark: str) -> Iterator[None]:
    """Let one process at a time compile, until the cache has this mark; the others then load what it made.

    The same sources do not always give the same machine code: a kernel compiled in one go with those it calls
    is optimised with them, one that finds them in the cache is not, and sums differ in their last place. Two
    processes that compile at once would each run code of their own, and not agree bit for bit.
    """
    if has(mark):
        yield
        return
    path = Path(os.environ["NUMBA_CACHE_DIR"])
    with contextlib.ExitStack() as held:
        with contextlib.suppress(OSError):  # where nothing can be locked each one compiles
            lock = held.enter_context((path / "lock").open("w"))
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
        if mark != MARK:  # which says how long it took
            with contextlib.suppress(OSError):
                (path / mark).touch()


def digest(root: Path = ROOT) -> str:
    """Return the digest of every kernel source and of what compiles it."""
    total = hashlib.sha256()
    for package in KERNEL_PACKAGES:
        for path in sorted((root / package).rglob("*.py")):
            body = path.read_bytes()
            total.update(f"{path.relative_to(root)} {len(body)}\n".encode())
            total.update(body)
    tools = [f"{tool} {version_of(tool)}" for tool in ("numba", "llvmlite", "numpy")]
    total.update("\n".join([*tools, platform.python_version(), platform.machine()]).encode())
    return total.hexdigest()[:12]


def _kept(name: str, say: Callable[[str], None]) -> KernelCache | None:
    try:
        home = run_dir.cache_root() / "numba"
        path = home / name
        path.mkdir(parents=True, exist_ok=True)
        probe = path / f".probe{os.getpid()}"
        probe.write_bytes(b"")
        probe.unlink()
        os.utime(path)
    except (OSError, HostError) as error:
        say(f"kernels cannot be kept ({error}); they are compiled again at every start")
        return None
    cache = KernelCache(path, (path / MARK).exists(), _expected_s(home), True)
    _prune(home, path)
    return cache


def _temporary(say: Callable[[str], None]) -> KernelCache:
    try:
        path = Path(tempfile.mkdtemp(prefix="gridhil-numba-"))
    except OSError as error:
        raise HostError(
            f"no place for compiled kernels: neither the cache directory nor {tempfile.gettempprefix()} "
            f"directories can be written ({error}); set XDG_CACHE_HOME to a writable directory"
        ) from None
    owner = os.getpid()

    def remove() -> None:
        if os.getpid() == owner:
            shutil.rmtree(path, ignore_errors=True)

    atexit.register(remove)
    stop_signals.at_once.append(remove)
    say(f"kernels are compiled into {path} for this run")
    return KernelCache(path, False, None, False)


def _prune(home: Path, current: Path) -> None:
    """Remove digests that are no longer used; never one touched within the last hour."""
    others = [p for p in home.iterdir() if p.is_dir() and p != current]
    others.sort(key=lambda p: p.stat().st_mtime, reverse=True)
    for path in others[KEPT - 1 :]:
        if time.time() - path.stat().st_mtime > 3600:
            shutil.rmtree(path, ignore_errors=True)


def _expected_s(home: Path) -> float | None:
    marks = sorted(home.glob(f"*/{MARK}"), key=lambda p: p.stat().st_mtime, reverse=True)
    for mark in marks:
        with contextlib.suppress(OSError, ValueError):
            return float(mark.read_text())
    return None


def version_of(distribution: str) -> str:
    """Return the version of a distribution; "none" where it is not installed."""
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return "none"
