"""Full images, one a second, in a journal of their own: what a replay is compared with.

A body is five words (step, UTC, digest, position in the event ring, number of values), then values and
quality bytes, packed: the bytes of float64 are sorted by their weight first, which packs better.
"""

from __future__ import annotations

import dataclasses as dc
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from hil.recorder.journal import DamagedError, frames
from rtcore.board import Snapshot

_HEAD = struct.Struct("<5q")
LEVEL = 1
"""zlib's fastest."""


@dc.dataclass(frozen=True, slots=True)
class Recorded:
    """One image as it was recorded.

    Attributes
    ----------
    position : int
        Events of this step and before it have lower positions in the event ring.
    values, quality : float64[n], uint8[n]
    """

    step: int
    utc_ns: int
    digest: int
    position: int
    values: npt.NDArray[np.float64]
    quality: npt.NDArray[np.uint8]


def encode(snapshot: Snapshot, position: int) -> bytes:
    """Return the body of one image."""
    n = len(snapshot.values)
    head = _HEAD.pack(snapshot.step, snapshot.utc_ns, snapshot.digest, position, n)
    by_weight = np.ascontiguousarray(snapshot.values.view(np.uint8).reshape(n, 8).T)
    return head + zlib.compress(by_weight.tobytes() + snapshot.quality.tobytes(), LEVEL)


def decode(body: bytes) -> Recorded:
    """Return the image in a body; ValueError where there is none."""
    try:
        step, utc_ns, digest, position, n = _HEAD.unpack_from(body)
        raw = zlib.decompress(body[_HEAD.size :])
    except (struct.error, zlib.error) as error:
        raise ValueError(f"not an image: {error}") from None
    if len(raw) != 9 * n:
        raise ValueError(f"{len(raw)} bytes for {n} values")
    by_weight = np.frombuffer(raw, np.uint8, 8 * n).reshape(8, n)
    values = np.ascontiguousarray(by_weight.T).view(np.float64)[:, 0] if n else np.zeros(0)
    return Recorded(step, utc_ns, digest, position, values, np.frombuffer(raw, np.uint8, n, 8 * n))


def read(path: Path) -> Iterator[Recorded]:
    """Yield the images of a file.

    Raises
    ------
    DamagedError
        What is there is not what was written.
    """
    for frame in frames(path):
        try:
            yield decode(frame.body)
        except ValueError as error:
            raise DamagedError(frame.end, str(error)) from None
