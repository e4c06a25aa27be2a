"""``gridhil estimate``: exact measurements give the solution back; what is wrong or missing is named."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from hil import cli, paths
from hil.estimate_command import Options, run
from hil.estimate_status import read_status
from hil.measurement_files import read_measurements
from hil.network_files import read_network
from rtcore.errors import UserInputError
from rtcore.network.grid import Grid
from rtcore.network.model import Network
from tests.support.measured_grid import MeasuredGrid, Row, write

EXACT_PU = 1e-6
"""Measurements are exact to rounding and the plant's solution to 1e-9 pu; 1e-6 is what was promised."""


def solved(name: str) -> MeasuredGrid:
    grid = Grid(read_network(paths.find("networks", name)))
    grid.solve()
    return MeasuredGrid(grid)


@pytest.fixture(scope="module")
def ieee13() -> MeasuredGrid:
    return solved("ieee13")


@pytest.fixture(scope="module")
def iowa240() -> MeasuredGrid:
    return solved("iowa240")


def everything(grid: MeasuredGrid, ends: Sequence[tuple[str, str]]) -> list[Row]:
    """Voltages of a third of the buses, all loads, flows at these ends."""
    buses = [b.name for b in grid.grid.network.buses][::3]
    return [*grid.voltages(buses), *grid.injections(), *(r for e, b in ends for r in grid.flows(e, b))]


IEEE13_ENDS = [
    ("line.650632", "rg60"),
    ("line.632670", "632"),
    ("line.692675", "692"),
    ("line.671684", "671"),
]


def estimate(
    path: Path, grid: MeasuredGrid, rows: Sequence[Row], *, opened: Sequence[str] = (), **options: Any
) -> dict[str, Any]:
    network = grid.grid.network
    measured = read_measurements(write(path / "m.csv", rows), network)
    return run(network, measured, Options(status=read_status(network, opened=opened), **options))


def error_pu(doc: dict[str, Any], grid: MeasuredGrid) -> float:
    """Largest difference of the voltages that are published [pu]."""
    return max(
        abs(complex(v["v_re"], v["v_im"]) - grid.v[n]) / grid.base_v[n] for n, v in doc["nodes"].items()
    )


def replaced(rows: Sequence[Row], which: tuple[str, str, str], change: float) -> list[Row]:
    assert which in [r[:3] for r in rows]
    return [(*r[:3], r[3] + change, r[4]) if r[:3] == which else r for r in rows]


# -- exact measurements ------------------------------------------------------------------------


def test_exact_measurements_give_the_solution_back(tmp_path: Path, ieee13: MeasuredGrid) -> None:
    doc = estimate(tmp_path, ieee13, everything(ieee13, IEEE13_ENDS))
    assert doc["converged"]
    assert set(doc["nodes"]) == set(ieee13.v)
    assert error_pu(doc, ieee13) < EXACT_PU
    assert doc["j"] < 1e-3  # rounding, against some 80 degrees of freedom
    assert (doc["suspects"], doc["unobservable"], doc["is_clean"]) == ([], [], True)
    assert doc["switch_suspect"] is None


def test_exact_measurements_give_the_solution_back_on_240_buses(
    tmp_path: Path, iowa240: MeasuredGrid
) -> None:
    doc = estimate(tmp_path, iowa240, everything(iowa240, head_ends(iowa240)))
    assert set(doc["nodes"]) == set(iowa240.v)
    assert error_pu(doc, iowa240) < EXACT_PU


def head_ends(grid: MeasuredGrid) -> list[tuple[str, str]]:
    """Terminal 1 of the three feeder heads."""
    heads = {f"cb_{k}01" for k in (1, 2, 3)}
    return [(f"switch.{s.name}", s.bus1) for s in grid.grid.network.switches if s.name in heads]


def test_measured_angles_stand_in_for_the_reference(tmp_path: Path, ieee13: MeasuredGrid) -> None:
    rows = [*everything(ieee13, IEEE13_ENDS), *ieee13.angles(["671", "680"])]
    doc = estimate(tmp_path, ieee13, rows, upstream="free")
    assert error_pu(doc, ieee13) < EXACT_PU


