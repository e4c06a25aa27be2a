"""The forecaster's process: steps go to a worker one at a time, and none is lost with it."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from forecasting.issue import Issue
from hil.forecaster_process import Worker
from hil.forecaster_worker import Begun, Closed, Failed, Late, Progress

S = 1_000_000_000
HOUR = 3600 * S


def issue(end_ns: int, events: tuple[str, ...] = ()) -> Issue:
    return Issue(
        end_ns=end_ns,
        step_ns=HOUR,
        targets={},
        events=events,
        count=1,
        fitted_ns=None,
        trained_ns=None,
        history_h=0.0,
        issue_s=0.01,
        fit_s=0.1,
    )


def told(steps: tuple[Closed, ...], late: tuple[Late, ...]) -> tuple[str, ...]:
    """Return in words what a worker was sent."""
    return (*(str(s.end_ns // HOUR) for s in steps), *(f"{x.end_ns // HOUR} late" for x in late))


def honest(pipe: Connection, _: str) -> None:
    """Begin at 0, answer what comes by its last step; a target ``fail`` fails the step."""
    pipe.send(Progress(1, 2))
    pipe.send(Begun(0))
    while True:
        try:
            steps, late = pipe.recv()
        except EOFError:
            return
        if any("fail" in s.actuals for s in steps):
            pipe.send(Failed("no luck"))
        else:
            pipe.send(issue(steps[-1].end_ns if steps else 0, told(steps, late)))


def forgetful(pipe: Connection, path: str) -> None:
    """Answer like ``honest``, but die at the third step of its first life."""
    pipe.send(Begun(0))
    while True:
        try:
            steps, late = pipe.recv()
        except EOFError:
            return
        if steps and steps[-1].end_ns == 3 * HOUR and not Path(path).exists():
            Path(path).touch()
            os.kill(os.getpid(), signal.SIGKILL)
        pipe.send(issue(steps[-1].end_ns if steps else 0, told(steps, late)))


def sleepy(pipe: Connection, path: str) -> None:
    """Answer like ``honest``, but sleep over the first step of its first life."""
    pipe.send(Begun(0))
    while True:
        try:
            steps, late = pipe.recv()
        except EOFError:
            return
        if steps and not Path(path).exists():
            Path(path).touch()
            time.sleep(60.0)
        pipe.send(issue(steps[-1].end_ns if steps else 0, told(steps, late)))


def until(
    look: Callable[[], Issue | Failed | None], want: Callable[[Issue | Failed], bool]
) -> Issue | Failed:
    end = time.monotonic() + 30.0
    while time.monotonic() < end:
        found = look()
        if found is not None and want(found):
            return found
        time.sleep(0.01)
    raise AssertionError("nothing came")


def given(worker: Worker, *hours: int, target: str = "total") -> Issue | Failed:
    for k in hours:
        worker.give(Closed(k * HOUR, {target: 1.0}))
    return until(worker.look, lambda _: True)


def test_the_first_issue_is_that_of_the_start_and_steps_that_waited_are_answered_at_once() -> None:
    worker = Worker("", honest)
    try:
        answers = [given(worker), given(worker, 1), given(worker, 2, 3, 4)]
    finally:
        worker.end()
    assert [a.end_ns // HOUR for a in answers if isinstance(a, Issue)] == [0, 1, 4]
    assert worker.progress == Progress(1, 2)


def test_an_issue_stands_before_the_next_one_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    worker = Worker("", honest)
    try:
        given(worker)
        monkeypatch.setattr("hil.forecaster_process.HOLD_S", 1e9)
        worker.give(Closed(HOUR, {"total": 1.0}))
        assert worker.look() is None
        assert not worker._is_busy, "it was asked for the next one before anybody could see the last"
        monkeypatch.setattr("hil.forecaster_process.HOLD_S", 0.0)
        assert isinstance(until(worker.look, lambda _: True), Issue)
    finally:
        worker.end()


def test_a_step_that_fails_is_told_and_the_next_one_is_worked_on() -> None:
    worker = Worker("", honest)
    try:
        answers = [given(worker), given(worker, 1, target="fail"), given(worker, 2)]
    finally:
        worker.end()
    assert answers[1] == Failed("no luck")
    assert isinstance(answers[2], Issue)
    assert answers[2].end_ns == 2 * HOUR
    assert worker.n_failed == 1


def test_a_worker_that_dies_is_started_anew_and_gets_every_step_since_its_state_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hil.forecaster_process.AGAIN_S", 0.1)
    worker = Worker(str(tmp_path / "died"), forgetful)
    try:
        first = [given(worker), given(worker, 1), given(worker, 2)]
        died = given(worker, 3)
        again = until(worker.look, lambda _: True)
    finally:
        worker.end()
    assert [a.end_ns // HOUR for a in first if isinstance(a, Issue)] == [0, 1, 2]
    assert isinstance(died, Failed)
    assert isinstance(again, Issue)
    assert again.events == ("1", "2", "3")  # its state was that of the start
    assert worker.n_failed == 1


def test_steps_that_were_over_before_the_start_are_learned_from_and_only_the_last_is_issued() -> None:
    worker = Worker("", honest)
    try:
        found = given(worker, 1, 2, 3)
    finally:
        worker.end()
    assert isinstance(found, Issue)
    assert found.events == ("1", "2", "3")


def test_a_worker_that_hangs_is_ended_and_started_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hil.forecaster_process.AGAIN_S", 0.1)
    worker = Worker(str(tmp_path / "hung"), sleepy)
    try:
        given(worker)
        monkeypatch.setattr("hil.forecaster_process.HANG_S", 0.5)
        hung = given(worker, 1)
        monkeypatch.setattr("hil.forecaster_process.HANG_S", 60.0)
        again = given(worker, 2)
    finally:
        worker.end()
    assert hung == Failed("the worker hangs; it is started anew")
    assert isinstance(again, Issue)
    assert again.events == ("1", "2")


def test_what_was_shown_too_late_is_told_once_and_again_to_a_worker_with_an_older_state(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hil.forecaster_process.AGAIN_S", 0.1)
    monkeypatch.setattr("hil.forecaster_process.HOLD_S", 0.0)
    worker = Worker(str(tmp_path / "died"), forgetful)
    try:
        given(worker, 1)
        worker.was_late(Late(HOUR, 2 * HOUR))
        after = given(worker, 2)
        worker.was_late(Late(2 * HOUR, 3 * HOUR))
        assert isinstance(given(worker, 3), Failed)
        again = until(worker.look, lambda _: True)
        last = given(worker, 4)
    finally:
        worker.end()
    assert isinstance(after, Issue) and after.events == ("2", "1 late")
    assert isinstance(again, Issue) and again.events == ("1", "2", "3", "1 late", "2 late")
    assert isinstance(last, Issue) and last.events == ("4",)


def test_the_worker_ends_with_its_process() -> None:
    worker = Worker("", honest)
    given(worker)
    process = worker._process
    worker.end()
    process.join(5.0)
    assert not process.is_alive()
