"""How far a relay test has come, for others to see while it runs and afterwards."""

from __future__ import annotations

import contextlib
import io
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from hil.relaytest import progress, running
from hil.relaytest.command import Opened, run_file
from hil.relaytest.plan import Plan
from hil.relaytest.progress import BYTES_MAX, Progress
from hil.services.test_bench import TestBenchReader, path_of
from rtcore.errors import HostError
from tests.unit.hil.recorder.ring_rig import make_spec
from tests.unit.hil.relaytest.plans import HEAD, PICKUP, SHOTS_24, plan_of
from tests.unit.hil.relaytest.sim_bench import FACTS, SimBench
from tests.unit.hil.relaytest.toy_relay import ToyRelay


@contextlib.contextmanager
def bench(_plan: Plan) -> Iterator[Opened]:
    yield SimBench(ToyRelay()), {}


@contextlib.contextmanager
def broken_bench(_plan: Plan) -> Iterator[Opened]:
    made = SimBench(ToyRelay())
    n, calibrate = 0, made.calibrate

    def once(duration_s: float) -> list[float]:
        nonlocal n
        n += 1
        if n > 2:
            raise HostError("breaker A.CB does not close")
        return calibrate(duration_s)

    made.calibrate = once  # type: ignore[method-assign]
    yield made, {}


def carried_out(folder: Path, opener: Any = bench, tests: str = SHOTS_24) -> Path:
    path, plan = folder / "relaytest.json", folder / "plan.toml"
    plan.write_text(HEAD + tests)
    out = Console(file=io.StringIO())
    run_file(str(plan), None, lambda _s, _n: FACTS, opener, out, lambda _bench: path)
    return path


def test_at_the_end_it_has_every_shot_with_its_verdict(tmp_path: Path) -> None:
    row = json.loads(carried_out(tmp_path).read_text())
    assert (row["state"], row["verdict"], row["why"]) == ("finished", "PASS", "")
    assert (row["test"], row["test_number"], row["tests"], row["shot"], row["shots"]) == (
        "characteristic", 1, 1, 24, 24,
    )  # fmt: skip
    assert (row["shots_done"], row["shots_planned"], len(row["rows"])) == (24, 24, 24)
    first = row["rows"][0]
    (reading,) = [r for r in first["readings"] if r["expected"] is not None]
    assert first["verdict"] == reading["verdict"] == "PASS"
    assert reading["allowed_low"] <= reading["measured"] <= reading["allowed_high"]
    assert row["uncertainty"]["low_s"] <= row["uncertainty"]["mean_s"] <= row["uncertainty"]["high_s"]


def test_one_that_was_broken_off_says_why(tmp_path: Path) -> None:
    with pytest.raises(HostError):
        carried_out(tmp_path, broken_bench, SHOTS_24 + PICKUP)
    row = json.loads((tmp_path / "relaytest.json").read_text())
    assert (row["state"], row["why"]) == ("broken off", "breaker A.CB does not close")
    assert row["shots_done"] == 25  # the search of the second test had been made, its calibration had not


def test_it_is_written_at_most_twice_a_second(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[bytes] = []
    monkeypatch.setattr(progress.private_files, "replace", lambda _path, body: written.append(body))
    now_s = 0.0
    shown = Progress(tmp_path / "x.json", plan_of(tmp_path, SHOTS_24), lambda: now_s)
    from hil.relaytest.runner import run

    def tell(result: Any, shot: Any) -> None:
        nonlocal now_s
        now_s += 0.1
        shown.tell(result, shot)

    run(plan_of(tmp_path, SHOTS_24), SimBench(ToyRelay()), tell)
    assert len(written) == 1 + 4  # at the begin, and in 2.4 s
    assert json.loads(written[-1])["state"] == "running"


def test_a_test_that_nobody_is_shown_writes_nothing(tmp_path: Path) -> None:
    shown = Progress(None, plan_of(tmp_path, PICKUP))
    shown.end("PASS")
    assert list(tmp_path.glob("*.json")) == []


def test_a_station_that_ended_meanwhile_does_not_end_the_test(tmp_path: Path) -> None:
    shown = Progress(tmp_path / "gone" / "x.json", plan_of(tmp_path, PICKUP))
    shown.end("PASS")


def test_a_long_text_has_fewer_of_its_oldest_rows() -> None:
    rows = [{"shot": k, "why": "x" * 3000} for k in range(400)]
    row = json.loads(Progress._text({"rows": rows, "rows_left_out": 7}))
    assert len(json.dumps(row)) < BYTES_MAX + 10_000
    assert row["rows"][-1]["shot"] == 399
    assert row["rows_left_out"] + len(row["rows"]) == 407


def test_only_a_bench_in_a_station_shows_it_to_the_stations_servers() -> None:
    assert running.shown_at(SimBench(ToyRelay())) is None


# ---- what the server makes of it


def test_the_server_gives_what_was_written(tmp_path: Path) -> None:
    spec = make_spec(tmp_path)
    reader = TestBenchReader(spec)
    assert reader.read() == "{}"
    body = carried_out(tmp_path).read_bytes()
    path_of(spec.run_dir).write_bytes(body)
    assert reader.read() == body.decode()


def test_a_test_whose_process_was_killed_does_not_run_for_ever(tmp_path: Path) -> None:
    spec = make_spec(tmp_path)
    Progress(path_of(spec.run_dir), plan_of(tmp_path, PICKUP))
    assert json.loads(TestBenchReader(spec).read())["state"] == "running"
    ended = subprocess.Popen(["true"])
    ended.wait()
    row = json.loads(path_of(spec.run_dir).read_text())
    path_of(spec.run_dir).write_text(json.dumps(row | {"pid": ended.pid}, separators=(",", ":")))
    assert json.loads(TestBenchReader(spec).read())["state"] == "broken off"
