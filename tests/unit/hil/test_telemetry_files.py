"""Telemetry sets: what each point measures, checked against a running plant; what a file may say."""

from __future__ import annotations

import dataclasses as dc
from pathlib import Path

import numpy as np
import pytest

from estimation.channels import Channel
from estimation.measurements import OF_BRANCH, Kind
from estimation.network_model import Status
from hil import paths
from hil.settings_check import check_file
from hil.station import Plan, make_setup, read_plan
from hil.telemetry_channels import Binder, NoMeasurementError, readings
from hil.telemetry_files import channel_tags, telemetry_of
from rtcore.assemble import Setup
from rtcore.engine import Engine
from rtcore.errors import UserInputError
from rtcore.network import powerflow
from rtcore.network.grid import Grid

SETS = ("realistic", "sections")


@pytest.fixture(scope="module")
def plan() -> Plan:
    return read_plan("iowa240")


@pytest.fixture(scope="module")
def der_plan() -> Plan:
    return read_plan("iowa240-der")


def exact(setup: Setup) -> Setup:
    """The same plant, all its instruments without errors, its loads without ripple."""
    assert setup.scheme is not None
    none = {f"{k}_{what}": 0.0 for k in ("ct", "vt") for what in ("class_pct", "phase_deg", "noise_pct")}
    relays = tuple(dc.replace(r, inputs=dc.replace(r.inputs, **none)) for r in setup.scheme.relays)
    zeros = {name: np.zeros_like(x) for name, x in setup.instruments.items()}
    return dc.replace(setup, instruments=zeros, scheme=dc.replace(setup.scheme, relays=relays), ripple_pu=0.0)


@pytest.fixture(scope="module")
def engine(plan: Plan) -> Engine:
    engine = Engine(exact(make_setup(plan, 10_000_000)))
    engine.step(3)  # relays see the step before
    return engine


class Truth:
    """What the elements of a solved network take, from its node voltages and their admittances."""

    def __init__(self, grid: Grid) -> None:
        self.v = dict(zip(grid.nodes.names, grid.voltages, strict=True))
        terminals = [(e, int(t)) for e, b in grid.blocks.items() for t in np.unique(b.terminal)]
        rows = grid.terminal_rows(terminals)
        powerflow.row_currents(grid.arrays.v, grid.arrays.unit, rows, 0, len(rows.at))
        self.flow: dict[tuple[str, int, int], tuple[complex, complex]] = {}
        self.at_v: dict[tuple[str, int, int], float] = {}
        self.injected: dict[str, complex] = dict.fromkeys(self.v, 0j)
        currents = iter(rows.i_a)
        for element, terminal in terminals:
            block = grid.blocks[element]
            for node in block.nodes[block.terminal == terminal].tolist():
                current = complex(next(currents))
                if node < 0:
                    continue
                name = grid.nodes.names[node]
                s = complex(self.v[name]) * current.conjugate()
                self.at_v[element, terminal, int(name.rpartition(".")[2])] = abs(self.v[name])
                self.flow[element, terminal, int(name.rpartition(".")[2])] = (current, s)
                if not element.startswith(("source.", "der.")):
                    self.injected[name] += s

    def rounding(self, c: Channel) -> float:
        """What the last places of the voltages make of a current [A] or power [W, var] through a switch."""
        m = c.measurement
        if m.kind not in OF_BRANCH:
            return 0.0
        v = max(self.at_v[m.element, m.terminal, k] for k in m.nodes)
        current = ULPS * SWITCH_S * float(np.spacing(v))
        return current if m.kind is Kind.I_MAG else current * v * len(m.nodes)

    def __call__(self, c: Channel) -> float:
        m = c.measurement
        if m.kind is Kind.V_MAG:
            return float(abs(self.v[f"{m.element}.{m.nodes[0]}"]))
        if m.kind is Kind.I_MAG:
            return abs(self.flow[m.element, m.terminal, m.nodes[0]][0])
        if m.kind in (Kind.P_INJ, Kind.Q_INJ):
            s = sum(self.injected[f"{m.element}.{k}"] for k in m.nodes)
        else:
            s = sum(self.flow[m.element, m.terminal, k][1] for k in m.nodes)
        return float(s.real if m.kind in (Kind.P_INJ, Kind.P_FLOW) else s.imag)


