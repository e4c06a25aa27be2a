"""What a link to a device under test can do, and how it can fail. Pure: no sockets.

A link carries out one exchange at a time: it writes what the plant shows and reads what the device
puts out. Everything that a device can do wrong becomes one of the kinds of ``LinkError``.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from typing import Protocol


class Fault(enum.StrEnum):
    """What was wrong with an answer."""

    TIMEOUT = "timeout"
    """None came in time."""
    REFUSED = "refused"
    """The device answered with an exception code or a bad status."""
    GARBAGE = "garbage"
    """It is no answer to the request: length, function or header."""
    CLOSED = "closed"
    """There is no connection, or it ended."""


class LinkError(Exception):
    """An exchange that failed, as a whole or in part.

    Parameters
    ----------
    fault : Fault
        What kind of failure.
    what : str
        One line for people, with the place on the device.
    """

    def __init__(self, fault: Fault, what: str) -> None:
        self.fault = fault
        super().__init__(what)


class Link(Protocol):
    """One device, however it is reached."""

    address: str
    """Where it is, for people and records."""
    n_clamped: int
    """Values that were beyond the range of their place."""

    @property
    def n_late(self) -> int:
        """Answers that came after their time was over; they are thrown away."""

    async def connect(self) -> None:
        """Open the connection; LinkError within bounded time when it cannot be had."""

    async def exchange(self, values: Sequence[float | None]) -> tuple[list[float | None], list[LinkError]]:
        """Write one value for each place of the plan, then read every place to be read.

        Parameters
        ----------
        values : sequence of float or None
            Raw values in the order of the places to be written; None leaves a place as it is.

        Returns
        -------
        read : list of float or None
            Raw values in the order of the places to be read; None where no answer came.
        faults : list of LinkError
            What failed. Empty: the exchange is whole.

        Raises
        ------
        LinkError
            The connection is of no more use and must be closed.
        """

    async def close(self) -> None:
        """Give the connection up; never fails, never takes long."""
