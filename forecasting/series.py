"""An equidistant series of one quantity, with the clock of the place it was measured at."""

from __future__ import annotations

import dataclasses as dc
from collections.abc import Mapping
from functools import cached_property

import numpy as np
import numpy.typing as npt

from rtcore.clock import NS_PER_HOUR

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
NS_PER_DAY = 24 * NS_PER_HOUR


@dc.dataclass(frozen=True)
class Series:
    """One quantity in equal steps.

    A row is the mean over [start, start + step) and is known when that is over; so row ``o`` being the last
    known one means that the time is ``o + 1`` steps after the start.

    Parameters
    ----------
    name : str
        For messages.
    start_ns, step_ns : int
        UTC of row 0 and length of a row [ns]; a day is a whole number of rows.
    values : ndarray, shape (n,)
        Unit of the source; NaN where there is none.
    zone : str
        ``-06:00`` or the IANA name of a time zone: hour of day, weekday and holidays follow its clock.
    exogenous : mapping of str to ndarray, shape (n,)
        What else is known up to the same row, for instance ``temperature_degc``.
    holidays : frozenset of int
        Local days since 1970-01-01 that are like Sundays.
    """

    name: str
    start_ns: int
    step_ns: int
    values: Floats
    zone: str = "+00:00"
    exogenous: Mapping[str, Floats] = dc.field(default_factory=dict)
    holidays: frozenset[int] = frozenset()

    def __post_init__(self) -> None:
        """Refuse steps that no day is made of, and columns of another length."""
        if self.step_ns <= 0 or NS_PER_DAY % self.step_ns:
            raise ValueError(f"a day is no whole number of steps of {self.step_ns} ns")
        if any(len(x) != len(self.values) for x in self.exogenous.values()):
            raise ValueError("an exogenous column has another length than the series")

    def __len__(self) -> int:
        """Number of rows."""
        return len(self.values)

    @property
    def per_day(self) -> int:
        """Rows a day: 24 of an hourly series."""
        return NS_PER_DAY // self.step_ns

    @property
    def base(self) -> int:
        """Steps from 1970 to row 0: a row plus this is the same moment in every cut of the series."""
        return self.start_ns // self.step_ns

    def before(self, end: int) -> Series:
        """Return the rows before ``end``: what is known when row ``end`` begins."""
        cut = {name: x[:end] for name, x in self.exogenous.items()}
        return dc.replace(self, values=self.values[:end], exogenous=cut)

    def since(self, first: int) -> Series:
        """Return the rows from ``first`` on."""
        cut = {name: x[first:] for name, x in self.exogenous.items()}
        start_ns = self.start_ns + first * self.step_ns
        return dc.replace(self, start_ns=start_ns, values=self.values[first:], exogenous=cut)

    @cached_property
    def filled(self) -> Floats:
        """Values with every gap filled from the past alone: see `fill`."""
        return fill(self.values, self.per_day)

    def filled_exogenous(self, name: str) -> Floats:
        """Return an exogenous column with its gaps filled likewise."""
        return fill(self.exogenous[name], self.per_day)


def fill(values: Floats, per_day: int) -> Floats:
    """Return values with NaN replaced by that of a week, a day, a row before, whichever is known first.

    Only rows before are used, so that what a forecast is made from never depends on what came after it.
    Filled values are inputs; they are never learned as targets and never scored. Rows before the first
    known one take its value, which is the one thing known of them.
    """
    holes = np.flatnonzero(np.isnan(values))
    if len(holes) == 0:
        return values
    out = values.copy()
    known = np.flatnonzero(~np.isnan(values))
    if len(known) == 0:
        return np.zeros_like(values)
    out[: known[0]] = values[known[0]]
    for row in holes[holes > known[0]]:
        back = next(k for k in (7 * per_day, per_day, 1) if row - k >= known[0])
        out[row] = out[row - back]
    return out
