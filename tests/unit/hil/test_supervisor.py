"""The supervisor with real child processes: start order, restarts, hangs, signals, stopping."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hil import supervisor as sv
from hil.gateway_status import GatewayStatus

ROOT = Path(__file__).resolve().parents[3]
SERVE = "import time, signal; print('ready 127.0.0.1:5020', flush=True); time.sleep(60)"


class Station:
    """A supervisor under test with a record of its events."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.events: list[tuple[str, str]] = []
        self.specs: list[sv.ProcessSpec] = []
        self.supervisor: sv.Supervisor

    def add(self, name: str, code: str, **changes: object) -> None:
        fields: dict[str, object] = {
            "name": name,
            "argv": [sys.executable, "-c", textwrap.dedent(code)],
            "env": {"PYTHONPATH": str(ROOT)},
            "ready_timeout_s": 10.0,
            "restart": True,
            "status_path": None,
            "hang_s": 1.0,
            "log_path": str(self.folder / f"{name}.log"),
        }
        self.specs.append(sv.ProcessSpec(**(fields | changes)))  # type: ignore[arg-type]

    def build(self) -> sv.Supervisor:
        self.supervisor = sv.Supervisor(self.specs, lambda name, text: self.events.append((name, text)))
        return self.supervisor

    def run_for(self, seconds: float, tick: Callable[[], None] = lambda: None) -> int:
        end = time.monotonic() + seconds
        return self.supervisor.run(lambda: time.monotonic() > end, tick, 0.05)

    def said(self, name: str, word: str) -> list[str]:
        return [text for who, text in self.events if who == name and word in text]


@pytest.fixture
def station(tmp_path: Path) -> Iterator[Station]:
    rig = Station(tmp_path)
    yield rig
    if hasattr(rig, "supervisor"):
        rig.supervisor.stop()


def is_running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def test_processes_start_in_order_and_start_returns_when_all_are_ready(station: Station) -> None:
    mark = station.folder / "order"
    for name in ("core", "modbus"):
        code = f"""
            import pathlib, time
            path = pathlib.Path({str(mark)!r})
            time.sleep(0.2)
            with path.open("a") as file: file.write("{name} ready\\n")
            print("noise before")
            print("ready on port 1", flush=True)
            time.sleep(60)"""
        station.add(name, code)
    assert station.build().start()
    assert sorted(mark.read_text().splitlines()) == ["core ready", "modbus ready"]
    assert station.supervisor.ready_text == {"core": "on port 1", "modbus": "on port 1"}
    pids = station.supervisor.pids()
    assert list(pids) == ["core", "modbus"]
    station.supervisor.stop()
    assert not any(is_running(pid) for pid in pids.values())


def test_children_get_one_numerical_thread_and_their_own_session(station: Station) -> None:
    code = """
        import os, time
        print("ready", os.environ["OPENBLAS_NUM_THREADS"], os.environ["OMP_NUM_THREADS"],
              os.environ["NUMBA_NUM_THREADS"], os.environ["EXTRA"], os.getsid(0) == os.getpid(), flush=True)
        time.sleep(60)"""
    station.add("core", code, env={"EXTRA": "here"})
    station.build().start()
    assert station.supervisor.ready_text["core"] == "1 1 1 here True"


def test_output_goes_to_the_log_before_and_after_ready(station: Station) -> None:
    code = """
        import sys, time
        print("early"); print("complaint", file=sys.stderr)
        print("ready", flush=True)
        for k in range(20000): print("line", k)
        print("late", flush=True); time.sleep(60)"""
    station.add("core", code)
    station.build().start()
    assert station.run_for(1.0) == 0
    log = (station.folder / "core.log").read_text().splitlines()
    assert {"out: early", "complaint", "out: line 19999", "out: late"} <= set(log)


@pytest.mark.parametrize(("code", "exit_code"), [(3, 3), (1, 1), (7, 1)])
def test_child_that_exits_at_start_stops_everything_and_its_reason_is_told(
    station: Station, code: int, exit_code: int
) -> None:
    station.add("core", SERVE)
    station.add(
        "modbus",
        f"import sys; print('hello'); sys.stderr.write('old\\nport 5020 is taken\\n'); sys.exit({code})",
    )
    supervisor = station.build()
    with pytest.raises(sv.StartError) as caught:
        supervisor.start()
    assert caught.value.exit_code == exit_code
    assert caught.value.name == "modbus"
    assert "port 5020 is taken" in str(caught.value)
    if exit_code == 3:
        assert str(caught.value) == "port 5020 is taken"
    assert supervisor.pids() == {}


