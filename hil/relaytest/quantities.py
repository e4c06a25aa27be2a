"""Quantities as an engineer writes them: primary, secondary, or multiples of pickup or nominal.

"600 A"  "0.6 kA"  "7.2 kV"      primary
"7.5 A sec"  "66.4 V sec"        secondary: times the ratio of the CT or VT at the location
"2.5 x"                          times the pickup of the plan's [settings]
"0.9 pu"                         times the nominal voltage, phase to ground
"""

from __future__ import annotations

import dataclasses as dc
import re
from typing import Annotated

from pydantic import BeforeValidator, WithJsonSchema

from hil.relaytest.bench import RelayFacts

FORM = re.compile(
    r"\s*([-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?)\s*(kA|A|kV|V|x|pu)(\s+sec)?\s*", re.IGNORECASE
)
UNITS = {
    "ka": ("i", 1e3),
    "a": ("i", 1.0),
    "kv": ("v", 1e3),
    "v": ("v", 1.0),
    "x": ("x", 1.0),
    "pu": ("pu", 1.0),
}


@dc.dataclass(frozen=True, slots=True)
class Quantity:
    """A current or voltage; ``of`` is i, v, x (of pickup) or pu (of nominal voltage)."""

    text: str
    value: float
    of: str
    is_secondary: bool

    def current_a(self, relay: RelayFacts, pickup_a: float | None) -> float:
        """Return primary amperes; ValueError when it is no current."""
        if self.of == "x":
            if pickup_a is None:
                raise ValueError(f"{self.text!r} is a multiple of pickup; [settings] gives no pickup")
            return self.value * pickup_a
        if self.of != "i":
            raise ValueError(f"{self.text!r} is a voltage; a current is needed, like '600 A' or '2 x'")
        return self.value * (relay.ct_ratio if self.is_secondary else 1.0)

    def voltage_v(self, relay: RelayFacts) -> float:
        """Return primary volts, phase to ground; ValueError when it is no voltage."""
        if self.of == "pu":
            return self.value * relay.v_nominal_v
        if self.of != "v":
            raise ValueError(f"{self.text!r} is no voltage; write it like '7.2 kV', '66 V sec' or '0.9 pu'")
        return self.value * (relay.vt_ratio if self.is_secondary else 1.0)


def parse(text: object) -> Quantity:
    """Return a quantity from its text.

    >>> parse("7.5 A sec").is_secondary
    True
    """
    if isinstance(text, Quantity):
        return text
    match = FORM.fullmatch(text) if isinstance(text, str) else None
    if match is None or (match[3] and match[2].lower() in ("x", "pu")):
        raise ValueError(f"{text!r} is no quantity; write it like '600 A', '7.5 A sec', '2.5 x', '0.9 pu'")
    of, scale = UNITS[match[2].lower()]
    value = float(match[1]) * scale
    if value < 0:
        raise ValueError(f"{text!r} is negative")
    return Quantity(str(text), value, of, match[3] is not None)


QuantityText = Annotated[
    Quantity, BeforeValidator(parse), WithJsonSchema({"type": "string", "pattern": FORM.pattern})
]
