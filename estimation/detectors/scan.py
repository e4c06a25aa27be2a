"""What a detector sees of one scan, and what it says."""

from __future__ import annotations

import dataclasses as dc
import enum
from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


class ChangeKind(enum.StrEnum):
    """Things of the plant that somebody or something moves."""

    BREAKER = "breaker"
    TAP = "tap"
    CAPACITOR = "capacitor"
    SETPOINT = "setpoint"


@dc.dataclass(frozen=True, slots=True)
class Change:
    """One position or setpoint that differs from the scan before.

    Attributes
    ----------
    tag : str
        The point that shows it.
    explained_by : str
        "command", "protection" or "control" where the centre knows why, empty where it does not.
    """

    kind: ChangeKind
    tag: str
    old: float
    new: float
    explained_by: str = ""


@dc.dataclass(frozen=True, slots=True, kw_only=True)
class Scan:
    """One scan of the telemetry as the centre has it, after whatever an attacker did to it.

    Attributes
    ----------
    t_s : float
        Time of the scan [s], after any fixed instant.
    z : float64[m]
        Values of the channels, SI; NaN where there is none.
    age_s : float64[m]
        Age of each value by its time stamp [s]: a channel fetched now has an age below one scan.
    changes : sequence of Change
        What moved since the scan before.
    nu : float64[m] or None
        Normalised innovation of every channel (``prediction``), NaN where there is none.
    is_new : bool[m] or None
        Channels whose time stamp has moved since the scan before (``bank``).
    j, dof, lnr : float
        Objective, degrees of freedom and largest normalised residual of the estimate of this
        scan; NaN where there is none.
    lnr_channel : int
        Channel of the largest normalised residual, -1 where there is none.
    """

    t_s: float
    z: Floats
    age_s: Floats
    changes: Sequence[Change] = ()
    nu: Floats | None = None
    is_new: Bools | None = None
    j: float = np.nan
    dof: float = np.nan
    lnr: float = np.nan
    lnr_channel: int = -1

    @property
    def is_switched(self) -> bool:
        """Tell whether anything moved: electrical quantities may have jumped for a good reason."""
        return len(self.changes) > 0


class Statistic(Protocol):
    """A number per scan that is large when something is wrong. Its history does not depend on a threshold.

    That it does not is what makes one pass over clean scans enough to find a threshold, and one
    pass over attacked ones enough for a whole ROC curve.
    """

    name: str

    def update(self, scan: Scan) -> tuple[float, tuple[int, ...]]:
        """Take one scan; return the value and the channels that it points to."""
        ...


@dc.dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """What the channels are, as far as detectors care.

    Attributes
    ----------
    names : sequence of str
    groups : mapping
        Name -> channels that belong together (one kind of quantity of one device).
    quantum : float64[m]
        Resolution of each channel, or the band below its cut-off where that is wider [SI]; 0: none.
    period_s : float64[m]
        How often each is fetched [s]; 0: with every scan.
    """

    names: Sequence[str]
    groups: Mapping[str, Ints]
    quantum: Floats
    period_s: Floats

    @property
    def m(self) -> int:
        """Number of channels."""
        return len(self.names)
