"""Arrays as text that JSON can hold, bit for bit."""

from __future__ import annotations

import base64
import zlib
from typing import Any

import numpy as np

from forecasting.series import Floats


def pack(x: Floats) -> dict[str, Any]:
    """Return an array as its shape and compressed bytes."""
    data = zlib.compress(np.ascontiguousarray(x, "<f8").tobytes(), 1)
    return {"shape": list(x.shape), "data": base64.b64encode(data).decode("ascii")}


def unpack(packed: dict[str, Any]) -> Floats:
    """Return what `pack` was given."""
    data = zlib.decompress(base64.b64decode(packed["data"]))
    return np.frombuffer(data, "<f8").astype(np.float64).reshape(packed["shape"])
