"""Every command that the manual shows to be copied runs: to its end, or until it shows what it is to show.

Pages with ``console`` blocks, which show output, have tests of their own; here are the ``sh`` blocks.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support import peers
from tests.support.console_stations import prepare_users
from tests.support.manual import LEFT, NOT_RUN, PAGES, PROGRAMS, ROOT, blocks, is_left, to_run
from tests.support.recorded_load import record_of_a_load, write_load
from tests.support.station import START_S, Station, environment, gridhil, running, without_forecasts
from tests.support.terminal import Terminal
from tests.support.users import password_of

pytestmark = [pytest.mark.slow, pytest.mark.timeout(START_S + 300)]

CTRL_Q = b"\x11"
SHOWN_S = 90.0
"""Until a command shows something, on a busy machine."""
ENDED_S = 60.0
PASSWORD = password_of("operator")
RUN_BY_CI = ("make test", "make docs")
STATION = {
    "docs/importing.md": "own_feeder",
    **dict.fromkeys(
        (f"docs/{p}.md" for p in ("attacks", "console", "first-ten-minutes", "relaytest")), "iowa240"
    ),
    **dict.fromkeys(("README.md", "docs/security.md"), "iowa240"),
}
"""Page -> the station that runs while its commands are copied."""
RECORDED = "~/.local/state/gridhil/iowa240/runs/20261126T135650Z-8b046c85"


SQLITE3 = f"""#!{sys.executable}
import sqlite3, sys
print(*sqlite3.connect(sys.argv[1]).execute(sys.argv[2]), sep="\\n")
"""
"""In place of the program of that name, where there is none."""


@dataclass(frozen=True)
class Shows:
    """A command that lasts until it is told to end, or longer than a test has time for."""

    words: tuple[str, ...]
    """What it shows, one after the other."""
    keys: tuple[bytes, ...]
    """What is typed after each; Ctrl-C after the last of the words unless there are keys for it, too."""
    code: int = 0


WATCHED = Shows(("frequency",), (CTRL_Q,))
SERVED = Shows(("contract: ",), ())
TYPED_TWICE = Shows(("assword", "again"), (f"{PASSWORD}\n".encode(),) * 2)
BROKEN_OFF = 130
BAR = "━"
"""Of the progress of something long."""
LONG: tuple[tuple[str, Shows], ...] = (
    (r"gridhil console --user", Shows(("assword", "frequency"), (f"{PASSWORD}\n".encode(), CTRL_Q))),
    (r"gridhil console", WATCHED),
    (r"gridhil run --console", Shows(("frequency", "Stop the station, too?"), (CTRL_Q, b"y\n"))),
    (r"gridhil run", SERVED),
    (r"gridhil web", Shows(("127.0.0.1",), ())),
    (r"gridhil attack bias_head --report", Shows(("is falsified",), (), BROKEN_OFF)),
    (r"gridhil attack mitm_head$", Shows(("listening on",), ())),
    (r"gridhil user (add|password)", TYPED_TWICE),
    (r"gridhil cyberrange", Shows((BAR,), (), BROKEN_OFF)),
    (r"gridhil dispatch study", Shows((BAR,), (), BROKEN_OFF)),
    (r"gridhil relaytest my_plan", Shows((), (), 1)),  # no device is connected: one shot, not judged
    (r"gridhil relaytest", Shows(("characteristic",), (), BROKEN_OFF)),
    (r"gridhil bench", Shows(("bench step",), (), BROKEN_OFF)),
    (r"gridhil forecast", Shows((BAR,), (), BROKEN_OFF)),
)
"""Pattern of a command -> what it shows; every other one is run to its end."""
SHORTER = (
    (r"^make test ARGS=\"(.*)\"", r'make test ARGS="\1 --collect-only --quiet"'),
    (r"^make run.*", 'make run ARGS="--duration 1 --modbus-port 0 --opcua-port 0"'),
    (r"^(gridhil run(?!.*--duration).*)", r"\1 --modbus-port 0 --opcua-port 0"),
    (r"^gridhil web", "gridhil web --port 0"),
)
"""What is put in place of a command that would do all tests, take fixed ports or not end."""


class Reader:
    """Somebody who copies a page's commands, one after the other."""

    def __init__(self, folder: Path, station: Station | None, record: Path | None) -> None:
        self._folder, self._station, self._record = folder, station, record
        self._at = folder
        for name in ("config", "examples", "packaging", "tests", ".venv"):
            (folder / name).symlink_to(ROOT / name)
        for name in ("docs", "home", "tools"):
            (folder / name).mkdir()
        for name, shipped in (("mine.toml", "cyberrange/small"), ("my_plan.toml", "relaytests/si_51")):
            shutil.copy(ROOT / "config" / f"{shipped}.toml", folder / name)
        plan = re.sub(
            r"(?m)^multiples = .*\nrepeats = .*",
            "multiples = [20]\nrepeats = 1",
            (folder / "my_plan.toml").read_text(),
        )
        (folder / "my_plan.toml").write_text(plan)
        write_load(folder / "my_load.csv")
        prepare_users(folder / "state", "iowa240")
        token = folder / "home" / ".gridhil-token"
        token.write_text("a-token-of-sixteen-characters\n")
        token.chmod(0o600)
        if shutil.which("sqlite3") is None:
            (folder / "tools" / "sqlite3").write_text(SQLITE3)
            (folder / "tools" / "sqlite3").chmod(0o755)

    def environment(self, typed: str) -> dict[str, str]:
        """Return that of the page's terminal; a station beside the running one keeps records of its own."""
        is_beside = self._station is None or typed.startswith(("gridhil run", "make run"))
        state = self._folder / "state" if is_beside or self._station is None else self._station.state
        return environment(state) | {
            "HOME": str(self._folder / "home"),
            "PATH": f"{self._folder / 'tools'}:{Path(sys.executable).parent}:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "EDITOR": """sed -i s/^name.=."iowa240"/name="mine"/""",
        }

    def typed(self, command: str) -> str:
        """Return a command with this machine's ports and files, and an end."""
        for pattern, shorter in SHORTER:
            command = re.sub(pattern, shorter, command)
        command = command.replace(" -d dist", f" -d {self._folder / 'dist'}")
        if self._record is not None:
            command = command.replace(RECORDED, str(self._record))
        command = command.replace("10.0.3.7", "127.0.0.1")
        if self._station is not None:
            command = re.sub(r"\b5020\b", str(self._station.modbus_port), command)
            command = re.sub(r"\b4840\b", str(self._station.opcua_port), command)
        return command

    def copy(self, command: str) -> None:
        """Run a command as it is to be run."""
        typed = self.typed(command)
        where = ROOT if typed.startswith(("make ", ".venv/")) else self._at
        long = next((shows for pattern, shows in LONG if re.match(pattern, command)), None)
        if typed.startswith("cd "):
            self._at = Path(typed.removeprefix("cd "))
            assert self._at.is_dir()
        elif long is None:
            self._to_its_end(typed, where)
        else:
            self._until_shown(typed, where, long)

    def _to_its_end(self, typed: str, where: Path) -> None:
        done = subprocess.run(
            ["bash", "-c", f"{typed}\nexit $?"],  # the shell stays: completion looks which one it is
            cwd=where,
            env=self.environment(typed),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=START_S,
            check=False,
        )
        allowed = (0, 3) if typed == "gridhil doctor" else (0,)  # 3: a host that the doctor calls not usable
        assert done.returncode in allowed, f"$ {typed}\n{done.stdout}\n{done.stderr}"

    def _until_shown(self, typed: str, where: Path, long: Shows) -> None:
        terminal = Terminal(("bash", "-c", f"exec {typed}"), where, self.environment(typed))
        try:
            for number, words in enumerate(long.words):
                terminal.until(words.encode(), SHOWN_S)
                if number < len(long.keys):
                    terminal.press(long.keys[number])
                else:
                    terminal.interrupt()
            code = terminal.ended(ENDED_S)
            assert code == long.code, (
                f"$ {typed}\nexit code {code}\n{terminal.shown.decode(errors='replace')}"
            )
        finally:
            terminal.close()


@pytest.fixture(scope="module")
def iowa240(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Station]:
    state = tmp_path_factory.mktemp("state")
    prepare_users(state, "iowa240")
    with running(state) as live:  # the shipped file itself: commands look for the station by it
        yield live


@pytest.fixture(scope="module")
def own_feeder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Station]:
    with running(
        tmp_path_factory.mktemp("own"), str(ROOT / "examples" / "own_feeder" / "mill_lane.toml")
    ) as live:
        yield live


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the record of a run of some seconds."""
    state = tmp_path_factory.mktemp("recorded")
    ports = ("--modbus-port", "0", "--opcua-port", "0")
    done = gridhil("run", without_forecasts(state), "--duration", "3", *ports, state=state, timeout_s=START_S)
    assert done.returncode == 0, done.stderr
    (found,) = (state / "gridhil" / "iowa240" / "runs").glob("*/")
    return found


@pytest.mark.parametrize("page", [page for page in PAGES if to_run(page)])
def test_commands_of_a_page_run(page: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    commands = to_run(page)
    if any(command.startswith("mbpoll") for command in commands):
        peers.require("mbpoll")
    station = request.getfixturevalue(STATION[page]) if page in STATION else None
    record = None
    if page == "docs/recorder.md":
        record = request.getfixturevalue("run_folder")
    elif page == "docs/forecasting.md":
        record = record_of_a_load(tmp_path / "record")
    reader = Reader(tmp_path, station, record)
    for command in commands:
        if command not in RUN_BY_CI:
            reader.copy(command)


def test_what_only_the_gate_runs_it_runs() -> None:
    steps = (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()
    for command in RUN_BY_CI:
        assert any(step.strip().startswith(command) for step in steps), command


@pytest.mark.parametrize("page", PAGES)
def test_commands_are_in_blocks_whose_commands_are_run(page: str) -> None:
    begins = re.compile(rf"^\s*(?:\$ )?(?:{'|'.join(PROGRAMS)}) (?!= )", re.M)
    others = [b for b in blocks(page) if b.language not in ("sh", "console")]
    assert [b.text for b in others if begins.search(b.text)] == []
    prose = re.sub(r"^```.*?^```", "", (ROOT / page).read_text(encoding="utf-8"), flags=re.S | re.M)
    assert re.findall(rf"^ {{4,}}(?:{'|'.join(PROGRAMS)}) .*$", prose, re.M) == [], (
        "an indented block is not run"
    )


@pytest.mark.parametrize("page", LEFT)
def test_the_manual_says_which_commands_no_test_runs(page: str) -> None:
    left = [(b, c) for b in blocks(page) if b.language == "sh" for c in b.commands if is_left(page, c)]
    for words in LEFT[page]:
        assert any(words in command for _, command in left), f"{words!r}: no such command any more"
    assert [command for block, command in left if not NOT_RUN.search(block.section)] == []
