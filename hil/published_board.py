"""The board of a process beside the core: points of another process than the plant's."""

from __future__ import annotations

import mmap
import time

import numpy as np
import numpy.typing as npt

from hil import segment
from hil.point_units import factors
from hil.runspec import RunSpec
from rtcore import board as bd
from rtcore.published import Layout
from rtcore.quality import BAD_FROM, Quality

Floats = npt.NDArray[np.float64]
Qualities = npt.NDArray[np.uint8]


class PublishedBoard:
    """A board that one process writes.

    Parameters
    ----------
    publisher : str
        See ``hil.publishers``.
    period_ns : int
        Time between two images [ns]; readers take an image for old after three.

    Attributes
    ----------
    layout : Layout
        Where its attributes stand.
    n_images : int
        Images written so far.
    """

    def __init__(self, spec: RunSpec, publisher: str, period_ns: int) -> None:
        points = spec.points_of(publisher)
        self.layout = Layout(points)
        n = len(points)

        def prepare(memory: mmap.mmap) -> None:
            board = bd.Board(memory, n)
            board.format(generation=time.monotonic_ns())
            board.ctl[bd.CTL_PERIOD_NS] = period_ns

        self._board = bd.Board(segment.create(spec.board_of(publisher), bd.board_bytes(n), prepare), n)
        self._image, self.n_images = bd.blank_image(n), 0
        self._factors = factors(points)
        self._sim_ns = 0

    def publish(self, values: Floats, quality: Qualities, sim_ns: int) -> None:
        """Show values of attributes (SI units); what is not a number is Bad.

        Parameters
        ----------
        sim_ns : int
            Simulated time that they are of [ns UTC since 1970].
        """
        good = np.isfinite(values)
        self._image.values[:] = np.where(good, values, 0.0) * self._factors
        self._image.quality[:] = np.where(good, quality, np.maximum(quality, BAD_FROM))
        self.write(sim_ns)

    def publish_failure(self, sim_ns: int, place: int, value: float, age: int = -1) -> None:
        """Show that the work failed: all is Bad with its last value, but one attribute that says why.

        Parameters
        ----------
        place : int
            Where that stands; -1: it has no point.
        age : int
            Where an age stands, which goes on; -1: it has no point.
        """
        self._image.quality[:] = int(Quality.BAD)
        if age >= 0:
            self._image.values[age] += (sim_ns - self._sim_ns) * 1e-9 * self._factors[age]
        if place >= 0:
            self._image.values[place] = value
            self._image.quality[place] = int(Quality.GOOD)
        self.write(sim_ns)

    def write(self, sim_ns: int) -> None:
        """Write the image once more, as of now."""
        now_ns = time.monotonic_ns()
        meta = self._image.meta
        meta[bd.M_STEP], meta[bd.M_UTC_NS], meta[bd.M_MONO_NS] = self.n_images, time.time_ns(), now_ns
        meta[bd.M_SIM_NS], meta[bd.M_DT_NS] = sim_ns, self._board.ctl[bd.CTL_PERIOD_NS]
        self._board.ctl[bd.CTL_BEAT_NS] = now_ns
        self._board.publish(self.n_images, self._image)
        self.n_images += 1
        self._sim_ns = sim_ns
