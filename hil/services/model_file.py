"""Files of a station's model and its arrays in its run directory; light, for the gateway that serves them."""

from __future__ import annotations

import json

from hil.runspec import RunSpec
from protocols.opcua_array_list import Arrays

MODEL, ARRAYS = "model.json.z", "arrays.json"


def write_model(spec: RunSpec, body: bytes, arrays: Arrays) -> None:
    """Write the model and the arrays of a run, before its processes start."""
    (spec.run_dir / MODEL).write_bytes(body)
    (spec.run_dir / ARRAYS).write_text(json.dumps(arrays.to_dict()), encoding="utf-8")


def read_model(spec: RunSpec) -> bytes:
    """Return it; empty where the run has none."""
    try:
        return (spec.run_dir / MODEL).read_bytes()
    except FileNotFoundError:
        return b""


def read_arrays(spec: RunSpec) -> Arrays:
    """Return the arrays; none where the run has none."""
    try:
        return Arrays.from_dict(json.loads((spec.run_dir / ARRAYS).read_text(encoding="utf-8")))
    except FileNotFoundError:
        return Arrays()
