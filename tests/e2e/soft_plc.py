"""A soft PLC that is slave and master at once, on pymodbus alone.

``python soft_plc.py PORT PEER_PORT PICKUP_A``: where it listens, its peer's server, its pickup [A].
Slave: its peer writes phase currents, 52a and a token into holding registers 0 to 9; it echoes the token in
104. Master: it writes the trip coil of a breaker (unit 3, coil 16) at its peer, once per fault.
"""

from __future__ import annotations

import asyncio
import struct
import sys

from pymodbus.client import AsyncModbusTcpClient
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

SCAN_S = 0.005
HOLDING, WRITE = 3, 16
"""Function codes by which the server's own logic gets at its registers."""
UNIT, TRIP_COIL = 3, 16


async def run(port: int, peer_port: int, pickup_a: float) -> None:
    """Scan until the process is ended; every trip is said, with the answer to it."""
    words = [SimData(0, count=200, values=0, datatype=DataType.REGISTERS)]
    server = ModbusTcpServer(SimDevice(1, simdata=words), address=("127.0.0.1", port))
    assert await server.listen()
    master = AsyncModbusTcpClient("127.0.0.1", port=peer_port)
    assert await master.connect()
    say("ready")
    has_tripped = False
    while True:
        inputs = [int(v) for v in await server.async_getValues(1, HOLDING, 0, 10)]
        *currents_a, _, is_closed, token = struct.unpack(">4f2H", struct.pack(">10H", *inputs))
        is_fault = is_closed == 1 and max(currents_a) > pickup_a
        if is_fault and not has_tripped:
            answer = await master.write_coil(TRIP_COIL, True, device_id=UNIT)
            say("trip refused" if answer.isError() else "trip accepted")
        has_tripped = is_fault
        await server.async_setValues(1, WRITE, 104, [token])
        await asyncio.sleep(SCAN_S)


def say(text: str) -> None:
    """Tell whoever started it."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(run(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])))