INJECTED = 0.05
"""[W], [var]: what a node may miss where the solver rests; 5 mW are seen on 3.6 MW."""
SAME = 1e-9
"""Relative: the same sums, only in another order."""
SWITCH_S = 1e7
"""Admittance of a closed switch: its current is that times a difference of voltages that are nearly equal."""
ULPS = 4.0
"""Last places of such a voltage that the order of a sum, or a multiply-add in one, may change."""
STEP_BEFORE = 2e-6
"""Relative: relays see the step before, and the profile moves by some 10 % an hour, 3e-7 in 10 ms."""


def agrees(truth: Truth, c: Channel, read: float, *, is_relay: bool) -> bool:
    least = INJECTED if c.measurement.kind in (Kind.P_INJ, Kind.Q_INJ) else truth.rounding(c)
    return abs(read - truth(c)) <= (STEP_BEFORE if is_relay else SAME) * abs(truth(c)) + least


@pytest.mark.parametrize("name", SETS)
def test_every_channel_reads_what_it_says_it_measures(plan: Plan, engine: Engine, name: str) -> None:
    telemetry, truth = telemetry_of(plan, name), Truth(engine.grid)
    read = readings(telemetry.channels, engine.world.values)
    wrong = [
        (c.measurement.name, r, truth(c))
        for c, r in zip(telemetry.channels, read.tolist(), strict=True)
        if not agrees(truth, c, r, is_relay="_IN." in c.measurement.name)
    ]
    assert not wrong
    kinds = [c.measurement.kind for c in telemetry.channels]
    powers = np.abs(read[[k in (Kind.P_FLOW, Kind.P_INJ) for k in kinds]])
    assert np.median(powers) > 1e3  # all of it is carried, so that signs and phases show


def test_everything_that_the_binder_takes_is_what_it_says(plan: Plan, engine: Engine) -> None:
    binder, truth = Binder(plan), Truth(engine.grid)
    found: dict[str, int] = {}
    for i, point in enumerate(plan.points.core):
        try:
            channel = binder.channel(i, 0.0)
        except NoMeasurementError:
            continue
        read = float(readings([channel], engine.world.values)[0])
        kind = point.source.partition(".")[0]
        is_good = agrees(truth, channel, read, is_relay=kind == "relay_inputs")
        assert is_good, (point.tag, read, truth(channel))
        found[kind] = found.get(kind, 0) + 1
    # 2 delta services: P and Q; 2 banks; the machine behind the source: P and Q; 12 relays
    assert found["load"] == 53 * 9 + 139 * 6 + 2 * 2
    assert (found["capacitor"], found["generator"], found["relay_inputs"]) == (2, 2, 72)


def test_resources_alone_at_their_bus_are_injections(der_plan: Plan) -> None:
    index = {p.tag: i for i, p in enumerate(der_plan.points.points)}
    binder = Binder(der_plan)
    battery = binder.channel(index["DER.BESS_1.W"], 0.0)
    assert (battery.measurement.kind, battery.measurement.element) == (Kind.P_INJ, "bus_xfmr")
    assert (battery.measurement.nodes, battery.factor) == ((1, 2, 3), 1e3)
    site = next(p.tag for p in der_plan.points.points if p.source.startswith("pv.") and p.attr == "p_w")
    with pytest.raises(NoMeasurementError, match=r"is not alone at .*: load"):
        binder.channel(index[site], 0.0)


def test_sigma_is_of_the_instrument_in_si(plan: Plan) -> None:
    by_tag = {c.measurement.name: c for c in telemetry_of(plan, "realistic").channels}
    a = by_tag["FDR_B.HEAD.P"].accuracy
    # transducer_pq, range 20 MW: 0.5 %, noise 0.05 % and 0.002 % of the range, 16 bits over 40 MW
    assert (a.class_frac, a.noise_frac) == pytest.approx((0.005, 0.0005), rel=1e-12)
    assert (a.noise_abs, a.quantum, a.cutoff) == pytest.approx((400.0, 4e7 / 65536, 2000.0), rel=1e-12)
    assert (a.low, a.high) == pytest.approx((-2e7, 2e7), rel=1e-12)
    relay = by_tag["FDR_B.R_CB_202_IN.IA_A"].accuracy
    assert relay.class_frac == pytest.approx(0.01)  # 5P current transformers
    meter = by_tag["FDR_A.M1004.PA"]
    assert (meter.factor, meter.period_s) == (-1000.0, 900.0)


