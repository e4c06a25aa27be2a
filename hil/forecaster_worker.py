"""The forecaster's worker: fits and forecasts in a process of its own, behind everybody else.

Fits take seconds of one processor. The forecaster's process, which samples the plant and shows what there
is, must not wait for them; so they are made here, behind everybody else, and what is made goes back by a
pipe.
"""

from __future__ import annotations

import sys
import traceback
from collections.abc import Mapping
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from forecasting.issue import Issue
    from forecasting.service import Service
    from hil.forecaster_memory import Memory


class Closed(NamedTuple):
    """A step is over: its end, and the mean of each target [W], as far as it is known."""

    end_ns: int
    actuals: Mapping[str, float]


class Late(NamedTuple):
    """An issue was shown when the first of its forecasts was already over."""

    end_ns: int
    """The issue's."""
    shown_ns: int
    """Simulated time when it was shown [ns since 1970]."""


class Asked(NamedTuple):
    """What a worker is sent: all steps that are over, perhaps none, and what came too late."""

    steps: tuple[Closed, ...]
    late: tuple[Late, ...]


class Progress(NamedTuple):
    """Past days of which forecasts are made at the start."""

    done: int
    of: int


class Begun(NamedTuple):
    """The start is over: what is known reaches to here [ns since 1970]."""

    end_ns: int


class Failed(NamedTuple):
    """The work on a step failed. The worker ends with it, as some targets may have taken the step."""

    what: str


def work(pipe: Connection, spec_path: str) -> None:
    """Serve until the pipe is closed: take an `Asked`, give an issue."""
    from hil.background import LEAST, SOME, stay_behind
    from hil.runspec import RunSpec
    from hil.supervisor import die_with_parent

    die_with_parent()
    spec = RunSpec.load(Path(spec_path))
    stay_behind(LEAST if spec.core["speed"] == 1.0 else SOME)  # in real time there is an hour for each step
    from hil import kernel_cache
    from hil.forecast_targets import measured_of
    from hil.forecaster_memory import Memory
    from hil.forecaster_setup import make_service
    from hil.settings import read_station
    from rtcore.errors import GridhilError

    kernel_cache.prepare()

    def say(text: str) -> None:
        sys.stderr.write(text + "\n")
        sys.stderr.flush()

    try:
        measured = measured_of(spec, read_station(spec.core["station"]))
        service = make_service(spec, say)
        memory = Memory(spec, measured, service, say)
        memory.begin(lambda done, of: pipe.send(Progress(done, of)))
    except GridhilError as error:
        pipe.send(Failed(str(error)))
        return
    except BrokenPipeError:
        return  # nobody listens any more
    pipe.send(Begun(service.end_ns))
    while True:
        try:
            asked = pipe.recv()
        except EOFError:
            memory.save()
            return
        try:
            pipe.send(_closed(service, memory, asked))
            memory.keep()
        except (OSError, EOFError):
            return  # nobody listens any more
        except Exception as error:  # noqa: BLE001 - the points say that it failed, the log says how
            say(traceback.format_exc())
            pipe.send(Failed(f"{type(error).__name__}: {error}"))
            return


def _closed(service: Service, memory: Memory, asked: Asked) -> Issue:
    """Take steps that are over; what is issued stands on all of them."""
    for late in asked.late:
        service.withdraw(late.end_ns, late.shown_ns)
    if not asked.steps:
        return service.newest()
    *before, last = asked.steps
    missed = memory.missed(asked.steps[0].end_ns, service.step_ns)
    return service.close(last.end_ns, last.actuals, [*missed, *(b.actuals for b in before)])
