"""Plans for the tests, as a user would write them."""

from __future__ import annotations

from pathlib import Path

from hil.relaytest.plan import Plan, read_plan
from tests.unit.hil.relaytest.sim_bench import FACTS

HEAD = """
[plan]
name = "trial"
station = "lab"
location = "cb_203"
[settings]
pickup = "300 A"
curve = "iec_si_a"
time_dial = 0.1
[tolerance]
standard = "abb_ref615"
"""

SHOTS_24 = """
[[test]]
kind = "trip_time"
name = "characteristic"
multiples = [2, 3, 5, 8, 12, 20]
repeats = 4
"""
PICKUP = """
[[test]]
kind = "pickup"
name = "pickup"
"""
RESET = """
[[test]]
kind = "reset_time"
name = "reset"
off_s = [0.5]
"""


def plan_of(folder: Path, tests: str, head: str = HEAD) -> Plan:
    """Read a plan from its text."""
    path = folder / "plan.toml"
    path.write_text(head + tests)
    return read_plan(path, lambda _station, _near: FACTS)
