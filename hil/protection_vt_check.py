"""Check of a protection scheme: do the voltage elements look at phases that their bus has?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rtcore.network.admittance import node_table
from rtcore.network.model import Network
from rtcore.protection.scheme import Element, Relay, Scheme
from rtcore.protection.voltages import PHASES, POSITIVE, VOLTAGES

FUNCTIONS = ("undervoltage_27", "overvoltage_59")
LETTERS = "abc"


def missing_phases(scheme: Scheme, network: Network) -> Iterator[tuple[str, str]]:
    """Yield (place, what is wrong) of every element that needs a phase its bus has not."""
    there: dict[str, int] = {}
    for name in node_table(network).names:
        bus, number = name.rsplit(".", 1)
        there[bus] = there.get(bus, 0) | (1 << int(number) - 1 if int(number) <= len(LETTERS) else 0)
    for relay in scheme.relays:
        if relay.vt_bus in there:
            for element in relay.elements:
                yield from _of_element(relay, element, there[relay.vt_bus])


def _of_element(relay: Relay, element: Element, there: int) -> Iterator[tuple[str, str]]:
    if element.function not in FUNCTIONS:
        return
    for number, settings in enumerate(element.settings, 1):
        needed = _needed(settings) if settings is not None else 0
        if needed & ~there:
            group = f"groups.{number}." if number > 1 else ""
            what = f"looks at phases {_letters(needed)}; bus {relay.vt_bus} has {_letters(there) or 'none'}"
            yield f"relay.{relay.name}.{group}{element.name}", f"{what}; set phases"


def _needed(settings: Any) -> int:
    """Return the phases that an element looks at: bits 1, 2, 4."""
    quantity = VOLTAGES.get(settings.quantity, settings.quantity)
    return 7 if quantity >= POSITIVE else int(PHASES.get(settings.phases, settings.phases))


def _letters(mask: int) -> str:
    return ", ".join(letter for k, letter in enumerate(LETTERS) if mask >> k & 1)
