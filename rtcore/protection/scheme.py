"""A protection scheme as plain frozen data: relays, their elements, settings groups, trip matrix.

No state and no files here: ``hil.protection_files`` reads one, the assembly builds rows from it.
An element's settings are parameter objects of its function's kind, in primary amperes and volts.
"""

from __future__ import annotations

import dataclasses as dc
from typing import Any


@dc.dataclass(frozen=True, slots=True, kw_only=True)
class Element:
    """One function of one relay.

    Attributes
    ----------
    function : str
        Component kind, "overcurrent_51".
    trips : tuple of str
        Breakers it trips.
    direction : str
        Directional element (67) of the same relay whose forward direction permits this one, "-name"
        for its reverse direction, "" for neither.
    starts_79, starts_bf, locks_out : bool
        Whether its trip starts the recloser, the breaker failure function, the lockout (86).
    settings : tuple
        Parameter object of every settings group, group 1 first.
    """

    name: str
    function: str
    trips: tuple[str, ...] = ()
    direction: str = ""
    starts_79: bool = False
    starts_bf: bool = False
    locks_out: bool = False
    settings: tuple[Any, ...]


@dc.dataclass(frozen=True, slots=True, kw_only=True)
class Relay:
    """One relay.

    Attributes
    ----------
    breaker : str
        Its own breaker, "" none; no two relays have the same.
    terminal : str
        Where its CTs are, "switch.cb_201@1"; "" none.
    vt_bus : str
        Bus of its VTs; "" none.
    group : int
        Settings group in force at the start, 1 or above.
    inputs : object
        Parameters of its instrument transformers (kind "relay_inputs").
    """

    name: str
    breaker: str = ""
    terminal: str = ""
    vt_bus: str = ""
    group: int = 1
    inputs: Any
    elements: tuple[Element, ...] = ()

    @property
    def n_groups(self) -> int:
        """Number of settings groups, the same for all elements."""
        return max((len(e.settings) for e in self.elements), default=1)

    def of(self, function: str) -> tuple[Element, ...]:
        """Return the elements of one function."""
        return tuple(e for e in self.elements if e.function == function)


@dc.dataclass(frozen=True, slots=True, kw_only=True)
class Scheme:
    """All relays of a network, in file order."""

    name: str
    title: str = ""
    relays: tuple[Relay, ...] = ()

    def elements(self) -> list[tuple[Relay, Element]]:
        """Return every element with its relay."""
        return [(relay, element) for relay in self.relays for element in relay.elements]
