"""What the estimator has learned of a running station, kept where its process finds it after a restart.

Offsets of residuals are those of the run's own instruments, drawn by its seed: they hold for this run alone,
this telemetry set and this network. All three are in the file, and another one's is not taken.
"""

from __future__ import annotations

import hashlib
import io
import json
import time
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from estimation.channels import Telemetry
from hil import damage, private_files
from rtcore.network.model import Network

Floats = npt.NDArray[np.float64]

VERSION = 1
PERIOD_S = 300.0
"""Simulated time between two writes [s]: at most so much is learned again."""
PAUSE_S = 10.0
"""Least time between two writes where simulated time runs faster [s]."""
NS_PER_S = 1_000_000_000
NAME = "estimator-learned.npz"
HEADER = "header"


class Learner(Protocol):
    """What learns; ``estimation.service.Service`` does."""

    def remember(self) -> dict[str, Floats]:
        """Return what was learned."""

    def recall(self, learned: Mapping[str, Floats]) -> None:
        """Go on from there; ValueError where it does not fit."""


class RefusedError(Exception):
    """Says why a file is not taken."""


class OtherRunError(RefusedError):
    """It is of an earlier run, as every new run finds one."""


def key_of(run_id: str, telemetry: Telemetry, network: Network) -> dict[str, str]:
    """Return what must be the same for learned offsets to hold."""
    return {"run": run_id, "telemetry": _digest(telemetry.channels), "network": _digest(network)}


def _digest(what: object) -> str:
    """Return a checksum of plain data; their text is the same in every process."""
    return hashlib.sha256(repr(what).encode()).hexdigest()[:16]


def pack(key: Mapping[str, str], arrays: Mapping[str, Floats]) -> bytes:
    """Return a file's content: the arrays, and a header with version, key and their checksum."""
    header = json.dumps({"version": VERSION, "key": dict(key), "sha256": _checksum(arrays)})
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w") as archive:  # what numpy.savez writes
        for name, array in {HEADER: np.frombuffer(header.encode(), np.uint8), **arrays}.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
                np.lib.format.write_array(file, np.asanyarray(array), allow_pickle=False)
    return body.getvalue()


def unpack(body: bytes, key: Mapping[str, str]) -> dict[str, Floats]:
    """Return the arrays of a file's content.

    Raises
    ------
    RefusedError
        It is no such file, is damaged, or is of another version, run, telemetry set or network.
    """
    try:
        with np.load(io.BytesIO(body), allow_pickle=False) as found:
            arrays = {name: np.asarray(found[name]) for name in found.files}
        header = json.loads(arrays.pop(HEADER).tobytes())
        version, told, checksum = header["version"], dict(header["key"]), header["sha256"]
    except (ValueError, KeyError, TypeError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise RefusedError(f"damaged: {damage.words_of(error)}") from None
    if version != VERSION:
        raise RefusedError(f"of version {version}, this is version {VERSION}")
    if told.get("run") != key.get("run"):
        raise OtherRunError("of another run")
    others = [name for name, value in key.items() if told.get(name) != value]
    if others:
        raise RefusedError(f"of another {', '.join(others)}")
    if checksum != _checksum(arrays) or any(x.dtype != np.float64 for x in arrays.values()):
        raise RefusedError("damaged: its checksum is another")
    return arrays


def _checksum(arrays: Mapping[str, Floats]) -> str:
    digest = hashlib.sha256()
    for name in sorted(arrays):
        digest.update(f"{name}{arrays[name].shape}".encode())
        digest.update(np.ascontiguousarray(arrays[name]).tobytes())
    return digest.hexdigest()


class LearnedFile:
    """Keeps what one service learns.

    Parameters
    ----------
    path : Path
    key : mapping
        See ``key_of``.
    learner : Learner
    complain : callable
        Takes what goes wrong, in words; nothing of it ends the estimator.
    clock_s : callable
        Monotonic time [s].
    """

    def __init__(
        self,
        path: Path,
        key: Mapping[str, str],
        learner: Learner,
        complain: Callable[[str], None],
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self.path, self._key, self._learner = path, dict(key), learner
        self._complain, self._clock_s = complain, clock_s
        self._due_ns: int | None = None
        self._due_s = -np.inf
        self._written = ""

    def load(self) -> bool:
        """Let the service go on from the file; tell whether it does.

        A file of an earlier run is passed over without a word; any other that is refused is named.
        """
        try:
            body = self.path.read_bytes()
        except FileNotFoundError:
            return False
        except OSError as error:
            self._complain(f"{self.path}: cannot be read: {error.strerror}")
            return False
        try:
            self._learner.recall(unpack(body, self._key))
        except OtherRunError:
            return False
        except (RefusedError, ValueError) as error:
            self._complain(f"{self.path}: not taken, offsets are learned anew: {error}")
            return False
        return True

    def keep(self, sim_ns: int) -> None:
        """Write the file when it is time; at once where simulated time went back."""
        if self._due_ns is None or sim_ns < self._due_ns - round(PERIOD_S * NS_PER_S):
            self._due_ns = sim_ns + round(PERIOD_S * NS_PER_S)
            return
        if sim_ns >= self._due_ns and self._clock_s() >= self._due_s:
            self._due_ns, self._due_s = sim_ns + round(PERIOD_S * NS_PER_S), self._clock_s() + PAUSE_S
            self.save()

    def save(self) -> None:
        """Write the file, whole or not at all, unless nothing was learned since the last time."""
        arrays = self._learner.remember()
        checksum = _checksum(arrays)
        if checksum == self._written:
            return
        try:
            private_files.replace(self.path, pack(self._key, arrays))
        except OSError as error:
            self._complain(f"{self.path}: cannot be written: {error.strerror}")
            return
        self._written = checksum