def test_last_error_line_is_not_that_of_an_earlier_run(station: Station) -> None:
    (station.folder / "modbus.log").write_text("an old complaint\n")
    station.add("modbus", "raise SystemExit(3)")
    with pytest.raises(sv.StartError) as caught:
        station.build().start()
    assert "old complaint" not in str(caught.value)


def test_program_that_does_not_exist_is_a_start_error(station: Station) -> None:
    station.add("core", "", argv=["/nonexistent/program"])
    with pytest.raises(sv.StartError, match=r"core cannot be started: .*/nonexistent/program") as caught:
        station.build().start()
    assert caught.value.exit_code == 3


def test_child_that_never_says_ready_times_out(station: Station) -> None:
    station.add("core", "import time; time.sleep(60)", ready_timeout_s=0.5)
    begin = time.monotonic()
    with pytest.raises(sv.StartError, match=r"core was not ready after 0\.5 s") as caught:
        station.build().start()
    assert caught.value.exit_code == 1
    assert time.monotonic() - begin < 2.5  # 0.5 s plus a stop


def test_core_dying_while_a_gateway_starts_ends_the_start(station: Station) -> None:
    station.add("core", "import time; print('ready', flush=True); time.sleep(0.3); raise SystemExit(5)")
    station.add("modbus", "import time; time.sleep(60)")
    with pytest.raises(sv.StartError, match="core ended with exit code 5"):
        station.build().start()


def test_killed_gateway_is_restarted_at_once_and_the_core_is_not_touched(station: Station) -> None:
    station.add("core", SERVE, restart=False)
    station.add("modbus", SERVE)
    supervisor = station.build()
    supervisor.start()
    before = supervisor.pids()
    killed_s: list[float] = []
    back_s: list[float] = []

    def tick() -> None:
        now = supervisor.pids()
        if not killed_s:
            killed_s.append(time.monotonic())
            os.kill(before["modbus"], signal.SIGKILL)
        elif not back_s and now.get("modbus", before["modbus"]) != before["modbus"]:
            back_s.append(time.monotonic())

    assert station.run_for(1.5, tick) == 0
    assert back_s and back_s[0] - killed_s[0] < 0.3  # one watch period, one tick, one fork on a busy host
    assert supervisor.restarts == {"core": 0, "modbus": 1}
    assert station.said("modbus", "was killed by SIGKILL")
    assert len(station.said("modbus", "ready after")) == 2
    assert not station.said("core", "killed")


def test_crash_loop_is_restarted_five_times_at_once_then_every_two_seconds(station: Station) -> None:
    mark = station.folder / "starts"
    code = f"""
        import pathlib, time
        path = pathlib.Path({str(mark)!r})
        seen = path.read_text().count("x") if path.exists() else 0
        path.write_text("x" * (seen + 1))
        print("ready", flush=True)
        if seen: raise SystemExit("boom")
        time.sleep(0.2)"""
    station.add("modbus", code)
    supervisor = station.build()
    supervisor.start()
    assert station.run_for(4.0) == 0
    # 1 start, 4 immediate restarts (each under 0.3 s), then one each 2 s within the rest of 4 s.
    assert 5 <= mark.read_text().count("x") <= 7
    assert station.said("modbus", "starting again in 2 s")
    assert station.said("modbus", "boom")


BEATS = """
import os, sys, time
from pathlib import Path
from hil.gateway_status import GatewayStatus, SERVING
status = GatewayStatus.create(Path({status!r}))
flag = Path({flag!r})
will_hang = not flag.exists()
flag.touch()
status.write(state=SERVING)
print("ready", flush=True)
begin = time.monotonic()
while not will_hang or time.monotonic() - begin < 0.5:
    status.write(state=SERVING)
    time.sleep(0.05)
time.sleep(60)
"""


def test_hung_gateway_is_killed_and_restarted_once_its_heartbeat_is_too_old(station: Station) -> None:
    status, flag = str(station.folder / "modbus.status"), str(station.folder / "flag")
    station.add("modbus", BEATS.format(status=status, flag=flag), status_path=status, hang_s=1.0)
    supervisor = station.build()
    supervisor.start()
    first = supervisor.pids()["modbus"]
    second: list[int] = []

    def tick() -> None:
        pid = supervisor.pids().get("modbus")
        if pid is not None and pid != first and pid not in second:
            second.append(pid)

    assert station.run_for(4.5, tick) == 0
    assert len(second) == 1, "the restarted gateway beats and must be left alone"
    assert station.said("modbus", "hung, no heartbeat for 1.")
    assert not is_running(first)


