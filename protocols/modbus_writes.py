"""Writes from Modbus masters: who may, what is sent to the plant, what is answered.

Two things must allow a write: the station's list of which network may write which units, and the
role that the users file gives the master's address.
A request that covers several points is one atomic group. Every refusal is in the audit journal
under the master's address, also that of a request which is wrong in itself or names no points.
"""

from __future__ import annotations

import asyncio
import dataclasses as dc
import ipaddress
from collections.abc import Iterable, Mapping
from typing import Any

from protocols.accounts import Accounts, Network, parse_address
from protocols.command_desk import CommandDesk, Who
from protocols.gateway import MODBUS_EXCEPTION
from protocols.modbus_codec import decode
from protocols.modbus_pdu import DEVICE_FAILURE, Responder, UnitView, Write, masked, refusal
from rtcore.commands import Reason
from rtcore.errors import Problem, UserInputError, did_you_mean
from rtcore.points import Kind

Outcome = tuple[Reason, bytes | None]
"""What became of a write, and its reply PDU; None where the master gets no answer."""


@dc.dataclass(frozen=True, slots=True)
class Writers:
    """Which units each network may write."""

    rules: tuple[tuple[Network, frozenset[int]], ...]

    @classmethod
    def parse(
        cls, rows: Iterable[Mapping[str, Any]], declared: set[Any], file: str = "modbus map"
    ) -> Writers:
        """Read ``[{"network": "127.0.0.0/8", "units": [1, 2]}]``; UserInputError with every problem."""
        rules, problems = [], []
        for k, row in enumerate(rows):
            place = f"writers[{k}]"
            for key in sorted(set(row) - {"network", "units"}):
                hint = did_you_mean(key, ("network", "units"))
                problems.append(Problem(file, place, f"unknown key {key!r}; allowed network, units{hint}"))
            units = row.get("units", [])
            for unit in units:
                if unit not in declared:
                    known = ", ".join(map(str, sorted(declared, key=str)))
                    problems.append(Problem(file, place, f"no unit {unit!r}; allowed {known}"))
            try:
                rules.append((ipaddress.ip_network(row.get("network", "")), frozenset(units)))
            except ValueError as error:
                problems.append(Problem(file, place, f"{error}; allowed e.g. '127.0.0.0/8'"))
        if problems:
            raise UserInputError(problems)
        return cls(tuple(rules))

    def units_of(self, host: str) -> frozenset[int]:
        """Return the units that a peer address may write."""
        address = parse_address(host)
        if address is None:
            return frozenset()
        return frozenset().union(*(units for network, units in self.rules if address in network))


class WriteRoom:
    """Carries writes through the command desk and words the answer.

    Parameters
    ----------
    loopback_role : str
        The least that masters on this machine have.
    """

    def __init__(
        self, desk: CommandDesk, responder: Responder, accounts: Accounts, loopback_role: str
    ) -> None:
        self._desk = desk
        self._accounts = accounts
        self._loopback_role = loopback_role
        self._responder = responder
        self._masking = asyncio.Lock()

    async def carry_out(
        self, write: Write, view: UnitView, host: str, peer: str, units: frozenset[int]
    ) -> Outcome:
        """Return the verdict and the reply PDU once the plant has answered.

        ``host`` is the master's address, ``peer`` that with its port, ``units`` what it may write.
        """
        who = self._who(host, peer, f"{write.via} FC{write.function}")
        if write.mask is None:
            return await self._carry_out(write, view, who, units)
        async with self._masking:  # two maskings of one register must not lose one another's bits
            writes = self._masked_writes(write)
            if writes is None:
                return await self._refuse(write, who, Reason.CORE_DEAD)
            return await self._carry_out(dc.replace(write, writes=writes), view, who, units)

    async def turn_away(
        self, asked: Mapping[str, Any], reason: Reason, reply: bytes | None, host: str, peer: str
    ) -> Outcome:
        """Put a refused write on record that is no command of any point: ``via`` and what it asked for."""
        rest = {key: value for key, value in asked.items() if key != "via"}
        await self._desk.refuse((), self._who(host, peer, asked["via"]), reason, **rest)
        return reason, reply

    def _who(self, host: str, peer: str, via: str) -> Who:
        role = self._accounts.role_at(parse_address(host), self._loopback_role)
        return Who("modbus", peer, "", via, role)

    async def _refuse(self, write: Write, who: Who, reason: Reason) -> Outcome:
        await self._desk.refuse(write.writes, who, reason)
        return reason, refusal(write.function, MODBUS_EXCEPTION[reason])

    async def _carry_out(self, write: Write, view: UnitView, who: Who, units: frozenset[int]) -> Outcome:
        reason = self._desk.gateway.check(write.writes)
        unit = write.unit
        if reason is Reason.DONE and (unit.read_only or unit.mirror_of is not None or unit.unit not in units):
            reason = Reason.NO_AUTHORITY
        if reason is Reason.DONE and self._desk.lacks(write.writes, who.role):
            reason = Reason.NO_AUTHORITY
        if reason is Reason.DONE and self._responder.live.current() is None:
            reason = Reason.CORE_DEAD
        if reason is not Reason.DONE:
            return await self._refuse(write, who, reason)
        points = self._desk.gateway.points
        # A control is a pulse: writing 0 to it asks for nothing.
        wanted = [(i, v) for i, v in write.writes if v != 0.0 or points[i].kind is not Kind.CONTROL]
        if wanted:
            verdict = await self._desk.execute(wanted, who)
            if not verdict.is_done:
                code = MODBUS_EXCEPTION.get(verdict.reason, DEVICE_FAILURE)
                return verdict.reason, refusal(write.function, code)
        if write.read is not None:
            return Reason.DONE, self._responder.read_holding(view, write.function, *write.read)
        return Reason.DONE, write.echo

    def _masked_writes(self, write: Write) -> tuple[tuple[int, float], ...] | None:
        """Work out a masked write from the value in force; None when the core is dead."""
        assert write.mask is not None
        and_mask, or_mask, entry = write.mask
        image = self._responder.live.current()
        if image is None:
            return None
        r = entry.reference
        at = 2 * (self._responder.live.builder.base[r.unit, r.table] + r.address)
        raw = int.from_bytes(image.registers[at : at + 2], "big")
        registers = masked(raw, and_mask, or_mask).to_bytes(2, "big")
        return ((entry.index, decode(registers, r.format, r.order, r.scale)),)
