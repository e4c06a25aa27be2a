"""Helper process that reads trend files: ``python -m hil.services.trend_worker FOLDER``.

The libraries for Parquet take a second and a hundred megabytes to load, which the gateway must not spend
while it serves. A question is a line of JSON, ``{"tag", "from_ns", "to_ns", "n"}``; the answer a line of
JSON, ``{"n", "until_ns", "error"}``, and behind it three columns of bytes. It ends with its input.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
from pathlib import Path
from typing import BinaryIO

from hil.services.trend_read import read_trend
from hil.supervisor import die_with_parent

NICE = 10


def main(arguments: list[str]) -> int:
    """Answer questions until there are no more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    die_with_parent()
    with contextlib.suppress(OSError):
        os.nice(NICE)
    import pyarrow as pa

    pa.set_cpu_count(1)
    pa.set_io_thread_count(1)
    folder = Path(arguments[0])
    for line in sys.stdin.buffer:
        answer(folder, line, sys.stdout.buffer)
    return 0


def answer(folder: Path, line: bytes, out: BinaryIO) -> None:
    """Answer one question."""
    asked = json.loads(line)
    try:
        found = read_trend(folder, asked["tag"], asked["from_ns"], asked["to_ns"], asked["n"])
    except OSError as error:
        out.write(json.dumps({"n": 0, "until_ns": 0, "error": str(error)}).encode() + b"\n")
        out.flush()
        return
    head = {"n": len(found.trend.utc_ns), "until_ns": found.until_ns, "error": ""}
    out.write(json.dumps(head).encode() + b"\n")
    out.write(found.trend.utc_ns.astype("<i8").tobytes())
    out.write(found.trend.value.astype("<f8").tobytes())
    out.write(found.trend.quality.astype("u1").tobytes())
    out.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
