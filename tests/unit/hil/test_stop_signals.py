"""Signals before a station runs: exit codes, no traceback, nothing left."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]

PROGRAM = """
import sys
sys.path.insert(0, {folder!r})
from hil import stop_signals
stop_signals.take()
{body}
"""

SLOW_IMPORT = """
import time
print("importing", flush=True)
try:
    time.sleep(30)
except BaseException:  # foreign code that takes every exception for its own
    pass
time.sleep(30)
"""


def stopped(folder: Path, body: str, number: signal.Signals) -> tuple[int, str, str]:
    """Run a program until its first line of output, send it a signal; exit code, output, errors."""
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM.format(folder=str(folder), body=body)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    first = process.stdout.readline()
    process.send_signal(number)
    out, errors = process.communicate(timeout=20)
    assert "Traceback" not in errors, errors
    return process.returncode, first + out, errors


BOTH = pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])


@BOTH
def test_while_importing_the_process_leaves_at_once(
    tmp_path: Path, number: signal.Signals, code: int
) -> None:
    (tmp_path / "slow.py").write_text(SLOW_IMPORT)
    mark = tmp_path / "mark"
    body = (
        f"import pathlib; stop_signals.at_once.append(lambda: pathlib.Path({str(mark)!r}).touch())\n"
        "with stop_signals.caught():\n    import slow"
    )
    assert stopped(tmp_path, body, number) == (code, "importing\n", "gridhil: interrupted\n")
    assert mark.exists(), "what was to be done at once"


@BOTH
def test_before_anybody_catches_it_the_process_leaves_at_once(
    tmp_path: Path, number: signal.Signals, code: int
) -> None:
    body = "import time; print('here', flush=True); time.sleep(30)"
    assert stopped(tmp_path, body, number) == (code, "here\n", "gridhil: interrupted\n")


@BOTH
def test_elsewhere_every_context_is_left_in_order(tmp_path: Path, number: signal.Signals, code: int) -> None:
    body = """
import time
try:
    with stop_signals.caught():
        try:
            print("working", flush=True)
            time.sleep(30)
        finally:
            print("cleaned")
except stop_signals.Stopped as stopped:
    sys.exit(stop_signals.exit_code(stopped.number))
"""
    assert stopped(tmp_path, body, number) == (code, "working\ncleaned\n", "")


def test_a_guarded_part_is_cleaned_up_even_while_it_imports(tmp_path: Path) -> None:
    (tmp_path / "slow.py").write_text("import time\nprint('importing', flush=True)\ntime.sleep(30)\n")
    body = """
try:
    with stop_signals.caught(), stop_signals.guarded():
        try:
            import slow
        finally:
            print("cleaned")
except stop_signals.Stopped as stopped:
    sys.exit(stop_signals.exit_code(stopped.number))
"""
    assert stopped(tmp_path, body, signal.SIGTERM) == (143, "importing\ncleaned\n", "")


def test_who_was_started_deaf_stays_deaf(tmp_path: Path) -> None:
    code = (
        "import signal; signal.signal(signal.SIGHUP, signal.SIG_IGN)\n"
        "from hil import stop_signals; stop_signals.take()\n"
        "print(signal.getsignal(signal.SIGHUP) is signal.SIG_IGN)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "True\n"
