"""What the estimator learned outlives its process within a run, and nothing else does."""

from __future__ import annotations

import dataclasses as dc
import multiprocessing as mp
import os
import signal
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from estimation.centred import LEARN_H, CentredTest
from estimation.channels import Accuracy, Channel, Telemetry
from estimation.measurements import Kind, Measurement
from hil.learned_file import PAUSE_S, PERIOD_S, VERSION, LearnedFile, key_of, pack
from rtcore.network.model import Network

S = 1_000_000_000
N = 6
KEY = {"run": "r1", "telemetry": "t1", "network": "n1"}


def learning(hours: float, seed: int = 1) -> CentredTest:
    """Return a test that has learned so long, a scan a minute."""
    rng = np.random.default_rng(seed)
    test = CentredTest(N)
    for k in range(round(60 * hours) + 1):
        test.learn(60 * S * k, np.linspace(-1.0, 1.0, N) + 0.3 * rng.standard_normal(N))
    return test


class Log:
    def __init__(self) -> None:
        self.lines: list[str] = []

    def __call__(self, text: str) -> None:
        self.lines.append(text)


def file_of(path: Path, test: CentredTest, key: dict[str, str] = KEY, log: Log | None = None) -> LearnedFile:
    return LearnedFile(path / "learned.npz", key, test, log or Log(), clock_s=lambda: 0.0)


def killed_while_it_learns(path: Path, hours: float) -> None:
    test = learning(hours)
    file_of(path, test).save()
    test.learn(0, np.full(N, 99.0))  # after the last write: lost
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.parametrize("hours", [5.0, LEARN_H + 0.1])
def test_a_process_that_was_killed_goes_on_where_it_wrote_last(tmp_path: Path, hours: float) -> None:
    process = mp.get_context("fork").Process(target=killed_while_it_learns, args=(tmp_path, hours))
    process.start()
    process.join(20.0)
    assert process.exitcode == -signal.SIGKILL
    new, whole = CentredTest(N), learning(hours)
    assert file_of(tmp_path, new).load()
    assert new.learned_h == pytest.approx(min(hours, LEARN_H + 1 / 60), abs=1 / 60)
    assert new.is_ready == (hours > LEARN_H)
    rng = np.random.default_rng(3)
    for k in range(round(60 * LEARN_H)):  # from here on both see the same, and say the same
        r = rng.standard_normal(N)
        for test in (new, whole):
            if k == 0:
                test.pause()
            test.learn(60 * S * (10_000 + k), r)
    np.testing.assert_array_equal(new.centred(np.ones(N)), whole.centred(np.ones(N)))
    assert new.statistic(np.ones(N)) == whole.statistic(np.ones(N))
    assert new.threshold == whole.threshold


def test_another_run_starts_anew_without_a_word(tmp_path: Path) -> None:
    """Its instruments have other ratio errors."""
    file_of(tmp_path, learning(3.0)).save()
    new, log = CentredTest(N), Log()
    assert not file_of(tmp_path, new, KEY | {"run": "r2"}, log).load()
    assert new.learned_h == 0.0
    assert log.lines == []


def cut(body: bytes) -> bytes:
    return body[: len(body) // 2]


def flip(body: bytes) -> bytes:
    at = body.index(b"centred" if b"centred" in body else b"sum.npy") + 200
    return body[:at] + bytes([body[at] ^ 1]) + body[at + 1 :]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (cut, "damaged"),
        (flip, "damaged"),
        (lambda _: b"", "damaged"),
        (lambda _: b"\x00" * 100, "damaged"),
        (lambda _: pack(KEY | {"telemetry": "t2"}, learning(1.0).remember()), "of another telemetry"),
        (lambda _: pack(KEY | {"network": "n2"}, learning(1.0).remember()), "of another network"),
        (lambda _: pack(KEY, CentredTest(N + 1).remember()), "not learned from 6 channels"),
        (lambda _: pack(KEY, {}), "not learned from 6 channels"),
    ],
)
def test_a_file_that_is_refused_is_named_in_the_log_and_learning_starts_anew(
    tmp_path: Path, change: Callable[[bytes], bytes], why: str
) -> None:
    file_of(tmp_path, learning(1.0)).save()
    path = tmp_path / "learned.npz"
    path.write_bytes(change(path.read_bytes()))
    new, log = CentredTest(N), Log()
    assert not file_of(tmp_path, new, log=log).load()
    assert new.learned_h == 0.0
    (line,) = log.lines
    assert str(path) in line
    assert why in line


def test_a_file_of_another_version_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hil.learned_file.VERSION", VERSION + 1)
    file_of(tmp_path, learning(1.0)).save()
    monkeypatch.undo()
    log = Log()
    assert not file_of(tmp_path, CentredTest(N), log=log).load()
    assert f"of version {VERSION + 1}" in log.lines[0]


def test_no_file_is_no_complaint_and_a_folder_that_is_gone_is_one(tmp_path: Path) -> None:
    log = Log()
    assert not file_of(tmp_path, CentredTest(N), log=log).load()
    assert log.lines == []
    file_of(tmp_path / "gone", learning(1.0), log=log).save()
    assert "cannot be written" in log.lines[0]


def test_it_is_written_now_and_then_and_only_when_something_was_learned(tmp_path: Path) -> None:
    test, path, clock = learning(1.0), tmp_path / "learned.npz", [0.0]
    file = LearnedFile(path, KEY, test, Log(), clock_s=lambda: clock[0])
    file.keep(0)
    file.keep(round(PERIOD_S * S) - 1)
    assert not path.exists()
    file.keep(round(PERIOD_S * S))
    first = path.stat().st_ino
    assert oct(path.stat().st_mode & 0o777) == "0o600"
    test.learn(61 * 60 * S, np.zeros(N))
    file.keep(round(2 * PERIOD_S * S))
    assert path.stat().st_ino == first  # simulated time runs fast: not yet
    clock[0] = PAUSE_S
    file.keep(round(2 * PERIOD_S * S))
    second = path.stat().st_ino
    assert second != first
    file.save()
    assert path.stat().st_ino == second
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_the_key_changes_with_the_set_and_the_network() -> None:
    measurement = Measurement(name="a", kind=Kind.V_MAG, element="b", nodes=(1,))
    channel = Channel(measurement=measurement, point=3, factor=1.0, accuracy=Accuracy(class_frac=0.003))
    telemetry = Telemetry(name="t", channels=(channel,), statuses={}, taps={}, capacitors={})
    network = Network(name="n", base_frequency_hz=60.0, buses=(), sources=())
    key = key_of("r", telemetry, network)
    assert key == key_of("r", telemetry, network)
    other = dc.replace(channel, accuracy=Accuracy(class_frac=0.005))
    assert key_of("r", dc.replace(telemetry, channels=(other,)), network)["telemetry"] != key["telemetry"]
    assert key_of("r", telemetry, dc.replace(network, base_frequency_hz=50.0))["network"] != key["network"]
