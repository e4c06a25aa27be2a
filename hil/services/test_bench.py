"""How the relay test stands that runs at a station, or ran last: a file in its run directory."""

from __future__ import annotations

import json
from pathlib import Path

from hil.runspec import RunSpec

FILE = "relaytest.json"
BYTES_MAX = 400_000
"""More than a test writes (``hil.relaytest.progress``)."""
NONE = "{}"


def path_of(run_dir: Path) -> Path:
    """Return the file that ``gridhil relaytest`` writes."""
    return run_dir / FILE


class TestBenchReader:
    """Reads it; the file appears whole."""

    __test__ = False

    def __init__(self, spec: RunSpec) -> None:
        self._path = path_of(spec.run_dir)

    def read(self) -> str:
        """Return the JSON, ``{}`` where there is none."""
        try:
            with self._path.open("rb") as file:
                body = file.read(BYTES_MAX + 1)
        except OSError:
            return NONE
        if len(body) > BYTES_MAX:
            return NONE
        return _as_it_is(body.decode("utf-8", "replace"))


def _as_it_is(text: str) -> str:
    """Return the text; a test that was killed does not run any more, whatever it wrote last."""
    if not text.startswith('{"state":"running"'):
        return text
    row = json.loads(text)
    if Path(f"/proc/{row['pid']}").exists():
        return text
    return json.dumps(row | {"state": "broken off", "why": "the test was killed"}, separators=(",", ":"))
