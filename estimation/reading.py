"""What goes into a scan of the estimator and what comes out of it."""

from __future__ import annotations

import dataclasses as dc

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Bytes = npt.NDArray[np.uint8]


@dc.dataclass(frozen=True, slots=True)
class Reading:
    """The telemetry as it was fetched last, in the order of the core's points.

    Attributes
    ----------
    sim_ns : int
        Simulated time of the scan [ns UTC since 1970].
    values : float64[n]
        In the points' own units; NaN where nothing is known.
    quality : uint8[n]
        Codes of ``rtcore.quality``.
    age_s : float64[n]
        Simulated time since a value was taken [s], by its source's time stamp where there is one, else since
        it was fetched; infinite where none was.
    """

    sim_ns: int
    values: Floats
    quality: Bytes
    age_s: Floats


@dc.dataclass(frozen=True, slots=True)
class Output:
    """Values and qualities of the estimator's points, in their order; in SI units of the attributes."""

    values: Floats
    quality: Bytes
