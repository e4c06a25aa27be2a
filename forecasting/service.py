"""The forecast service of one station: every step it learns what came, scores, and issues what will come."""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import numpy as np

from forecasting import fallback
from forecasting.issue import Issue, TargetIssue
from forecasting.load_forecaster import LoadForecaster
from forecasting.series import NS_PER_DAY
from forecasting.solar import SolarForecaster
from forecasting.target import LoadTarget, SolarTarget

VERSION = 1
"""Of the state."""
TICKS = 100
"""A load's share of the warm-up."""

Forecaster = LoadForecaster | SolarForecaster


class Service:
    """Forecasts of all targets of a station.

    Parameters
    ----------
    loads : sequence of LoadTarget
    solars : sequence of SolarTarget
    step_ns : int
        Length of a step; a day is a whole number of them [ns].
    start_ns : int
        Where the run begins: histories end here or earlier [ns since 1970].
    scored : sequence of int
        Horizons with scores and a choice of model of their own, up to a day [steps].
    rng : numpy.random.Generator
        Of the networks' initial weights and the order of what they learn.
    choice : str
        ``hybrid``: issued unless it is clearly worse than another; ``best``: what was best in the last weeks.
    say : callable
        Hears once of each kind of value that is not taken as it is.
    clock_s : callable
        Processor time [s].

    Raises
    ------
    ValueError
        Names given twice; a history in other steps, off the grid, or reaching beyond ``start_ns``.
    """

    def __init__(
        self,
        loads: Sequence[LoadTarget],
        solars: Sequence[SolarTarget],
        *,
        step_ns: int,
        start_ns: int,
        scored: Sequence[int] = (1, 6, 24),
        rng: np.random.Generator,
        choice: Literal["hybrid", "best"] = "hybrid",
        say: Callable[[str], None],
        clock_s: Callable[[], float] = time.process_time,
    ) -> None:
        bands = tuple(sorted({int(h) for h in scored}))
        _check([*loads, *solars], step_ns, start_ns, bands)
        leave, back = (fallback.LEAVE, fallback.RETURN) if choice == "hybrid" else (0.0, 0.0)
        self._step_ns, self._end_ns, self._clock_s = step_ns, start_ns, clock_s
        self._loads = [
            LoadForecaster(
                target,
                step_ns=step_ns,
                start_ns=start_ns,
                bands=bands,
                rng=own,
                say=say,
                leave=leave,
                back=back,
            )
            for target, own in zip(loads, rng.spawn(len(loads)), strict=True)
        ]
        self._suns = [
            SolarForecaster(
                target, step_ns=step_ns, start_ns=start_ns, bands=bands, say=say, leave=leave, back=back
            )
            for target in solars
        ]
        self._forecasters: list[Forecaster] = [*self._loads, *self._suns]
        self._count, self._fit_s = 0, math.nan
        self.key = _digest(loads, solars, step_ns, start_ns, bands, choice)
        """What a state must be of to be restored."""

    @property
    def step_ns(self) -> int:
        """Length of a step [ns]."""
        return self._step_ns

    @property
    def end_ns(self) -> int:
        """End of the last step that was closed, at first where the run begins [ns since 1970]."""
        return self._end_ns

    def warm_up(self, progress: Callable[[int, int], None] | None = None) -> None:
        """Forecast the last weeks of the histories, so that weights and intervals are known at once.

        Parameters
        ----------
        progress : callable, optional
            Told (done, total).
        """
        total = TICKS * len(self._loads)
        for k, load in enumerate(self._loads):

            def tick(share: float, k: int = k) -> None:
                if progress is not None:
                    progress(TICKS * k + int(TICKS * share), total)

            load.warm_up(tick)

    def close(
        self,
        end_ns: int,
        actuals: Mapping[str, float],
        missed: Sequence[Mapping[str, float]] | None = None,
    ) -> Issue:
        """Take the means of the step that is over and forecast a day of steps.

        Parameters
        ----------
        end_ns : int
            End of the step [ns since 1970]; steps since the last one are missing ones, unless given.
        actuals : mapping of str to float
            By target [W]; a missing name, or NaN, is not known.
        missed : sequence of mapping, optional
            Likewise of the steps since the last one, oldest first: they are learned from, and nothing was
            issued in them.

        Raises
        ------
        ValueError
            A step that was closed before, or one off the grid.
        """
        steps, off = divmod(end_ns - self._end_ns, self._step_ns)
        if off or steps < 1:
            raise ValueError(
                f"the step before ended at {self._end_ns} ns; none of {self._step_ns} ns at {end_ns}"
            )
        if missed is not None and len(missed) != steps - 1:
            raise ValueError(f"{len(missed)} steps were missed, not {steps - 1}")
        begin_s = self._clock_s()
        events = list[str]()
        gap: Sequence[Mapping[str, float]] = [{}] * (steps - 1)
        for one in (*(missed or gap), actuals):
            for forecaster in self._all:
                events += forecaster.close(float(one.get(forecaster.name, math.nan)))
        self._end_ns, self._count = end_ns, self._count + 1
        return self._issue(events, begin_s)

    def withdraw(self, end_ns: int, shown_ns: int) -> None:
        """Score only those of an issue's forecasts whose steps were not over when it was shown.

        Parameters
        ----------
        end_ns : int
            The issue's [ns since 1970].
        shown_ns : int
            When it was first shown [ns since 1970].
        """
        end = end_ns // self._step_ns
        for forecaster in self._all:
            forecaster.withdraw(end, end + (shown_ns - end_ns) // self._step_ns)

    def newest(self) -> Issue:
        """Return what is issued from what is known now: where a run begins, and after a restart."""
        return self._issue([], self._clock_s())

    def _issue(self, events: list[str], begin_s: float) -> Issue:
        fit_s = 0.0
        for load in self._loads:
            if load.is_due():
                fit_begin_s = self._clock_s()
                events += load.fit()
                fit_s += self._clock_s() - fit_begin_s
        if fit_s > 0.0:
            self._fit_s = fit_s
        targets = {f.name: self._target_issue(f, events) for f in self._all}
        fitted = [f.fitted for f in self._loads if f.fitted is not None]
        trained = [f.trained for f in self._loads if f.trained is not None]
        return Issue(
            end_ns=self._end_ns,
            step_ns=self._step_ns,
            targets=targets,
            events=tuple(events),
            count=self._count,
            fitted_ns=self._ns(min(fitted, default=None)),
            trained_ns=self._ns(max(trained, default=None)),
            history_h=max((f.history_h for f in self._loads), default=0.0),
            issue_s=self._clock_s() - begin_s - fit_s,
            fit_s=self._fit_s,
        )

    @property
    def _all(self) -> list[Forecaster]:
        return [*self._loads, *self._suns]

    def state(self) -> dict[str, Any]:
        """Return all that was learned and issued, as JSON can hold it."""
        return {
            "version": VERSION,
            "step_ns": self._step_ns,
            "end_ns": self._end_ns,
            "count": self._count,
            "fit_s": None if math.isnan(self._fit_s) else self._fit_s,
            "loads": {f.name: f.state() for f in self._loads},
            "solars": {f.name: f.state() for f in self._suns},
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a state of a service with the same targets: forecasts and scores are the same.

        Raises
        ------
        ValueError
            Another version, other targets or other steps.
        """
        if state.get("version") != VERSION or state.get("step_ns") != self._step_ns:
            raise ValueError("the forecaster's state was kept by another version, or has other steps")
        names = [f.name for f in self._loads], [f.name for f in self._suns]
        if (list(state["loads"]), list(state["solars"])) != names:
            raise ValueError("the forecaster's state is of other targets")
        for load in self._loads:
            load.restore(state["loads"][load.name])
        for sun in self._suns:
            sun.restore(state["solars"][sun.name])
        self._end_ns, self._count = int(state["end_ns"]), int(state["count"])
        self._fit_s = math.nan if state["fit_s"] is None else float(state["fit_s"])

    def _target_issue(self, forecaster: Forecaster, events: list[str]) -> TargetIssue:
        made, changed = forecaster.issue()
        events += changed
        is_drift, drift = forecaster.drift
        other = np.flatnonzero(made.picked > 0)
        known = forecaster.known_end
        return TargetIssue(
            actual_w=forecaster.last_actual_w(),
            known_ns=self._ns(known),
            forecast_w=made.forecast_w,
            low_w=made.low_w,
            high_w=made.high_w,
            models=made.numbers,
            model=int(made.numbers[other[0] if len(other) else 0]),
            state=forecaster.state_of(made),
            is_fallback=made.is_fallback,
            is_drift=is_drift,
            drift=drift,
            scores=forecaster.scores(),
        )

    def _ns(self, row: int | None) -> int | None:
        """Return when a row begins, given in steps since 1970 [ns since 1970]."""
        return None if row is None else row * self._step_ns + self._end_ns % self._step_ns


def _check(
    targets: Sequence[LoadTarget | SolarTarget], step_ns: int, start_ns: int, bands: Sequence[int]
) -> None:
    if step_ns <= 0 or NS_PER_DAY % step_ns:
        raise ValueError(f"a day is no whole number of steps of {step_ns} ns")
    if not bands or bands[0] < 1 or bands[-1] > NS_PER_DAY // step_ns:
        raise ValueError(f"scored horizons are 1 to {NS_PER_DAY // step_ns} steps, not {list(bands)}")
    names = [t.name for t in targets]
    for name in sorted({n for n in names if names.count(n) > 1}):
        raise ValueError(f"two targets are called {name!r}")


def _digest(
    loads: Sequence[LoadTarget],
    solars: Sequence[SolarTarget],
    step_ns: int,
    start_ns: int,
    bands: Sequence[int],
    choice: str,
) -> str:
    """Return a checksum of everything that a service begins with, but for shipped models."""
    digest = hashlib.sha256(repr((step_ns, start_ns, tuple(bands), choice)).encode())
    for load in loads:
        digest.update(repr((load.name, load.history.start_ns, load.history.zone)).encode())
        digest.update(np.ascontiguousarray(load.history.values).tobytes())
    digest.update(repr([(s.name, s.rated_w) for s in solars]).encode())
    return digest.hexdigest()