def test_positions_follow_the_points(plan: Plan, engine: Engine) -> None:
    telemetry = telemetry_of(plan, "realistic")
    index, values = engine.index, engine.world.values.copy()
    nominal = Status.of(plan.network)
    assert telemetry.status(values, nominal).switches["cb_201"] is True
    assert telemetry.status(values, nominal).switches["fuse_2049"] == (True, True, True)
    values[index["FDR_B.CB_201.ST_52A"]] = 0.0
    values[index["FDR_B.FUSE_2049.BLOWN_B"]] = 1.0
    values[index["FDR_B.FUSE_2022.BLOWN_C"]] = 1.0  # a lateral of phase c alone
    values[index["SUB.REG_A.TAP"]] = -3.0
    values[index["SUB.REG_B.TAP"]] = np.nan
    values[index["FDR_C.CAP_301.ST"]] = 0.0
    seen = telemetry.status(values, nominal)
    assert seen.switches["cb_201"] is False
    assert seen.switches["fuse_2049"] == (True, False, True)
    assert seen.switches["fuse_2022"] is False
    assert seen.taps["sub_regulator_a"] == -3
    assert seen.taps["sub_regulator_b"] == nominal.taps["sub_regulator_b"]
    assert (seen.capacitors["cap_201"], seen.capacitors["cap_301"]) == (True, False)


def test_all_switches_taps_and_capacitors_have_a_status(plan: Plan) -> None:
    telemetry = telemetry_of(plan, "realistic")
    assert set(telemetry.statuses) == {s.name for s in plan.network.switches}
    assert set(telemetry.taps) == {r.name for r in plan.network.regulators}
    assert set(telemetry.capacitors) == {c.name for c in plan.network.capacitors}


def test_a_quarter_of_the_meters_is_read_every_quarter_of_an_hour(plan: Plan) -> None:
    slow = [c for c in telemetry_of(plan, "realistic").channels if c.period_s]
    buses = {c.measurement.element for c in slow}
    assert {c.period_s for c in slow} == {900.0}
    assert len(buses) == pytest.approx(len(plan.network.loads) / 4, abs=1)


def test_a_set_can_extend_another(plan: Plan) -> None:
    below, above = (telemetry_of(plan, name) for name in SETS)
    assert above.channels[: len(below.channels)] == below.channels
    added = above.channels[len(below.channels) :]
    assert len(added) == 21 * 12  # V, I, P, Q of three phases at each section meter
    assert channel_tags("sections") == [c.measurement.name for c in above.channels]


@pytest.mark.parametrize("name", SETS)
def test_shipped_sets_are_well(name: str) -> None:
    assert check_file(paths.find("telemetry", name)) == []


