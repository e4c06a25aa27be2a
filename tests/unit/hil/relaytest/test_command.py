"""``gridhil relaytest``: what it says, and that a wrong plan never reaches the sources."""

import contextlib
import io
import json
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console
from typer import Typer
from typer.testing import CliRunner

from hil import cli_relaytest
from hil.relaytest import running, station_facts
from hil.relaytest.command import Opened, run_file
from hil.relaytest.plan import Plan
from hil.stop_signals import Stopped
from rtcore.errors import HostError, UserInputError
from tests.unit.hil.relaytest.plans import HEAD, PICKUP, SHOTS_24
from tests.unit.hil.relaytest.sim_bench import FACTS, SimBench
from tests.unit.hil.relaytest.toy_relay import ToyRelay


class Opener:
    """Gives a simulated bench and counts how often it was asked."""

    def __init__(self, **relay: float) -> None:
        self.relay, self.n = relay, 0

    @contextlib.contextmanager
    def __call__(self, plan: Plan) -> Iterator[Opened]:
        self.n += 1
        yield SimBench(ToyRelay(**self.relay)), {"configuration": "here"}


def said(file: Path, opener: Opener, folder: Path | None = None) -> tuple[str, str]:
    text = io.StringIO()
    out = Console(file=text, width=200)
    doc = run_file(str(file), folder, lambda _station, _near: FACTS, opener, out)
    return doc["verdict"], text.getvalue()


def plan_file(folder: Path, tests: str) -> Path:
    path = folder / "plan.toml"
    path.write_text(HEAD + tests)
    return path


def test_it_tells_every_shot_the_verdict_and_where_the_report_is(tmp_path: Path) -> None:
    verdict, text = said(plan_file(tmp_path, SHOTS_24), Opener(), tmp_path / "out")
    assert verdict == "PASS"
    assert text.count("PASS          characteristic") == 25  # 24 shots and the test
    assert "PASS  trial: shots: 24 PASS" in text
    assert (tmp_path / "out" / "report.html").is_file()


def test_it_names_what_it_found(tmp_path: Path) -> None:
    verdict, text = said(plan_file(tmp_path, PICKUP), Opener(pickup_error=1.05))
    assert verdict == "FAIL"
    assert "picks up 5.2 % high" in text


def test_impossible_plan_opens_no_bench(tmp_path: Path) -> None:
    opener = Opener()
    with pytest.raises(UserInputError, match="20000 A at most"):
        said(plan_file(tmp_path, SHOTS_24.replace("20]", "200]")), opener)
    assert opener.n == 0


@pytest.mark.parametrize(("relay", "code"), [({}, 0), ({"pickup_error": 1.05}, 1), ({"is_mute": True}, 1)])
def test_exit_code_is_1_unless_passed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, relay: dict[str, float], code: int
) -> None:
    monkeypatch.setattr(running, "running_bench", Opener(**relay))
    monkeypatch.setattr(station_facts, "facts_of", lambda _station, _near: FACTS)
    app = Typer()
    cli_relaytest.add_to(app)
    done = CliRunner().invoke(app, [str(plan_file(tmp_path, PICKUP)), "--json"])
    assert done.exit_code == code
    assert done.stdout.startswith('{\n "format": 1')


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (HostError("breaker A.CB does not close"), "breaker A.CB does not close"),
        (Stopped(signal.SIGINT), "interrupted"),
        (KeyboardInterrupt(), "interrupted"),
    ],
)
def test_a_run_that_is_broken_off_reports_the_tests_that_had_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException, why: str
) -> None:
    opener, n_closed = Opener(), 0

    def close_breaker(_bench: SimBench) -> None:
        nonlocal n_closed
        n_closed += 1
        if n_closed == 26:  # in the second test
            raise error

    monkeypatch.setattr(SimBench, "close_breaker", close_breaker)
    text = SHOTS_24 + SHOTS_24.replace("characteristic", "again")
    with pytest.raises(type(error)):
        said(plan_file(tmp_path, text), opener, tmp_path / "out")
    doc = json.loads((tmp_path / "out" / "results.json").read_text(encoding="utf-8"))
    assert (doc["verdict"], doc["broken_off"]) == ("INVALID", why)
    assert [(t["name"], t["verdict"]) for t in doc["tests"]] == [("characteristic", "PASS")]
    assert why in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
