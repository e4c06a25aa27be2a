"""A SCADA vendor's tests of a Modbus master against a substation that isn't there; docs/pytest.md.

    pytest test_master.py --gridhil-report out

``Master`` stands for the product; all that it may know of the substation is the map that ``gridhil points``
prints. What the substation really did is asked of ``gridhil_station``.
"""

# ruff: noqa: D103 -- tests say in their names what they show
from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from pymodbus.client import ModbusTcpClient

from hil.pytest_plugin import GridhilStation

FEEDERS = {"A": 2, "B": 3}
"""Modbus unit ids of feeders A and B; their relays are ten higher."""
IS_CLOSED = 16  # discrete input: 52a of the breaker at the feeder's head
TRIP, CLOSE = 16, 17  # coils
CURRENT_A = 206  # input registers, float32: phase a [A]
TRIPS = 112  # input registers of the relay, uint32


class Master:
    """The product: it polls both feeders, commands breakers and tells what opened by itself."""

    def __init__(self, port: int) -> None:
        self.client = ModbusTcpClient("127.0.0.1", port=port)
        assert self.client.connect()
        self.closed: dict[str, bool] = {}
        self.alarms: list[str] = []

    def poll(self) -> None:
        """Look at every breaker once."""
        for feeder, unit in FEEDERS.items():
            is_closed = self.client.read_discrete_inputs(IS_CLOSED, count=1, device_id=unit).bits[0]
            if self.closed.get(feeder, False) and not is_closed and self.trips(feeder) > 0:
                self.alarms.append(f"feeder {feeder} tripped")
            self.closed[feeder] = is_closed

    def trips(self, feeder: str) -> int:
        """Return how many trips the relay of a feeder has counted."""
        return self._number(FEEDERS[feeder] + 10, TRIPS, self.client.DATATYPE.UINT32)

    def current_a(self, feeder: str) -> float:
        """Return the current of phase a [A]."""
        return self._number(FEEDERS[feeder], CURRENT_A, self.client.DATATYPE.FLOAT32)

    def command(self, feeder: str, coil: int) -> None:
        """Set a coil of a feeder; a refusal is an error."""
        answer = self.client.write_coil(coil, True, device_id=FEEDERS[feeder])
        assert not answer.isError(), answer

    def _number(self, unit: int, address: int, kind: ModbusTcpClient.DATATYPE) -> float:
        answer = self.client.read_input_registers(address, count=2, device_id=unit)
        return self.client.convert_from_registers(answer.registers, kind)


@pytest.fixture
def master(gridhil_station: GridhilStation) -> Iterator[Master]:
    made = Master(gridhil_station.modbus_port)
    made.poll()
    yield made
    made.client.close()


def test_the_master_shows_the_current_of_a_feeder(gridhil_station: GridhilStation, master: Master) -> None:
    # Load moves between two looks and an instrument adds noise, well below 5 %.
    assert master.current_a("B") == pytest.approx(gridhil_station["FDR_B.CB_201.IA"], rel=0.05)


def test_the_master_trips_and_closes_a_breaker(gridhil_station: GridhilStation, master: Master) -> None:
    master.command("B", TRIP)
    gridhil_station.wait_until(lambda s: s["FDR_B.CB_201.ST_52A"] == 0 and s["FDR_B.CB_201.ST_52B"] == 1)
    master.poll()
    assert not master.closed["B"]
    assert master.current_a("B") == 0.0
    assert master.alarms == []  # it was told to

    master.command("B", CLOSE)
    gridhil_station.wait_until(lambda s: s["FDR_B.CB_201.ST_52A"] == 1)
    master.poll()
    assert master.closed["B"]


def test_the_master_tells_a_trip_by_protection(gridhil_station: GridhilStation, master: Master) -> None:
    gridhil_station.fault("head_a_bolted")
    deadline = time.monotonic() + 10.0
    while not master.alarms and time.monotonic() < deadline:
        master.poll()
        time.sleep(0.02)
    assert master.alarms == ["feeder A tripped"]
    assert gridhil_station["FDR_A.R_CB_101.TRIPS"] == master.trips("A")
    gridhil_station.clear_fault()
