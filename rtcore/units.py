"""Units that points may carry, with their UNECE common codes (Recommendation 20)."""

from __future__ import annotations

import dataclasses as dc


@dc.dataclass(frozen=True, slots=True)
class Unit:
    """A unit of measurement: display name, UNECE code, meaning."""

    name: str
    unece: str
    description: str

    @property
    def unece_id(self) -> int:
        """OPC UA UnitId: the characters of the UNECE code as one big-endian integer (Part 8, 5.6.3)."""
        return int.from_bytes(self.unece.encode("ascii"), "big")


UNITS = {
    u.name: u
    for u in (
        Unit("", "C62", "one"),
        Unit("V", "VLT", "volt"),
        Unit("kV", "KVT", "kilovolt"),
        Unit("A", "AMP", "ampere"),
        Unit("W", "WTT", "watt"),
        Unit("kW", "KWT", "kilowatt"),
        Unit("var", "D44", "var"),
        Unit("kvar", "KVR", "kilovar"),
        Unit("VA", "D46", "volt - ampere"),
        Unit("kVA", "KVA", "kilovolt - ampere"),
        Unit("Wh", "WHR", "watt hour"),
        Unit("kWh", "KWH", "kilowatt hour"),
        Unit("W/m2", "D54", "watt per square metre"),
        Unit("m", "MTR", "metre"),
        Unit("m/s", "MTS", "metre per second"),
        Unit("deg", "DD", "degree [unit of angle]"),
        Unit("rad", "C81", "radian"),
        Unit("ohm", "OHM", "ohm"),
        Unit("K", "KEL", "kelvin"),
        Unit("h", "HUR", "hour"),
        Unit("Hz/s", "HTZ", "hertz per second"),
        Unit("Hz", "HTZ", "hertz"),
        Unit("s", "SEC", "second [unit of time]"),
        Unit("ms", "C26", "millisecond"),
        Unit("us", "B98", "microsecond"),
        Unit("pu", "C62", "per unit of the stated base"),
        Unit("%", "P1", "percent"),
        Unit("degC", "CEL", "degree Celsius"),
        Unit("tap", "C62", "tap position"),
        Unit("step", "C62", "simulation steps"),
    )
}
