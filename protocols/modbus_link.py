"""A device under test that is a Modbus TCP server: one exchange is one request a contiguous range.

Requests go one after the other: many devices take no second one before they have answered the first.
"""

from __future__ import annotations

from collections.abc import Awaitable, Sequence

from protocols.device_link import Fault, LinkError
from protocols.modbus_blocks import Block, read_blocks, write_blocks
from protocols.modbus_client import ModbusClient
from protocols.wiring import ModbusPlace

READ_FUNCTION = {"co": 1, "di": 2, "hr": 3, "ir": 4}


class ModbusLink:
    """A ``protocols.device_link.Link`` over Modbus TCP."""

    def __init__(
        self, client: ModbusClient, written: Sequence[ModbusPlace], read: Sequence[ModbusPlace]
    ) -> None:
        self.address = f"{client.host}:{client.port}"
        self.n_clamped = 0
        self._client = client
        self._written, self._n_read = written, len(read)
        self._read_blocks = read_blocks(read)
        self._write_blocks: dict[tuple[bool, ...], list[Block]] = {}

    @property
    def n_late(self) -> int:
        """Answers that came after their time was over."""
        return self._client.n_late

    async def connect(self) -> None:
        """Open the connection; LinkError when it cannot be had in time."""
        await self._client.connect()

    async def close(self) -> None:
        """Drop the connection."""
        self._client.close()

    async def exchange(self, values: Sequence[float | None]) -> tuple[list[float | None], list[LinkError]]:
        """Write, then read; see ``Link``. After a timeout the rest of the exchange is left out."""
        read: list[float | None] = [None] * self._n_read
        faults: list[LinkError] = []
        for block in self._blocks_of(values):
            if not await self._attempt(self._write(block, values), block, faults):
                return read, faults
        for block in self._read_blocks:
            if not await self._attempt(self._read(block, read), block, faults):
                return read, faults
        return read, faults

    async def _attempt(self, step: Awaitable[None], block: Block, faults: list[LinkError]) -> bool:
        """Carry out one request; tell whether to go on with the next."""
        try:
            await step
        except LinkError as error:
            named = LinkError(error.fault, f"{block}: {error}")
            if not self._client.is_connected:
                raise named from None
            faults.append(named)
            return error.fault is not Fault.TIMEOUT
        return True

    def _blocks_of(self, values: Sequence[float | None]) -> list[Block]:
        """Return the ranges to be written; which places have a value seldom changes."""
        present = tuple(v is not None for v in values)
        if present not in self._write_blocks:
            self._write_blocks = {present: write_blocks(self._written, values)}
        return self._write_blocks[present]

    async def _write(self, block: Block, values: Sequence[float | None]) -> None:
        if block.table == "co":
            await self._client.write_bits(block.unit, block.address, block.bits(values))
            return
        raw, n_clamped = block.registers(values)
        self.n_clamped += n_clamped
        await self._client.write_registers(block.unit, block.address, raw)

    async def _read(self, block: Block, values: list[float | None]) -> None:
        function = READ_FUNCTION[block.table]
        if block.table in ("co", "di"):
            bits = await self._client.read_bits(block.unit, function, block.address, block.count)
            block.take_bits(bits, values)
        else:
            raw = await self._client.read_registers(block.unit, function, block.address, block.count)
            block.take_registers(raw, values)
