"""Scans: what the service gives is published; one that fails, or gives nonsense, is Bad and told once."""

from __future__ import annotations

import asyncio
import dataclasses as dc
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from estimation.outputs import Why
from estimation.pseudo_levels import Level, Levels
from estimation.reading import Floats, Output, Reading
from hil import joined_board, segment
from hil.estimator_process import EstimatorBoard, Scans
from hil.runspec import RunSpec
from hil.telemetry_image import Fetched, Ints, TelemetryImage
from rtcore import board as bd
from rtcore.points import Kind, Point
from rtcore.published import Layout
from rtcore.quality import Quality, is_bad
from tests.support.modbus_rig import point

S = 1_000_000_000
CORE = [point(f"M.X.{k}", f"1:ir:{100 + 2 * k}:float32") for k in range(3)]


def estimators(attr: str, source: str = "estimator.estimator", unit: str = "") -> Point:
    row = point(f"SE.EST.{attr.upper()}", "6:ir:0:float32", Kind.ANALOG)
    return dc.replace(row, source=source, attr=attr, unit=unit, is_health=True)


OWN = [
    estimators("j"),
    estimators("reason"),
    estimators("age_s", unit="s"),
    estimators("va_v", "estimate.bus1", "kV"),
    estimators("rate_hz", unit="Hz"),
    estimators("scans"),
    estimators("solve_ms", unit="ms"),
]


class Reader:
    """Answers every point with its own number."""

    where = "test"
    n_requests = 0

    def __init__(self) -> None:
        self.faults: tuple[str, ...] = ()

    async def read(self, asked: Ints) -> Fetched:
        return Fetched(asked.astype(float), np.zeros(len(asked), np.uint8), self.faults)

    async def close(self) -> None:
        pass


class Service:
    """Gives what a test says; an exception is raised."""

    def __init__(self) -> None:
        self.readings: list[Reading] = []
        self.next: Output | Exception = output(1.0)
        self.late: Exception | None = None
        self.budgets_s: list[float] = []
        self.levels: Levels = ()

    def level(self, levels: Levels) -> None:
        self.levels = levels

    def scan(self, reading: Reading) -> Output:
        self.readings.append(reading)
        if isinstance(self.next, Exception):
            raise self.next
        return self.next

    def settle(self, budget_s: float) -> None:
        self.budgets_s.append(budget_s)
        if isinstance(self.late, Exception):
            raise self.late

    def remember(self) -> dict[str, Floats]:
        return {}

    def recall(self, learned: Mapping[str, Floats]) -> None:
        assert not learned


def output(j: float, age_s: float = 0.0) -> Output:
    values = np.array([j, 0.0, age_s, 7900.0, np.nan, np.nan, np.nan])
    return Output(values, np.zeros(len(OWN), np.uint8))