def test_loads_that_are_not_measured_are_taken_as_nominal_if_asked(
    tmp_path: Path, ieee13: MeasuredGrid
) -> None:
    """Constant-power loads draw what is nominal; the rest of ieee13 follows voltage, within a few percent."""
    rows = [*ieee13.voltages(["650", "632", "671"]), *ieee13.flows("line.650632", "rg60")]
    without = estimate(tmp_path, ieee13, rows)
    assert without["unobservable"]
    doc = estimate(tmp_path, ieee13, rows, load_sigma_pct=5.0)
    assert doc["unobservable"] == []
    # 5 % of the load over 0.04 pu of drop to the far end are 0.002 pu; loads off nominal add as much again.
    assert error_pu(doc, ieee13) < 0.005
    assert sum(r["is_pseudo"] for r in doc["measurements"]) > 0


# -- what is wrong -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("which", "change"),
    [
        (("p_flow", "line.692675@692", "1"), 40e3),
        (("v_mag", "671", "2"), -60.0),
        (("i_mag", "line.632670@632", "3"), 40.0),
    ],
)
def test_one_gross_error_is_named_and_the_solution_found_without_it(
    tmp_path: Path, ieee13: MeasuredGrid, which: tuple[str, str, str], change: float
) -> None:
    rows = [*everything(ieee13, IEEE13_ENDS), *ieee13.voltages(["670"]), *ieee13.voltages(["671"])]
    rows = list(dict.fromkeys(rows))
    doc = estimate(tmp_path, ieee13, replaced(rows, which, change))
    kind, element, number = which
    assert [s["measurement"] for s in doc["suspects"]] == [f"{kind} {element} {'abc'[int(number) - 1]}"]
    # Nothing else is wrong: what is left is the error itself, to second order in it.
    assert doc["suspects"][0]["error"] == pytest.approx(change, rel=0.02)
    assert doc["j"] > doc["threshold"]
    assert error_pu(doc, ieee13) < EXACT_PU
    assert doc["switch_suspect"] is None


def test_without_removal_the_suspect_stays_in_the_estimate(tmp_path: Path, ieee13: MeasuredGrid) -> None:
    rows = replaced(everything(ieee13, IEEE13_ENDS), ("p_flow", "line.692675@692", "1"), 40e3)
    doc = estimate(tmp_path, ieee13, rows, removes=False)
    first = doc["suspects"][0]
    assert first["measurement"] == "p_flow line.692675@692 a"
    assert doc["j_after_removal"] == doc["j"]
    states = {r["measurement"]: r["state"] for r in doc["measurements"]}
    assert states[first["measurement"]] == "suspect"
    assert not doc["is_clean"]


@pytest.mark.parametrize("options", [{"removes": False}, {"is_robust": True}])
def test_all_suspects_are_named_where_none_is_removed(
    tmp_path: Path, ieee13: MeasuredGrid, options: dict[str, bool]
) -> None:
    """Twelve wrong voltmeters, 5 % off each in turn up and down, 25 times their standard deviation."""
    rows = everything(ieee13, IEEE13_ENDS)
    rows = list(dict.fromkeys([*rows, *ieee13.voltages([b.name for b in ieee13.grid.network.buses])]))
    wrong = [r for r in rows if r[0] == "v_mag" and r[1] not in ("sourcebus", "650", "rg60")][::2][:12]
    for k, row in enumerate(wrong):
        rows = replaced(rows, row[:3], (-1) ** k * 0.05 * row[3])
    doc = estimate(tmp_path, ieee13, rows, **options)
    names = {s["measurement"] for s in doc["suspects"]}
    assert {f"v_mag {r[1]} {'abc'[int(r[2]) - 1]}" for r in wrong} <= names
    sizes = [abs(s["rn"]) for s in doc["suspects"]]
    assert sizes == sorted(sizes, reverse=True) and sizes[-1] > doc["rn_threshold"]


def test_a_robust_estimate_is_moved_less_by_a_gross_error(tmp_path: Path, ieee13: MeasuredGrid) -> None:
    rows = replaced(everything(ieee13, IEEE13_ENDS), ("p_flow", "line.692675@692", "1"), 40e3)
    least_squares = estimate(tmp_path, ieee13, rows, removes=False)
    huber = estimate(tmp_path, ieee13, rows, is_robust=True)
    # Huber's function lets 40 sigmas pull like 1.5.
    assert error_pu(huber, ieee13) < 0.1 * error_pu(least_squares, ieee13)
    assert huber["suspects"][0]["measurement"] == "p_flow line.692675@692 a"


