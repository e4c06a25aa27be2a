"""Section meters of iowa240: behind heads, breakers and reclosers, and where the feeders part, about one for
every dozen services. Rows of the point list; ``iowa_protection`` writes them behind its own.

They measure all three phases: a line end or the source side of a switch, with the voltage of the same bus.
At breakers and reclosers there are two with nothing between them that takes power (main and check meter):
only there is reactive power measured twice, so that a gross error in it can be told.
"""

from __future__ import annotations

from hil.importers.protection_points import device

TEMPLATE = "section_meter"
FIRST_REGISTER, SPAN = 5000, 40
"""Behind the service meters, with room for as many as there will be."""

FEEDERS = {"FDR_A": 2, "FDR_B": 3, "FDR_C": 4}
"""First level of the tags and Modbus unit."""

SITES = {
    "FDR_A": (
        ("1001", "line.l_1001_1002@1", "bus1001"),
        ("1006", "switch.rcl_1006@1", "bus1005"),
        ("1006_2", "line.l_1005_1006@1", "rcl_1006_load_side"),
    ),
    "FDR_B": (
        ("2001", "line.l_2001_2002@1", "bus2001"),
        ("2013", "switch.cb_202@1", "bus2012"),
        ("2026", "switch.cb_203@1", "bus2021"),
        ("2042", "line.l_2039_2042@1", "bus2039"),
        ("2012", "line.l_2011_2012@1", "bus2011"),
        ("2027", "line.l_2026_2027@1", "bus2026"),
    ),
    "FDR_C": (
        ("3001", "line.l_3001_3003@1", "bus3001"),
        ("3022", "line.l_3015_3022@1", "bus3015"),
        ("3031", "line.l_3030_3031@1", "bus3030"),
        ("3035", "line.l_3030_3035@1", "bus3030"),
        ("3040", "line.l_3030_3040@1", "fuse_3040_load_side"),
        ("3053", "line.l_3039_3053@1", "bus3039"),
        ("3076", "switch.cb_302@1", "bus3075"),
        ("3092", "line.l_3082_3092@1", "fuse_3092_load_side"),
        ("3107", "switch.rcl_3107@1", "bus3082"),
        ("3118", "line.l_3107_3118@1", "bus3107"),
        ("3075", "line.l_3068_3075@1", "bus3068"),
        ("3107_2", "line.l_3082_3107@1", "rcl_3107_load_side"),
    ),
}
"""Feeder -> name (the section behind it), terminal, bus. New ones come last: addresses are never moved."""


def devices() -> list[dict[str, str]]:
    """Return the rows of devices.csv."""
    return [
        device(f"{feeder}.SM_{name}", TEMPLATE, "", FEEDERS[feeder], ir=FIRST_REGISTER + SPAN * k)
        | {"terminal": terminal, "bus": bus}
        for feeder, sites in SITES.items()
        for k, (name, terminal, bus) in enumerate(sites)
    ]
