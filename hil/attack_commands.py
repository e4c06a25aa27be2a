"""Unauthorised commands: sends writes to our own station by Modbus, as a stranger on the network would."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from estimation.attacks import Attack, Command
from protocols.device_link import LinkError
from protocols.modbus_client import ModbusClient
from protocols.modbus_codec import encode
from protocols.modbus_map import Entry, ModbusMap

TIMEOUT_S = 3.0


class Commands:
    """Sends the commands of attacks when they are due.

    Parameters
    ----------
    address : (str, int)
        The station's Modbus server.
    """

    def __init__(self, address: tuple[str, int], modbus_map: ModbusMap, attacks: Sequence[Attack]) -> None:
        self._client = ModbusClient(*address, TIMEOUT_S)
        self._entries: dict[str, Entry] = {e.point.tag: e for e in modbus_map.entries}
        due = [(a.start_s + c.at_s, a, c) for a in attacks for c in a.commands if c.at_s < a.duration_s]
        self._due = sorted(due, key=lambda x: x[0])

    @property
    def is_over(self) -> bool:
        """Tell whether everything has been sent."""
        return not self._due

    async def go(self, t_s: float) -> list[dict[str, Any]]:
        """Send what is due; return what was sent and what came back."""
        done = []
        while self._due and self._due[0][0] <= t_s:
            _, attack, command = self._due.pop(0)
            answer = await self._send(command)
            done.append({"attack": attack.name, "tag": command.tag, "value": command.value, "answer": answer})
        return done

    def close(self) -> None:
        """Drop the connection."""
        self._client.close()

    async def _send(self, command: Command) -> str:
        r = self._entries[command.tag].reference
        try:
            if not self._client.is_connected:
                await self._client.connect()
            if r.table == "co":
                await self._client.write_bits(r.unit, r.address, [command.value != 0.0])
            else:
                raw, _ = encode(command.value, r.format, r.order, r.scale)
                await self._client.write_registers(r.unit, r.address, raw)
        except LinkError as error:
            return str(error)
        return "done"