def test_what_nothing_measures_is_named_and_the_rest_published(tmp_path: Path, ieee13: MeasuredGrid) -> None:
    """Two laterals leave 632: what both take is known, which of them takes how much is not."""
    loads = [r for r in ieee13.injections() if r[1] not in ("634", "645", "646")]
    ends = [("line.650632", "rg60"), ("line.632670", "632")]
    flows = [r for e, b in ends for r in ieee13.flows(e, b)]
    doc = estimate(tmp_path, ieee13, [*loads, *flows, *ieee13.voltages(["rg60", "671"])])
    assert doc["unobservable"] == ["633", "634", "645", "646"]
    unseen = set(doc["unobservable"])
    assert set(doc["nodes"]) == {n for n in ieee13.v if n.rpartition(".")[0] not in unseen}
    assert error_pu(doc, ieee13) < EXACT_PU
    assert doc["suspects"] == []


def test_one_voltage_alone_fixes_no_node(tmp_path: Path, ieee13: MeasuredGrid) -> None:
    """What flows is not measured: no drop is known, to a neighbour as little as to the far end."""
    doc = estimate(tmp_path, ieee13, ieee13.voltages(["650"])[:1])
    assert doc["nodes"] == {}
    assert set(doc["unobservable"]) == {b.name for b in ieee13.grid.network.buses}


def test_critical_measurements_are_named_and_their_errors_have_no_bound(
    tmp_path: Path, ieee13: MeasuredGrid
) -> None:
    """As many measurements as unknowns: the loads, one voltage, and of delta loads two rows less."""
    known_by_current_law = {("671", "3"), ("646", "3"), ("692", "3")}
    rows = [r for r in ieee13.injections() if r[1:3] not in known_by_current_law]
    doc = estimate(tmp_path, ieee13, [*rows, *ieee13.voltages(["650"])[:1]])
    assert (doc["dof"], doc["threshold"]) == (0, None)
    assert sorted(doc["critical"]) == sorted(r["measurement"] for r in doc["measurements"])
    assert {(r["state"], r["detectable"]) for r in doc["measurements"]} == {("critical", None)}
    assert error_pu(doc, ieee13) < EXACT_PU


def test_a_wrong_breaker_is_named(tmp_path: Path, iowa240: MeasuredGrid) -> None:
    """The file is of the network with cb_202 closed; the estimator is told that it is open."""
    switch = next(s for s in iowa240.grid.network.switches if s.name == "cb_202")
    rows = everything(iowa240, [*head_ends(iowa240), (f"switch.{switch.name}", switch.bus1)])
    doc = estimate(tmp_path, iowa240, rows, opened=["cb_202"])
    assert doc["j"] > doc["threshold"]
    assert doc["switch_suspect"]["switch"] == "cb_202"
    assert doc["switch_suspect"]["position"] == "closed"
    assert doc["switch_suspect"]["j"] < doc["threshold"]


def test_a_breaker_that_is_open_and_said_to_be_closed_is_named_without_a_state(tmp_path: Path) -> None:
    """Zero volts at 200 nodes that are said to be fed: no state has that, another status has."""
    grid = solved("iowa240").grid
    grid.set_switch("cb_202", False)
    grid.refresh()
    grid.solve()
    measured = MeasuredGrid(grid)
    doc = estimate(tmp_path, measured, everything(measured, head_ends(measured)))
    assert doc["switch_suspect"]["switch"] == "cb_202"
    assert doc["switch_suspect"]["position"] == "open"
    assert doc["switch_suspect"]["j"] < doc["switch_suspect"]["threshold"]


def test_a_wrong_tap_is_named_and_estimated_if_asked(tmp_path: Path, ieee13: MeasuredGrid) -> None:
    network = ieee13.grid.network
    regulator = network.regulators[1]
    rows = everything(ieee13, IEEE13_ENDS)
    rows = list(dict.fromkeys([*rows, *ieee13.voltages(["650", "rg60", "632"])]))
    measured = read_measurements(write(tmp_path / "m.csv", rows), network)
    status = read_status(network, taps=[f"{regulator.name}={regulator.tap - 4}"])
    doc = run(network, measured, Options(status=status))
    assert doc["tap_suspect"]["regulator"] == regulator.name
    assert (doc["tap_suspect"]["tap"], doc["tap_suspect"]["given"]) == (regulator.tap, regulator.tap - 4)
    settled = run(network, measured, Options(status=status, estimates_taps=True))
    assert settled["taps"] == {r.name: r.tap for r in network.regulators}
    assert error_pu(settled, ieee13) < EXACT_PU


