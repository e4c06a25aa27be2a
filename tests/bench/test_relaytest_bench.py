"""The bench of relay tests: what is stated of the stand-in next to what it logged itself."""

from __future__ import annotations

from hil.bench import relaytest
from tests.support.station import say


def test_the_bench_compares_what_is_stated_with_the_devices_own_log() -> None:
    found = relaytest.run(3.0)
    say(str(found))
    # One shot for each multiple; on a busy machine some do not count and are repeated at most twice.
    assert 3 <= found["shots"] <= 5
    # 99 % of many: of so few one may be outside.
    assert found["inside"] >= found["shots"] - 1
    assert found["error_min_ms"] <= found["error_mean_ms"] <= found["error_max_ms"]
    # Half a poll of 5 ms is the least that the interval can be; a mean error as large as that were a bias.
    assert found["half_width_ms"] > 2.5
    assert abs(found["error_mean_ms"]) < found["half_width_ms"]
    assert 0.0 < found["shots_per_min"] < 60.0 / 0.4