@dc.dataclass
class Bench:
    scans: Scans
    service: Service
    reader: Reader
    joined: joined_board.JoinedBoard
    sim_ns: list[int]
    spec: RunSpec

    def scan(self, at_s: float) -> tuple[list[float], list[int]]:
        self.sim_ns[0] = round(at_s * S)
        asyncio.run(self.scans.scan())
        found = self.joined.read()
        assert found is not None
        return found.values[len(CORE) :].tolist(), found.quality[len(CORE) :].tolist()


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    spec = RunSpec(
        name="test",
        station="test",
        run_dir=tmp_path,
        state_dir=tmp_path,
        points=CORE + OWN,
        stamps=[],
        modbus={},
        opcua={},
        core={},
        started_utc_ns=0,
        published={"estimator": len(OWN)},
    )
    n = len(CORE)
    core = bd.Board(segment.create(spec.board_path, bd.board_bytes(n)), n)
    core.format(generation=1)
    core.publish(0, bd.blank_image(n))
    reader, service, sim_ns = Reader(), Service(), [0]
    board = EstimatorBoard(spec, S // 2)
    image = TelemetryImage(n, {0: 0.0, 2: 0.0})
    scans = Scans(reader, image, service, board, lambda: sim_ns[0])
    return Bench(scans, service, reader, joined_board.attach(spec), sim_ns, spec)


def test_a_scan_reads_what_is_due_and_publishes_in_the_units_of_the_points(bench: Bench) -> None:
    values, quality = bench.scan(5.0)
    assert values[:4] == [1.0, 0.0, 0.0, pytest.approx(7.9, rel=1e-15)]  # one product of float64
    assert quality == [0] * len(OWN)
    (reading,) = bench.service.readings
    assert reading.sim_ns == 5 * S
    assert reading.values[[0, 2]].tolist() == [0.0, 2.0]
    assert np.isnan(reading.values[1])  # not telemetered
    assert reading.age_s[[0, 2]].tolist() == [0.0, 0.0]


def test_a_scan_that_fails_keeps_the_last_state_bad_and_aged_and_says_why(
    bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    bench.scan(5.0)
    bench.service.next = ZeroDivisionError("singular")
    values, quality = bench.scan(8.0)
    assert values[:4] == [
        *(1.0, float(Why.FAILED)),
        *(pytest.approx(3.0, rel=1e-15), pytest.approx(7.9, rel=1e-15)),  # a sum and a product of float64
    ]
    assert [is_bad(q) for q in quality] == [True, False, *[True] * 5]
    values, _ = bench.scan(9.0)
    assert values[2] == pytest.approx(4.0, rel=1e-15)
    assert bench.scans.n_failed == 2
    assert capsys.readouterr().err == "scan failed: ZeroDivisionError: singular\n"  # once
    bench.service.next = output(2.0)
    assert bench.scan(10.0)[1] == [0] * len(OWN)


def test_what_is_not_a_number_is_bad(bench: Bench) -> None:
    bench.service.next = output(float("nan"))
    values, quality = bench.scan(1.0)
    assert values[0] == 0.0
    assert is_bad(quality[0])
    assert quality[1:] == [0] * (len(OWN) - 1)


def test_what_the_process_knows_itself_it_fills_in_where_the_service_leaves_it_open(bench: Bench) -> None:
    for k in range(3):
        values, quality = bench.scan(1.0 + k)
    assert values[4:6] == [2.0, 3.0]  # the rate of a period of 0.5 s, and the third scan
    assert 0.0 < values[6] < 1e3  # it took some time, which is known after all
    assert quality[4:] == [0, 0, 0]


def test_a_result_of_the_wrong_size_is_a_failed_scan(bench: Bench) -> None:
    bench.scan(1.0)
    bench.service.next = Output(np.zeros(2), np.zeros(2, np.uint8))
    assert bench.scan(2.0)[1][0] == int(Quality.BAD)
    assert bench.scans.n_failed == 1


def test_faults_of_the_reader_are_told_once_and_the_scan_goes_on(
    bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    bench.reader.faults = ("no connection",)
    bench.scan(1.0)
    assert bench.scan(2.0)[1] == [0] * len(OWN)
    assert capsys.readouterr().err == "test: no connection\n"


def test_the_layout_of_the_board_follows_the_points() -> None:
    layout = Layout(OWN)
    assert layout.instances("estimate") == ("bus1",)
    assert layout.column("estimate", "va_v").tolist() == [3]
    assert layout.column("estimate", "vb_v").tolist() == [-1]
    assert layout.place("estimator", "estimator", "age_s") == 2
    assert layout.number("residual", "M.X.0") == 0


def test_every_scan_has_the_forecasts_of_its_moment(bench: Bench) -> None:
    def levels(sim_ns: int) -> Levels:
        return (Level((0,), sim_ns, sim_ns + S, 1e3, 10.0),)

    image = TelemetryImage(len(CORE), {0: 0.0})
    board = EstimatorBoard(bench.spec, S // 2)
    scans = Scans(bench.reader, image, bench.service, board, lambda: 7 * S, levels=levels)
    asyncio.run(scans.scan())
    assert [x.begin_ns for x in bench.service.levels] == [bench.service.readings[-1].sim_ns] == [7 * S]


def test_forecasts_that_cannot_be_read_are_a_failed_scan(bench: Bench) -> None:
    def levels(sim_ns: int) -> Levels:
        raise OSError("no board")

    image = TelemetryImage(len(CORE), {0: 0.0})
    board = EstimatorBoard(bench.spec, S // 2)
    scans = Scans(bench.reader, image, bench.service, board, lambda: 7 * S, levels=levels)
    asyncio.run(scans.scan())
    assert scans.n_failed == 1
