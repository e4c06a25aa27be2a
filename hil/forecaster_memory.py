"""What the forecaster has learned, kept where its process finds it after a restart.

Two files in the station's folder: the state of the run, and that at a run's start, which is the same in every
run that begins at the same time with the same history and takes a minute to make.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from importlib import metadata

import numpy as np

from forecasting.service import Service
from hil import damage
from hil.forecast_targets import Measured
from hil.recorder import run_folder
from hil.runspec import RunSpec
from hil.state_file import StateFile
from hil.trend_history import step_means
from rtcore.errors import UserInputError

VERSION = 1
PAUSE_S = 20.0
"""Least time between two writes [s]."""
AT_START, IN_RUN = "forecaster-start.json.gz", "forecaster-state.json.gz"


class Memory:
    """Keeps the state of one service.

    Parameters
    ----------
    measured : Measured
        What targets are made of.
    say : callable
        Takes what goes wrong with the files, in words; nothing of it ends the forecaster.
    clock_s : callable
        Monotonic time [s].
    """

    def __init__(
        self,
        spec: RunSpec,
        measured: Measured,
        service: Service,
        say: Callable[[str], None],
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._spec, self._measured = spec, measured
        self._service, self._say, self._clock_s = service, say, clock_s
        fresh = {"version": VERSION, "gridhil": metadata.version("gridhil"), "service": service.key}
        self._start = StateFile(spec.state_dir / AT_START, fresh)
        self._run = StateFile(spec.state_dir / IN_RUN, fresh | {"run": spec.core["run_id"]})
        self._saved_s = clock_s()

    def begin(self, progress: Callable[[int, int], None]) -> None:
        """Bring the service to where it was, or to where a run starts."""
        for file in (self._run, self._start):
            state = file.read(self._say)
            if state is not None:
                try:
                    self._service.restore(state)
                except (ValueError, KeyError, TypeError) as error:
                    self._say(f"{file.path}: not taken: {damage.words_of(error)}")
                    continue
                return
        self._service.warm_up(progress)
        self._start.write(self._service.state(), self._say)

    def missed(self, end_ns: int, step_ns: int) -> list[Mapping[str, float]]:
        """Return what was measured in the steps before one that this process did not see, from the record.

        Parameters
        ----------
        end_ns : int
            End of a step that is over now [ns since 1970].

        Returns
        -------
        list of mapping
            By target [W], oldest first; with nothing in it where nothing is on record.
        """
        begin_ns = self._service.end_ns
        count = (end_ns - begin_ns) // step_ns - 1
        unknown = list[Mapping[str, float]]([{}] * count)
        if count < 1 or not self._spec.recorder:
            return unknown
        tags = [p.tag for p in self._spec.points[: self._spec.n_core]]
        at = np.unique(np.concatenate(self._measured.points))
        try:
            means = step_means(
                run_folder.folder_of(self._spec),
                [tags[k] for k in at],
                begin_ns,
                begin_ns + count * step_ns,
                step_ns,
            )
        except UserInputError as error:
            self._say(f"steps that were missed are not known: {error}")
            return unknown
        values = np.full((count, len(tags)), np.nan)
        values[:, at] = means
        watts = [self._measured.take(row, np.isfinite(row)) for row in values]
        return [dict(zip(self._measured.names, row.tolist(), strict=True)) for row in watts]

    def keep(self) -> None:
        """Write the state when it is time."""
        if self._clock_s() - self._saved_s >= PAUSE_S:
            self.save()

    def save(self) -> None:
        """Write the state, whole or not at all."""
        self._run.write(self._service.state(), self._say)
        self._saved_s = self._clock_s()