CORE_BEATS = """
import pathlib, struct, time
path = pathlib.Path({board!r})
path.write_bytes(bytes(64))
def beat():
    with path.open("r+b") as file:
        file.seek(40)
        file.write(struct.pack("<q", time.monotonic_ns()))
beat()
print("ready", flush=True)
begin = time.monotonic()
while {lives!r} or time.monotonic() - begin < 0.3:
    beat()
    time.sleep(0.02)
time.sleep({pause_s!r})
while True:
    beat()
    time.sleep(0.02)
"""


def add_core(station: Station, *, lives: bool = False, pause_s: float = 60.0, **limits: float) -> None:
    board = str(station.folder / "core.board")
    code = CORE_BEATS.format(board=board, lives=lives, pause_s=pause_s)
    station.add("core", code, restart=False, status_path=board, beat_at=40, **limits)


def test_core_that_falls_silent_is_told_then_killed_and_ends_the_run_with_1(station: Station) -> None:
    add_core(station, silent_s=0.3, hang_s=1.0)
    station.add("modbus", SERVE)
    supervisor = station.build()
    supervisor.start()
    pid = supervisor.pids()["core"]
    begin = time.monotonic()
    assert supervisor.run(lambda: time.monotonic() - begin > 20.0, lambda: None, 0.05) == 1
    # 0.3 s of life, 1 s of silence, 2 s in which gateways go on; 2 s for a busy machine
    assert time.monotonic() - begin < 5.3
    (told,) = station.said("core", "silent for 0.")
    assert "killed in 1 s unless it comes back" in told
    assert station.said("core", "hung, no heartbeat for 1.")
    assert "core hung, no heartbeat" in supervisor.why_ended
    assert not is_running(pid)


def test_core_that_comes_back_in_time_goes_on(station: Station) -> None:
    add_core(station, pause_s=0.8, silent_s=0.3, hang_s=5.0)
    station.build().start()
    assert station.run_for(2.0) == 0
    assert len(station.said("core", "silent for 0.")) == 1
    assert station.said("core", "no longer silent")
    assert station.supervisor.why_ended == ""


def test_core_that_beats_is_left_alone(station: Station) -> None:
    add_core(station, lives=True, silent_s=0.5, hang_s=1.0)
    station.build().start()
    assert station.run_for(2.0) == 0
    assert not station.said("core", "silent")


def test_heartbeat_left_by_a_predecessor_does_not_condemn_the_new_process(station: Station) -> None:
    status = station.folder / "modbus.status"
    GatewayStatus.create(status).write(state=2)
    time.sleep(0.3)
    station.add("modbus", SERVE, status_path=str(status), hang_s=0.2)
    station.build().start()
    assert station.run_for(1.0) == 0
    assert station.supervisor.restarts["modbus"] == 0


def test_restarted_gateway_that_does_not_get_ready_is_killed_and_tried_again(station: Station) -> None:
    flag = station.folder / "flag"
    code = f"""
        import pathlib, time
        flag = pathlib.Path({str(flag)!r})
        tries = len(flag.read_text()) if flag.exists() else 0
        flag.write_text("x" * (tries + 1))
        if tries == 1: time.sleep(60)
        print("ready", flush=True)
        if tries == 0: raise SystemExit(1)
        time.sleep(60)"""
    station.add("modbus", code, ready_timeout_s=1.0)
    station.build().start()
    assert station.run_for(3.0) == 0
    assert station.said("modbus", "not ready after 1 s; killed")
    assert station.supervisor.restarts["modbus"] == 2


def test_core_death_keeps_gateways_two_seconds_then_stops_all_and_returns_1(station: Station) -> None:
    station.add(
        "core", "import time; print('ready', flush=True); time.sleep(0.4); raise SystemExit(9)", restart=False
    )
    station.add("modbus", SERVE)
    supervisor = station.build()
    supervisor.start()
    modbus = supervisor.pids()["modbus"]
    alive_s: list[float] = []

    def tick() -> None:
        if "core" not in supervisor.pids() and is_running(modbus):
            alive_s.append(time.monotonic())

    assert supervisor.run(lambda: False, tick, 0.05) == 1
    assert 1.7 < alive_s[-1] - alive_s[0] < 2.3  # 2 s, less one tick at either end, host delays
    assert not is_running(modbus)
    assert supervisor.restarts["core"] == 0


