"""The console's bench runs the real thing in a terminal, and gives the promised figures."""

from __future__ import annotations

import os
import sys

import pytest

from hil.bench import console
from hil.bench.terminal import terminal


@pytest.mark.timeout(600)
def test_bench_gives_times_of_keys_and_paint_and_what_it_costs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(console, "KEYS", 12)
    found = console.run(1.0)
    assert list(found) == ["iowa240"]
    row = found["iowa240"]
    assert set(row) == {
        "connect_s", "first_paint_s", "key_p50_ms", "key_p95_ms", "cpu_pct_120x40", "cpu_overview_pct",
        "cpu_one_line_pct", "opcua_cpu_points", "rss_mb",
    }  # fmt: skip
    assert row["first_paint_s"] > 0.0  # how fast it is is the bench's business, not a test's
    assert row["key_p95_ms"] >= row["key_p50_ms"] > 0.0
    assert row["rss_mb"] > 20.0


def test_a_terminal_shows_what_a_program_draws_without_its_escapes() -> None:
    program = (
        "import shutil; print('\\x1b[1mwi\\x1b[0mdth', *shutil.get_terminal_size()); print(input()[::-1])"
    )
    with terminal([sys.executable, "-c", program], os.environ, (97, 31)) as screen:
        assert screen.wait_for("width 97 31", 20.0) is not None
        assert screen.wait_for("never drawn", 0.2) is None
        screen.press(b"live\r")
        assert screen.wait_for("evil", 20.0) is not None
        with pytest.raises(EOFError):
            screen.drain(20.0)
