"""Services of a station beside its points, as OPC UA methods: what they take and give. Pure.

They stand in one object, ``ns=2;s=services``. What computes them is a ``Services``, handed to the server:
``protocols`` knows nothing of records or files.
"""

from __future__ import annotations

import dataclasses as dc
from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from protocols import opcua_space as space
from protocols.alarm_book import AlarmBook
from protocols.opcua_array_list import Arrays
from protocols.opcua_space import Argument, Node
from protocols.roles import OBSERVER, OPERATOR
from protocols.trend import Trend

OBJECT = "services"
NEWEST = 2**64 - 1
"""``SinceSeq`` of ReadEvents that asks for the newest ones."""
EVENTS_MAX, TREND_MAX = 1000, 10_000
"""Most rows of one ReadEvents, most values of one ReadTrend."""
TAGS_MAX, COMMENT_MAX = 5000, 256
"""Most tags of one Acknowledge, most characters of its comment."""


class Refusal(Exception):
    """A service cannot be had now; ``status`` is the name of an OPC UA status code."""

    def __init__(self, status: str, text: str = "") -> None:
        super().__init__(text or status)
        self.status = status


class Services(Protocol):
    """What a server needs to serve them; every method may raise ``Refusal``.

    ``status``, ``events`` and ``test_bench`` are called in a worker thread, one call at a time.
    """

    alarms: AlarmBook
    arrays: Arrays

    def model(self) -> bytes:
        """Return the station's model, compressed."""

    def status(self, sessions: Sequence[dict[str, Any]]) -> str:
        """Return what is no point, as JSON; ``sessions`` are those of the server."""

    def events(self, since: int, n: int) -> tuple[int, str]:
        """Return the number of the last event given and up to ``n`` events after ``since``, as JSON."""

    def test_bench(self) -> str:
        """Return how the relay test stands that runs or ran last, as JSON."""

    def swept(self, values: npt.NDArray[np.float64], quality: npt.NDArray[np.uint8], utc_ns: int) -> None:
        """Take the image of a sweep [ns since 1970 UTC]; called in the server's own thread."""

    async def trend(self, tag: str, from_ns: int, to_ns: int, n: int) -> Trend:
        """Return up to ``n`` values of a point between two instants [ns since 1970 UTC]."""


@dc.dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """One method."""

    name: str
    description: str
    inputs: tuple[Argument, ...] = ()
    outputs: tuple[Argument, ...]
    role: str = OBSERVER

    @property
    def key(self) -> str:
        """Identifier of its node."""
        return f"{OBJECT}.{self.name}"


def _argument(name: str, data_type: int, description: str, *, is_array: bool = False) -> Argument:
    return Argument(name, data_type, description, is_array)


SERVICES = (
    Service(
        name="ReadModel",
        description="what the station consists of: points, network, relays; the same for a whole run",
        outputs=(_argument("Model", space.BYTE_STRING, "JSON in UTF-8, compressed by zlib"),),
    ),
    Service(
        name="ReadStatus",
        description="processes, sessions, newest commands, real-time loop, recorder",
        outputs=(_argument("Status", space.STRING, "JSON"),),
    ),
    Service(
        name="ReadAlarms",
        description="alarms that are there or wait to be acknowledged",
        outputs=(
            _argument("Alarms", space.STRING, "JSON, a list, the severest and newest first"),
            _argument("Number", space.UINT64, "grows with every change"),
        ),
    ),
    Service(
        name="Acknowledge",
        description="acknowledges alarms; recorded with who did it before it takes effect",
        inputs=(
            _argument("Tags", space.STRING, f"tags of alarms, {TAGS_MAX} at most; none: all", is_array=True),
            _argument("Comment", space.STRING, f"{COMMENT_MAX} characters at most"),
        ),
        outputs=(
            _argument("Result", space.STRING, "what was done, in words"),
            _argument("Count", space.UINT32, "how many were acknowledged"),
        ),
        role=OPERATOR,
    ),
    Service(
        name="ReadEvents",
        description="the recorder's sequence of events of this run",
        inputs=(
            _argument("SinceSeq", space.UINT64, "number of the last event known; 2^64-1: the newest ones"),
            _argument("N", space.UINT32, f"most rows, 1 to {EVENTS_MAX}"),
        ),
        outputs=(
            _argument("LastSeq", space.UINT64, "number of the last row; without rows of the newest event"),
            _argument("Events", space.STRING, "JSON, a list, oldest first"),
        ),
    ),
    Service(
        name="ReadTrend",
        description="what the recorder kept of a point, thinned so that peaks stay",
        inputs=(
            _argument("Tag", space.STRING, "point"),
            _argument("From", space.DATE_TIME, "first instant, UTC"),
            _argument("To", space.DATE_TIME, "last instant, UTC"),
            _argument("N", space.UINT32, f"most values, 2 to {TREND_MAX}"),
        ),
        outputs=(
            _argument("Times", space.DATE_TIME, "UTC", is_array=True),
            _argument("Values", space.DOUBLE, "in the point's unit", is_array=True),
            _argument("Qualities", space.BYTE, "below 64 good, 128 and above bad", is_array=True),
        ),
    ),
    Service(
        name="ReadTestBench",
        description="the relay test that runs, or ran last",
        outputs=(_argument("State", space.STRING, "JSON; {} for none"),),
    ),
)


def nodes(station: str) -> Iterator[Node]:
    """Yield the object and its methods, parents first."""
    yield Node(
        key=OBJECT,
        node_class="Object",
        name="Services",
        parent=space.root_of(station),
        reference=space.HAS_COMPONENT,
        type_key=space.BASE_OBJECT_TYPE,
        description="what a console needs beside the points",
    )
    for service in SERVICES:
        yield Node(
            key=service.key,
            node_class="Method",
            name=service.name,
            parent=OBJECT,
            reference=space.HAS_COMPONENT,
            description=service.description,
        )
        if service.inputs:
            yield space.property_of(
                service.key, "InputArguments", space.ARGUMENT, service.inputs, is_array=True
            )
        yield space.property_of(
            service.key, "OutputArguments", space.ARGUMENT, service.outputs, is_array=True
        )
