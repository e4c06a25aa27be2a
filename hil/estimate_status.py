"""How things are switched for an estimate: as the network states, a TOML file, single options.

feeding = ["bess"]            # machines and batteries that may feed an island

[switches]
cb_101 = "closed"             # or "open", or pole by pole ["closed", "open", "closed"]

[taps]
sub_regulator_a = 5

[capacitors]
cap_2 = "open"
"""

from __future__ import annotations

import dataclasses as dc
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from estimation.network_model import Status
from hil.settings_errors import load_toml
from rtcore.errors import Problem, UserInputError, did_you_mean
from rtcore.network.model import Network

POSITIONS = {"open": False, "closed": True}
TABLES = ("switches", "taps", "capacitors", "feeding")


def read_status(
    network: Network,
    file: Path | None = None,
    opened: Sequence[str] = (),
    closed: Sequence[str] = (),
    taps: Sequence[str] = (),
) -> Status:
    """Return the status of a network under a file and options; options have the last word.

    Parameters
    ----------
    opened, closed : sequence of str
        Switches, by name.
    taps : sequence of str
        ``REGULATOR=POSITION``.

    Raises
    ------
    UserInputError
        With every problem found.
    """
    check = _Check(network)
    if file is not None:
        raw, problems = load_toml(file)
        check.problems += problems
        check.take_file(str(file), raw)
    check.where = "command line"
    for names, option, is_closed in ((opened, "--open", False), (closed, "--close", True)):
        for name in names:
            check.switch(option, name, is_closed)
    for both in sorted({x.lower() for x in opened} & {x.lower() for x in closed}):
        check.wrong("--open", f"{both} is to be closed as well")
    for text in taps:
        name, _, position = text.rpartition("=")
        check.tap("--tap", name or text, int(position) if _is_integer(position) and name else position)
    if check.problems:
        raise UserInputError(check.problems)
    return check.status


class _Check:
    """Collects positions and what is wrong with them."""

    def __init__(self, network: Network) -> None:
        self.network, self.status = network, Status.of(network)
        self.problems: list[Problem] = []
        self.where = ""
        self._poles = {s.name: len(s.nodes1) for s in network.switches}
        self._highest = {r.name: r.tap_highest for r in network.regulators}
        self._capacitors = [c.name for c in network.capacitors]
        self._machines = [d.name for d in network.ders if d.kind != "pv"]

    def wrong(self, place: str, what: str) -> None:
        """Note a problem."""
        self.problems.append(Problem(self.where, place, what))

    def take_file(self, path: str, raw: dict[str, Any]) -> None:
        """Take everything of a status file."""
        self.where = path
        takers: dict[str, Callable[[str, str, Any], None]] = {
            "switches": self.switch,
            "taps": self.tap,
            "capacitors": self.capacitor,
        }
        for key, value in raw.items():
            if key not in TABLES:
                self.wrong(key, f"unknown; there are {', '.join(TABLES)}{did_you_mean(key, TABLES)}")
            elif key == "feeding":
                self._feeding(value)
            elif not isinstance(value, dict):
                self.wrong(key, "must be a table")
            else:
                for name, position in value.items():
                    takers[key](f"{key}.{name}", name, position)

    def switch(self, place: str, name: str, position: Any) -> None:
        """Take the position of a switch: one for all poles, or one for each."""
        name = name.lower().removeprefix("switch.")
        if not self._is_known(place, "switch", name, list(self._poles)):
            return
        listed = position if isinstance(position, list) else [position]
        poles = tuple(x for x in map(_closed, listed) if x is not None)
        if not poles or len(poles) < len(listed):
            self.wrong(place, f"{position!r} is neither open nor closed")
        elif isinstance(position, list) and len(poles) != self._poles[name]:
            self.wrong(place, f"{len(poles)} positions; {name} has {self._poles[name]} poles")
        else:
            self.status = self.status.with_switch(name, poles if len(poles) > 1 else poles[0])

    def tap(self, place: str, name: str, position: Any) -> None:
        """Take the position of a regulator."""
        name = name.lower().removeprefix("regulator.")
        if not self._is_known(place, "regulator", name, list(self._highest)):
            return
        highest = self._highest[name]
        if not isinstance(position, int) or isinstance(position, bool):
            self.wrong(place, f"{position!r} is no tap; write {name}=N with N from -{highest} to {highest}")
        elif abs(position) > highest:
            self.wrong(place, f"{position} is outside -{highest} to {highest}")
        else:
            self.status = self.status.with_tap(name, position)

    def capacitor(self, place: str, name: str, position: Any) -> None:
        """Take whether a capacitor is in service."""
        is_closed, name = _closed(position), name.lower().removeprefix("capacitor.")
        if not self._is_known(place, "capacitor", name, self._capacitors):
            return
        if is_closed is None:
            self.wrong(place, f"{position!r} is neither open nor closed")
        else:
            capacitors = {**self.status.capacitors, name: is_closed}
            self.status = dc.replace(self.status, capacitors=capacitors)

    def _feeding(self, names: Any) -> None:
        if not isinstance(names, list) or any(not isinstance(x, str) for x in names):
            self.wrong("feeding", "must be a list of names")
            return
        known = [x for x in names if self._is_known("feeding", "machine or battery", x, self._machines)]
        self.status = dc.replace(self.status, ders=frozenset(known))

    def _is_known(self, place: str, kind: str, name: str, names: list[str]) -> bool:
        if name not in names:
            hint = did_you_mean(name, names) or ("" if names else "; it has none")
            self.wrong(place, f"no {kind} {name!r} in this network{hint}")
        return name in names


def _closed(position: Any) -> bool | None:
    """Return whether a position is closed, None where it is none."""
    if isinstance(position, bool):
        return position
    return POSITIONS.get(position) if isinstance(position, str) else None


def _is_integer(text: str) -> bool:
    return text.lstrip("+-").isdecimal()