GOOD = 'points = "iowa240-prot"\n[[read]]\ntags = ["SUB.T1.*"]\n'
BAD = {
    "no match": (
        GOOD.replace("SUB.T1.*", "SUB.T1.PAA"),
        "read[0].tags[0]: no point has a tag like 'SUB.T1.PAA'; did you mean 'SUB.T1.PA'?",
    ),
    "no device": (
        GOOD.replace("SUB.T1.*", "FDR_B.HED.*"),
        "read[0].tags[0]: no point has a tag like 'FDR_B.HED.*'; did you mean 'FDR_B.HEAD'?",
    ),
    "no measurement": (
        GOOD.replace("SUB.T1.*", "FDR_A.CB_101.ST_52A"),
        "read[0].tags: FDR_A.CB_101.ST_52A is a status point, not a measured one",
    ),
    "nothing usable": (
        GOOD.replace("SUB.T1.*", "SUB.F.*"),
        "nothing that the estimator can use",
    ),
    "delta": (
        GOOD.replace("SUB.T1.*", "FDR_A.M1006.V"),
        "read[0].tags: FDR_A.M1006.V is a voltage between two nodes of t_bus1006_l",
    ),
    "twice": (GOOD + '[[read]]\ntags = ["SUB.T1.P"]\n', "read: SUB.T1.P is read twice"),
    "status": (
        GOOD + '[status]\ntags = ["SUB.T1.P"]\n',
        "status.tags: SUB.T1.P: terminal.transformer.sub_xfmr@2 -p_w tells of no switch, tap or capacitor",
    ),
    "half a fuse": (
        GOOD + '[status]\ntags = ["FDR_B.FUSE_2049.BLOWN_A"]\n',
        "status.tags: FDR_B.FUSE_2049.BLOWN_A: no point for the link of phase 2 of fuse fuse_2049",
    ),
    "unknown key": (GOOD.replace("tags", "tag"), "read[0].tag: unknown key"),
    "period": (GOOD + "period_s = -1\n", "read[0].period_s: -1 is out of range; must be >= 0"),
    "empty": ('points = "iowa240-prot"\n', "read: the set reads nothing"),
    "not there": ('extends = "realistc"\n' + GOOD, "extends: no telemetry set 'realistc'; did you mean"),
    "itself": ('extends = "./set.toml"\n' + GOOD, "extends: './set.toml' extends this set itself"),
    "but not": (GOOD + 'but_not = ["SUB.T1.X"]\n', "read[0].but_not[0]: no chosen tag is like 'SUB.T1.X'"),
}


@pytest.mark.parametrize("case", BAD)
def test_mistakes_are_named(plan: Plan, tmp_path: Path, case: str) -> None:
    text, said = BAD[case]
    file = tmp_path / "set.toml"
    file.write_text(text)
    with pytest.raises(UserInputError) as caught:
        telemetry_of(plan, str(file))
    assert said in str(caught.value)


def test_every_mistake_is_told_at_once(plan: Plan, tmp_path: Path) -> None:
    file = tmp_path / "set.toml"
    file.write_text(
        GOOD.replace('"SUB.T1.*"', '"SUB.TX.*", "FDR_A.CB_101.TRIP"') + '[status]\ntags = ["SUB.NO"]\n'
    )
    with pytest.raises(UserInputError) as caught:
        telemetry_of(plan, str(file))
    assert [p.place for p in caught.value.problems] == ["read[0].tags", "read[0].tags[0]", "status.tags[0]"]


def test_check_finds_tags_that_the_list_does_not_have(tmp_path: Path) -> None:
    file = tmp_path / "set.toml"
    file.write_text(GOOD.replace("T1", "T9") + '[status]\ntags = ["*.ST_52Z"]\n')
    assert [p.place for p in check_file(file)] == ["read[0].tags[0]", "status.tags[0]"]


@pytest.mark.parametrize("case", ["no measurement", "nothing usable", "twice", "status", "half a fuse"])
def test_check_refuses_without_the_network_what_the_estimator_refuses(tmp_path: Path, case: str) -> None:
    text, said = BAD[case]
    file = tmp_path / "set.toml"
    file.write_text(text)
    assert said in "\n".join(f"{p.place}: {p.what}" for p in check_file(file))


def test_check_refuses_both_contacts_of_one_breaker(tmp_path: Path) -> None:
    file = tmp_path / "set.toml"
    file.write_text(GOOD + '[status]\ntags = ["FDR_A.CB_101.ST_52?"]\n')
    (problem,) = check_file(file)
    assert problem.place == "status.tags"
    assert "breaker cb_101 has a contact already; choose 52a or 52b" in problem.what


def test_check_goes_on_after_a_wrong_key(tmp_path: Path) -> None:
    """A misspelt key, one in a section, a pattern without points: one report."""
    file = tmp_path / "set.toml"
    file.write_text(
        'extend = "realistic"\n' + GOOD.replace("T1", "T9") + "perod_s = 900\n[status]\ntags = ['*.ST_52Z']\n"
    )
    assert {p.place for p in check_file(file)} == {
        *("extend", "read[0].perod_s", "read[0].tags[0]", "status.tags[0]")
    }