def test_stop_takes_under_two_seconds_even_when_a_child_ignores_sigterm_or_is_stopped(
    station: Station,
) -> None:
    stubborn = "import signal; signal.signal(15, signal.SIG_IGN);" + SERVE
    station.add("core", stubborn)
    station.add("modbus", SERVE)
    station.add("opcua", SERVE)
    supervisor = station.build()
    supervisor.start()
    pids = supervisor.pids()
    os.kill(pids["opcua"], signal.SIGSTOP)
    begin = time.monotonic()
    supervisor.stop()
    assert time.monotonic() - begin < 2.0
    assert not any(is_running(pid) for pid in pids.values())
    assert station.said("core", "did not stop within 1.2 s")


def test_grandchildren_go_with_their_parent(station: Station) -> None:
    code = """
        import subprocess, sys, time
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
        print("ready", child.pid, flush=True)
        time.sleep(60)"""
    station.add("forecaster", code)
    supervisor = station.build()
    supervisor.start()
    grandchild = int(supervisor.ready_text["forecaster"])
    supervisor.stop()
    end = time.monotonic() + 1.0
    while is_running(grandchild) and time.monotonic() < end:
        time.sleep(0.01)
    assert not is_running(grandchild)


def test_signal_handlers_are_given_back_after_stop(station: Station) -> None:
    before = signal.getsignal(signal.SIGTERM)
    station.add("core", SERVE)
    station.build().start()
    assert signal.getsignal(signal.SIGTERM) is not before
    station.supervisor.stop()
    assert signal.getsignal(signal.SIGTERM) is before


PROGRAM = """
import sys, time
from hil.supervisor import ProcessSpec, Supervisor, StartError
die = "from hil.supervisor import die_with_parent; die_with_parent();"
code = die + "import time; print('ready', flush=True); time.sleep(60)"
slow = die + "import time; time.sleep(60)"
logs = {folder!r} + "/%s.log"
specs = [ProcessSpec(n, [sys.executable, "-c", c], {{}}, 30.0, n != "core", None, 1.0, logs % n)
         for n, c in (("core", code), ("modbus", {second}))]
s = Supervisor(specs, lambda name, text: print(name, text, flush=True))
if not s.start():
    print("stopped while starting", flush=True); sys.exit(0)
print("PIDS", *s.pids().values(), flush=True)
code = s.run(lambda: False, lambda: None, 0.1)
print("clean end", flush=True)
sys.exit(code)
"""


@contextlib.contextmanager
def program(folder: Path, second: str = "code") -> Iterator[subprocess.Popen[str]]:
    """Run a supervisor in a process group of its own, as a terminal would."""
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM.format(folder=str(folder), second=second)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        process_group=0,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def pids_told_by(process: subprocess.Popen[str]) -> list[int]:
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("PIDS"):
            return [int(word) for word in line.split()[1:]]
    raise AssertionError("the supervisor ended before it had started everything")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signal_to_the_process_group_stops_everything_within_two_seconds(
    tmp_path: Path, number: signal.Signals
) -> None:
    with program(tmp_path) as process:
        pids = pids_told_by(process)
        begin = time.monotonic()
        os.killpg(process.pid, number)
        out, _ = process.communicate(timeout=5)
        assert time.monotonic() - begin < 2.0
        assert process.returncode == 0
        assert "clean end" in out
        assert "Traceback" not in out
    assert not any(is_running(pid) for pid in pids)
    assert "Traceback" not in (tmp_path / "core.log").read_text()


def test_ctrl_c_while_starting_stops_within_two_seconds(tmp_path: Path) -> None:
    with program(tmp_path, "slow") as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("modbus starting"):
                break
        begin = time.monotonic()
        os.killpg(process.pid, signal.SIGINT)
        out, _ = process.communicate(timeout=5)
        assert time.monotonic() - begin < 2.0
        assert "stopped while starting" in out


def test_children_die_when_the_supervisor_is_killed(tmp_path: Path) -> None:
    with program(tmp_path) as process:
        pids = pids_told_by(process)
        process.kill()
        process.wait()
        end = time.monotonic() + 2.0
        while any(is_running(pid) for pid in pids) and time.monotonic() < end:
            time.sleep(0.02)
        assert not any(is_running(pid) for pid in pids)