# -- status ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def network() -> Network:
    return read_network(paths.find("networks", "iowa240-der"))


def test_a_status_file_and_options_give_positions(tmp_path: Path, network: Network) -> None:
    path = tmp_path / "status.toml"
    path.write_text(
        '[switches]\ncb_101 = ["closed", "open", "closed"]\ncb_201 = "open"\n[taps]\nsub_regulator_a = 5\n',
        encoding="utf-8",
    )
    status = read_status(network, path, closed=["cb_201"], taps=["sub_regulator_b=-3"])
    assert status.switches["cb_101"] == (True, False, True)
    assert status.switches["cb_201"] is True
    assert (status.taps["sub_regulator_a"], status.taps["sub_regulator_b"]) == (5, -3)


def test_every_mistake_in_a_status_comes_in_one_report(tmp_path: Path, network: Network) -> None:
    path = tmp_path / "status.toml"
    path.write_text(
        'feeding = ["nobody"]\n[switches]\ncb_1o1 = "open"\ncb_201 = "ajar"\ncb_202 = ["open"]\n'
        "[taps]\nsub_regulator_a = 99\n[fuses]\n",
        encoding="utf-8",
    )
    with pytest.raises(UserInputError) as caught:
        read_status(network, path, opened=["cb_301"], closed=["cb_301"], taps=["sub_regulator_b"])
    text = "\n".join(p.what for p in caught.value.problems)
    assert len(caught.value.problems) == 8
    for part in (
        *("'nobody'", "did you mean 'cb_101'", "neither open nor closed", "1 positions; cb_202 has 3 poles"),
        *("99 is outside -16 to 16", "did you mean", "to be closed as well", "is no tap"),
    ):
        assert part in text


# -- command line ------------------------------------------------------------------------------


def invoke(*arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(cli.app, arguments, env={"COLUMNS": "200"})
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.exit_code, done.stdout


def test_the_shipped_example_names_its_one_wrong_row_in_every_form() -> None:
    code, text = invoke("estimate", "ieee13", "--measurements", "ieee13", "--json")
    assert code == 0
    doc = json.loads(text)
    assert [s["measurement"] for s in doc["suspects"]] == ["p_flow line.692675@692 a"]
    # Its own standard deviation is 1.6 kW; that of the error found is a little larger.
    assert doc["suspects"][0]["error"] == pytest.approx(-45e3, abs=4 * 1.7e3)
    code, text = invoke("estimate", "ieee13", "--measurements", "ieee13")
    assert code == 0
    assert "suspect: p_flow line.692675@692 a" in text
    code, text = invoke("estimate", "ieee13", "--measurements", "ieee13", "--format", "csv")
    assert text.splitlines()[0] == "node,v_re,v_im,v_pu"
    assert len(text.splitlines()) == 1 + len(doc["nodes"])


def test_an_estimate_that_does_not_converge_ends_with_1_and_a_reason(tmp_path: Path) -> None:
    """200 MW through a 5 MVA substation: no state carries it."""
    rows: list[Row] = [("v_mag", "650", p, 2400.0, 1.0) for p in "abc"]
    rows += [("p_inj", "675", p, -2e8, 10.0) for p in "abc"]
    path = write(tmp_path / "m.csv", rows)
    code, text = invoke("estimate", "ieee13", "--measurements", str(path), "--load-sigma", "1", "--json")
    doc = json.loads(text)
    assert (code, doc["converged"], doc["nodes"]) == (1, False, {})
    assert doc["reason"]


@pytest.mark.parametrize(
    "arguments",
    [
        ("ieee13",),
        ("iowa240", "--explain", "--measurements", "ieee13"),
        ("ieee13", "--measurements", "ieee13", "--at", "2017-07-12T12:00"),
    ],
)
def test_options_that_do_not_go_together_are_refused(arguments: tuple[str, ...]) -> None:
    assert invoke("estimate", *arguments)[0] == 2


def test_voltages_are_finite_numbers_for_every_node_that_is_published(
    tmp_path: Path, ieee13: MeasuredGrid
) -> None:
    doc = estimate(tmp_path, ieee13, ieee13.voltages(["650"]))
    assert all(np.isfinite(list(v.values())).all() for v in doc["nodes"].values())
    assert doc["unobservable"]
