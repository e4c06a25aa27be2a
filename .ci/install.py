"""Make ``.venv`` and install the locked packages into it, saying what happens and how long it took.

Run by make with whatever Python the machine has, so: the standard library alone. The work is
done once; it is repeated when the lock, ``pyproject.toml`` or this file changes.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
VENV = ROOT / ".venv"
LOCK = ROOT / "requirements.lock"
STAMP = VENV / ".gridhil-installed"
PYTHON = VENV / "bin" / "python"
CHATTER = re.compile(r"^(?:Collecting|Downloading|Installing|Using cached|Obtaining|Building) ?(.*)")


def say(text: str) -> None:
    """Print one line at once."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def digest() -> str:
    """Return what decides whether the environment is up to date."""
    parts = [f"{sys.version_info[:3]} {ROOT}".encode()]
    parts += [path.read_bytes() for path in (LOCK, ROOT / "pyproject.toml", Path(__file__))]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


def run(command: list[str], what: str, expected: int = 0) -> None:
    """Run one command with a progress line; on failure show everything it said and stop."""
    begin = time.monotonic()
    is_terminal = sys.stdout.isatty()
    collected, said, shown_s = 0, [], begin
    if not is_terminal:
        say(f"  {what} ...")
    env = os.environ | {"PYTHONUNBUFFERED": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=env
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            said.append(line)
            line = line.partition(" (from ")[0]
            collected += line.startswith("Collecting ")
            if (match := CHATTER.match(line.strip())) is None:
                continue
            now = time.monotonic()
            share = f"{collected}/{expected} " if expected and collected < expected else ""
            width = shutil.get_terminal_size().columns - 1
            if is_terminal:
                text = f"  {what}: {share}{match[0]} ({now - begin:.0f} s)"
                sys.stdout.write("\r\x1b[K" + text[:width])
                sys.stdout.flush()
            elif now - shown_s > 10:
                say(f"    {share}{match[0][:80]} ({now - begin:.0f} s)")
                shown_s = now
    took = f"  {what}: {time.monotonic() - begin:.1f} s"
    if process.returncode:
        say(("\r\x1b[K" if is_terminal else "") + f"{took}, failed:\n" + "".join(said[-60:]))
        sys.exit(f"{what} failed (exit {process.returncode}); the reason is above")
    say(("\r\x1b[K" if is_terminal else "") + took)


def has_venv() -> bool:
    """Tell whether ``.venv`` works and is of this Python version; also after an aborted install."""
    code = "import sys, pip; print(*sys.version_info[:2])"
    try:
        answer = subprocess.run([str(PYTHON), "-c", code], capture_output=True, text=True, check=False)
    except OSError:
        return False
    return answer.stdout.split() == [str(part) for part in sys.version_info[:2]]


def make_venv() -> None:
    """Create the environment with pip in it, also where the host's Python has no ensurepip."""
    shutil.rmtree(VENV, ignore_errors=True)
    version = "Python {}.{}.{}".format(*sys.version_info[:3])
    try:
        import ensurepip  # noqa: F401
    except ImportError:
        if subprocess.run(
            [sys.executable, "-m", "pip", "--version"], capture_output=True, check=False
        ).returncode:
            sys.exit(
                f"{sys.executable} ({version}) has neither ensurepip nor pip to make an environment with.\n"
                "Debian, Ubuntu: apt-get install python3-venv. Or name another interpreter: make PYTHON=..."
            )
        run([sys.executable, "-m", "venv", "--without-pip", str(VENV)], f"making .venv with {version}")
        run([sys.executable, "-m", "pip", "--python", str(PYTHON), "install", "pip"], "adding pip to it")
    else:
        run([sys.executable, "-m", "venv", str(VENV)], f"making .venv with {version}")


def main() -> None:
    """Bring ``.venv`` up to date with the lock."""
    wanted = digest()
    if STAMP.exists() and STAMP.read_text() == wanted:
        return
    begin = time.monotonic()
    lock = LOCK.read_text()
    expected = len(re.findall(r"^[a-z0-9]", lock, re.MULTILINE))
    say(f"gridhil: installing into {VENV} (once; again only when the lock changes)")
    if not has_venv():
        make_venv()
    STAMP.unlink(missing_ok=True)
    pip = [str(PYTHON), "-m", "pip", "install", "--progress-bar", "off"]
    run([*pip, "--require-hashes", "-r", str(LOCK)], "installing the locked packages", expected)
    run([*pip, "--no-deps", "--no-build-isolation", "-e", str(ROOT)], "installing gridhil itself")
    STAMP.write_text(wanted)
    say(f"gridhil: installed in {time.monotonic() - begin:.0f} s")


if __name__ == "__main__":
    main()
