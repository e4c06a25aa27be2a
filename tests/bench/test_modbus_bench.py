"""The Modbus bench runs, next to libmodbus' C server, and gives the promised figures."""

from __future__ import annotations

from hil.bench import modbus
from rtcore.errors import HostError
from tests.support import peers


def test_bench_gives_rates_and_ratios_for_1_10_and_50_clients():
    peers.require("gcc")
    try:
        found = modbus.run(3.0)
    except HostError as error:
        peers.missing(str(error))
    assert list(found) == ["clients_1", "clients_10", "clients_50"]
    for row in found.values():
        assert set(row) == {"req_s", "p99_ms", "libmodbus_req_s", "ratio_to_libmodbus"}
        assert row["req_s"] > 1000  # any host; a broken server gives hundreds or none
        assert row["libmodbus_req_s"] > 1000
        assert row["ratio_to_libmodbus"] > 0.0  # how fast is the bench's business, not a test's
