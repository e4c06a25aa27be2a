"""Pages of the manual as scripts: commands and programs, the output they show, a shell to run them in."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from tests.support.station import ROOT, environment

END = "end-of-command-"


def steps(page: Path) -> list[tuple[str, str]]:
    """Return the page's commands, each with the output that it shows."""
    blocks = re.findall(r"^```console\n(.*?)^```", page.read_text(encoding="utf-8"), re.S | re.M)
    parts = re.split(r"^\$ ", "".join(blocks), flags=re.M)
    return [(command, shown) for command, _, shown in (part.partition("\n") for part in parts[1:])]


def pattern(shown: str) -> re.Pattern[str]:
    """Return what output must match: ``...`` alone on a line is any lines, within one any text."""
    lines = []
    for line in shown.splitlines():
        if line.strip() == "...":
            lines.append(r"(?:.*\n)*?")
        else:
            lines.append(re.escape(line.rstrip()).replace(re.escape("..."), ".*") + r"[ \t]*\n")
    return re.compile("".join(lines))


def programs(page: Path, language: str) -> list[tuple[str, str]]:
    """Return the page's programs in a language, each with the output in the block after it."""
    text = page.read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```\n+```text\n(.*?)^```", text, re.S | re.M)


def shows(shown: str, said: str) -> bool:
    """Tell whether a command said what the page shows."""
    return pattern(shown).fullmatch(said if said.endswith("\n") or not said else f"{said}\n") is not None


class Shell:
    """The second terminal."""

    def __init__(self, folder: Path, state: Path) -> None:
        for name in ("examples", "config"):
            (folder / name).symlink_to(ROOT / name)
        bin_ = Path(sys.executable).parent
        self._n = 0
        self._process = subprocess.Popen(
            ["bash"],
            cwd=folder,
            env=environment(state) | {"PATH": f"{bin_}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def run(self, command: str) -> str:
        """Run a command and return what it printed."""
        self._n += 1
        mark = f"{END}{self._n}"
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{command}\necho {mark}\n")
        self._process.stdin.flush()
        said = ""
        for line in self._process.stdout:
            if line.rstrip().endswith(mark):
                return said + line.rstrip().removesuffix(mark)
            said += line
        raise AssertionError(f"the shell ended:\n{said}")

    def end(self) -> None:
        """Close it, with what it left in the background."""
        assert self._process.stdin is not None
        self._process.stdin.write("kill $(jobs -p) 2>/dev/null; exit\n")
        self._process.communicate(timeout=20.0)
