"""Protection scheme files: what becomes of a good one, and every problem of a bad one in one report."""

from __future__ import annotations

import dataclasses as dc
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hil.protection_files import functions, functions_md, read_scheme, survey_scheme
from rtcore.component import REGISTRY
from rtcore.errors import UserInputError
from rtcore.network import model as m
from rtcore.protection.scheme import Element, Relay, Scheme

ABC = (1, 2, 3)


def switch(name: str, bus1: str, bus2: str, kind: Any = "breaker") -> m.Switch:
    return m.Switch(name=name, kind=kind, bus1=bus1, nodes1=ABC, bus2=bus2, nodes2=ABC, r_ohm=1e-3)


ZERO = {"r1_ohm": 0.0, "x1_ohm": 1.0, "r0_ohm": 0.0, "x0_ohm": 1.0}
NETWORK = m.Network(
    name="small",
    buses=tuple(m.Bus(name=f"bus{k}", base_kv_ln=7.967) for k in (1, 2001, 2012, 2013)),
    sources=(m.Source(name="grid", bus="bus1", nodes=ABC, base_kv=13.8, **ZERO),),
    switches=(switch("cb_101", "bus1", "bus2001"), switch("cb_201", "bus2001", "bus2012")),
    reactors=(
        m.Reactor(
            name="r1",
            bus1="bus2012",
            nodes1=ABC,
            bus2="bus2013",
            nodes2=ABC,
            phases=3,
            r_ohm=0.1,
            x_ohm=0.1,
        ),
    ),
)

GOOD = """
[scheme]
title = "Small"

[defaults.overcurrent_51]
time_dial = 0.5

[defaults.relay_inputs]
vt_class_pct = 0.2
ct_class_pct = 3

[relay.cb_201]
breaker = "cb_201"
ct = {terminal = 1, primary_a = 600, vk_v = 400, x_over_r = 4, is_saturation = false}
vt = {bus = "bus2001", phase_deg = 0.1}
group = 2

[relay.cb_201.67p]
function = "directional_67"

[relay.cb_201.51p]
function = "overcurrent_51"
trips = ["cb_201"]
direction = "67p"
starts_79 = true
starts_bf = true
pickup_a = 300
curve = "IEC_VI_B"

[relay.cb_201.51r]
function = "overcurrent_51"
trips = ["cb_201", "cb_101"]
direction = "-67p"
locks_out = true
is_enabled = false

[relay.cb_201.79]
function = "recloser_79"

[relay.cb_201.bf]
function = "breaker_failure_50bf"
trips = ["cb_101"]

[relay.cb_201.groups.3.51p]
pickup_a = 450
time_dial = 1

[relay.ufls]
vt = "bus2012"

[relay.ufls.81u]
function = "frequency_81"
direction = "over"
trips = ["cb_201"]

[relay.reactor]
ct = {terminal = "reactor.r1@2"}

[relay.reactor.50]
function = "instantaneous_50"
"""


def survey(text: str, tmp_path: Path, network: m.Network | None = NETWORK) -> tuple[Scheme | None, list[str]]:
    """Read a file and return each problem's place and text."""
    path = tmp_path / "small.toml"
    path.write_text(text)
    scheme, problems = survey_scheme(path, network)
    assert {p.file for p in problems} <= {str(path)}
    return scheme, [f"{p.place}: {p.what}" for p in problems]


@pytest.fixture
def scheme(tmp_path: Path) -> Scheme:
    found, problems = survey(GOOD, tmp_path)
    assert problems == []
    assert found is not None
    return found


def element(scheme: Scheme, name: str) -> Element:
    (found,) = [e for r, e in scheme.elements() if f"{r.name}.{e.name}" == name]
    return found


# ---- a good file ----------------------------------------------------------------------------------


def test_relays_and_elements_come_in_the_order_of_the_file(scheme: Scheme) -> None:
    assert (scheme.name, scheme.title) == ("small", "Small")
    assert [f"{r.name}.{e.name}" for r, e in scheme.elements()] == [
        *("cb_201.67p", "cb_201.51p", "cb_201.51r", "cb_201.79", "cb_201.bf"),
        *("ufls.81u", "reactor.50"),
    ]
    assert [(r.breaker, r.terminal, r.vt_bus, r.group) for r in scheme.relays] == [
        ("cb_201", "switch.cb_201@1", "bus2001", 2),
        ("", "", "bus2012", 1),
        ("", "reactor.r1@2", "", 1),
    ]


def test_an_element_has_its_row_of_the_trip_matrix_and_its_direction(scheme: Scheme) -> None:
    forward, reverse = element(scheme, "cb_201.51p"), element(scheme, "cb_201.51r")
    assert (forward.function, forward.trips, forward.direction) == ("overcurrent_51", ("cb_201",), "67p")
    assert (forward.starts_79, forward.starts_bf, forward.locks_out) == (True, True, False)
    assert (reverse.trips, reverse.direction) == (("cb_201", "cb_101"), "-67p")
    assert (reverse.starts_79, reverse.starts_bf, reverse.locks_out) == (False, False, True)


def test_settings_are_defaults_of_the_function_then_the_elements_then_the_groups(scheme: Scheme) -> None:
    make = REGISTRY["overcurrent_51"].params
    one = make(pickup_a=300, curve="iec_vi_b", time_dial=0.5)
    assert element(scheme, "cb_201.51p").settings == (one, one, dc.replace(one, pickup_a=450, time_dial=1))
    other = make(is_enabled=0.0, time_dial=0.5)
    assert element(scheme, "cb_201.51r").settings == (other,) * 3  # as many groups as the relay has
    assert [r.n_groups for r in scheme.relays] == [3, 1, 1]


def test_a_setting_called_direction_is_a_setting(scheme: Scheme) -> None:
    over = element(scheme, "ufls.81u")
    assert over.direction == ""
    assert over.settings == (REGISTRY["frequency_81"].params(direction="over"),)


def test_transformers_are_defaults_then_what_the_relay_says(scheme: Scheme) -> None:
    make = REGISTRY["relay_inputs"].params
    assert scheme.relays[0].inputs == make(
        ct_primary_a=600,
        ct_vk_v=400,
        x_over_r=4,
        is_saturation=0,
        ct_class_pct=3,
        vt_class_pct=0.2,
        vt_phase_deg=0.1,
    )
    assert scheme.relays[1].inputs == make(vt_class_pct=0.2, ct_class_pct=3)


def test_a_scheme_says_which_elements_of_a_relay_have_a_function(scheme: Scheme) -> None:
    assert [e.name for e in scheme.relays[0].of("overcurrent_51")] == ["51p", "51r"]
    assert scheme.relays[1].of("overcurrent_51") == ()
    assert Relay(name="bare", inputs=None).n_groups == 1


def test_without_a_network_no_name_of_it_is_checked(tmp_path: Path) -> None:
    text = GOOD.replace("cb_101", "cb_999").replace("bus2012", "bus77").replace("reactor.r1", "line.x")
    found, problems = survey(text, tmp_path, None)
    assert problems == []
    assert found is not None
    assert len(survey(text, tmp_path)[1]) == 4


# ---- problems -------------------------------------------------------------------------------------

RELAY = """
[relay.cb_201]
breaker = "cb_201"
ct = {terminal = 1}
vt = "bus2001"
[relay.cb_201.67p]
function = "directional_67"
[relay.cb_201.51p]
function = "overcurrent_51"
trips = ["cb_201"]
"""
AT, P51 = "relay.cb_201", "relay.cb_201.51p"
BF = f'[{AT}.50bf]\nfunction = "breaker_failure_50bf"\ntrips = ["cb_101"]\nlocks_out = true\n'
"""Trips the next breaker and locks out: that is as it should be."""

MISTAKES: dict[str, tuple[str, list[str]]] = {
    "range": (
        RELAY + "pickup_a = 0\ntime_dial = 1000",
        [
            f"{P51}: pickup_a = 0 A: must be >= 0.1 A (",
            f"{P51}: time_dial = 1000: must be <= 100 (",
        ],
    ),
    "type": (RELAY + 'pickup_a = "300 A"', [f"{P51}: pickup_a = '300 A': must be a number [A] ("]),
    "not finite": (RELAY + "pickup_a = inf", [f"{P51}: pickup_a = inf: must be a finite number [A] ("]),
    "curve": (
        RELAY + 'curve = "iec_vi_bb"',
        [f"{P51}: curve = 'iec_vi_bb': must be one of "],
    ),
    "setting": (
        RELAY + "pikup_a = 300",
        [f"{P51}: unknown parameter 'pikup_a'; allowed: "],
    ),
    "function": (
        RELAY.replace("overcurrent_51", "overcurrent_15"),
        [f"{P51}: unknown function 'overcurrent_15'; allowed: "],
    ),
    "no function": (
        RELAY.replace('function = "overcurrent_51"\n', ""),
        [f"{P51}: function is missing; allowed: "],
    ),
    "trips": (
        RELAY.replace('trips = ["cb_201"]', 'trips = ["cb_201", "cb_2", 7, "cb_201"]'),
        [
            f"{P51}: trips: breaker 'cb_2' does not exist; there are cb_101, cb_201; did you mean 'cb_201'?",
            f"{P51}: trips: breaker = 7: must be a name",
            f"{P51}: trips: breaker 'cb_201' stands there twice",
        ],
    ),
    "trips no list": (
        RELAY.replace('["cb_201"]', '"cb_201"'),
        [f"{P51}: trips = 'cb_201': must be a list of breakers"],
    ),
    "own breaker": (
        RELAY.replace('breaker = "cb_201"', 'breaker = "cb201"').replace("terminal = 1", ""),
        [f"{AT}: breaker 'cb201' does not exist; there are cb_101, cb_201; did you mean 'cb_201'?"],
    ),
    "terminal": (
        RELAY.replace("terminal = 1", "terminal = 3"),
        [f"{AT}.ct: terminal = 3: a breaker has terminals 1 and 2"],
    ),
    "terminal by name": (
        RELAY.replace("terminal = 1", 'terminal = "switch.cb_202@1"'),
        [f"{AT}.ct: terminal 'switch.cb_202@1' does not exist; there are "],
    ),
    "ct keys": (
        RELAY.replace("terminal = 1", "terminal = 1, primary = 400, r_ohm = 0"),
        [
            f"{AT}.ct: unknown key 'primary'; allowed: primary_a, ",
            f"{AT}.ct: ct_r_ohm = 0 ohm: must be >= 0.01 ohm (",
        ],
    ),
    "ct no table": (RELAY.replace("{terminal = 1}", "1"), [f"{AT}.ct: 1: must be a table"]),
    "vt bus": (
        RELAY.replace('vt = "bus2001"', 'vt = "bus201"'),
        [f"{AT}.vt: bus 'bus201' does not exist; there are bus1, bus2001, "],
    ),
    "vt without bus": (
        RELAY.replace('vt = "bus2001"', "vt = {class_pct = 0.5}"),
        [f"{AT}.vt: bus is missing and has no default ("],
    ),
    "no transformers": (
        RELAY.replace('vt = "bus2001"\n', "").replace("ct = {terminal = 1}\n", ""),
        [
            f"{AT}.67p: directional_67 needs a ct; the relay has none",
            f"{AT}.67p: directional_67 needs a vt; the relay has none",
            f"{P51}: overcurrent_51 needs a ct; the relay has none",
        ],
    ),
    "direction": (
        RELAY + 'direction = "67n"',
        [f"{P51}: direction = '67n': no directional_67 of this relay; there are 67p; did you mean '67p'?"],
    ),
    "direction that is none": (
        RELAY + 'direction = "-51p"',
        [f"{P51}: direction = '-51p': no directional_67 of this relay; there are 67p"],
    ),
    "flags": (RELAY + "locks_out = 1", [f"{P51}: locks_out = 1: must be true or false"]),
    "starts nothing": (
        RELAY + "starts_79 = true\nstarts_bf = true",
        [
            f"{P51}: starts_79 = true: this relay has no recloser_79",
            f"{P51}: starts_bf = true: this relay has no breaker_failure_50bf",
        ],
    ),
    "an alarm that starts something": (
        RELAY.replace('trips = ["cb_201"]', "starts_bf = true\nlocks_out = true") + BF,
        [
            f"{P51}: starts_bf, locks_out = true: it trips nothing, and so is an alarm, which starts and "
            "locks out nothing; name trips, or leave it out"
        ],
    ),
    "starts what is another breaker's": (
        RELAY.replace('trips = ["cb_201"]', 'trips = ["cb_101"]\nstarts_bf = true') + BF,
        [
            f"{P51}: starts_bf = true: goes with a trip of the relay's own breaker 'cb_201', which is not "
            "among its trips"
        ],
    ),
    "a wrong breaker is told once": (
        RELAY.replace('trips = ["cb_201"]', 'trips = ["cb_202"]\nstarts_bf = true\nlocks_out = true') + BF,
        [f"{P51}: trips: breaker 'cb_202' does not exist; there are "],
    ),
    "67 that trips": (
        RELAY.replace('"directional_67"', '"directional_67"\ntrips = ["cb_201"]'),
        [f"{AT}.67p: trips: directional_67 trips and starts nothing"],
    ),
    "79 without breaker": (
        RELAY.replace('breaker = "cb_201"\n', "").replace("terminal = 1", 'terminal = "switch.cb_201@1"')
        + f'[{AT}.79]\nfunction = "recloser_79"',
        [f"{AT}.79: recloser_79 needs a breaker; the relay has none"],
    ),
    "two reclosers": (
        RELAY + f'[{AT}.79]\nfunction = "recloser_79"\n[{AT}.79b]\nfunction = "recloser_79"',
        [
            f"{AT}.79: the relay has 2 of recloser_79; it can have one",
            f"{AT}.79b: the relay has 2 of recloser_79; it can have one",
        ],
    ),
    "number of the terminal without breaker": (
        RELAY.replace('breaker = "cb_201"\n', ""),
        [f'{AT}.ct: terminal = 1: the relay has no breaker; name the terminal, "line.l_7@1"'],
    ),
    "group numbers": (
        RELAY + f"[{AT}.groups.1.51p]\n[{AT}.groups.5.51p]\n[{AT}.groups.x.51p]\n",
        [
            f"{AT}.groups.1: a further group is one of 2..4; group 1 is the element's own",
            f"{AT}.groups.5: a further group is one of 2..4; group 1 is the element's own",
            f"{AT}.groups.x: a further group is one of 2..4; group 1 is the element's own",
        ],
    ),
    "group contents": (
        RELAY + f'[{AT}.groups.2.51p]\ntrips = ["cb_101"]\npickup_a = -1\n[{AT}.groups.2.51q]\n',
        [
            f"{AT}.groups.2: unknown element '51q'; allowed: 67p, 51p; did you mean '51p'?",
            f"{AT}.groups.2.51p: trips is the same in all groups; it stands in [{P51}]",
            f"{AT}.groups.2.51p: pickup_a = -1 A: must be >= 0.1 A (",
        ],
    ),
    "group in force": (
        RELAY.replace("vt =", "group = 5\nvt ="),
        [f"{AT}: group = 5: must be a whole number 1..4"],
    ),
    "group in force that is not there": (
        RELAY.replace("vt =", "group = 3\nvt =") + f"[{AT}.groups.2.51p]\n",
        [f"{AT}: group = 3: there is no [{AT}.groups.3]; groups: 1..2"],
    ),
    "group for groups": (
        RELAY + f"[{AT}.group.2.51p]\npickup_a = 450",
        [f"{AT}: group is the number of the group in force; the table is [relay.<name>.groups.2.<element>]"],
    ),
    "two relays with one breaker": (
        RELAY + RELAY.replace("relay.cb_201", "relay.twin"),
        [
            f"{AT}: breaker 'cb_201' is that of twin, too; one relay, one breaker",
            "relay.twin: breaker 'cb_201' is that of cb_201, too; one relay, one breaker",
        ],
    ),
    "keys": (
        RELAY.replace("vt =", "breker = 1\nfoo = 2\nvt ="),
        [
            f"{AT}: unknown key 'breker'; allowed: breaker, ct, vt, group, groups and tables of elements; "
            "did you mean 'breaker'?",
            f"{AT}: unknown key 'foo'; allowed: breaker, ct, vt, group, groups and tables of elements",
        ],
    ),
    "names": (
        RELAY.replace("51p", "51-P").replace("relay.cb_201", "relay.CB"),
        [
            "relay.CB: name 'CB': lower-case letters, digits and _ only",
            "relay.CB.51-P: name '51-P': lower-case letters, digits and _ only",
        ],
    ),
    "empty": ("[relay.cb_201]", [f"{AT}: no element; a relay has at least one table "]),
    "no relay": ("", ["relay: no relay; a scheme has at least one table [relay.<name>]"]),
    "tables": (
        "[relays]\n" + RELAY,
        [": unknown table 'relays'; allowed: scheme, defaults, relay; did you mean 'relay'?"],
    ),
    "defaults": (
        RELAY
        + "[defaults.overcurent_51]\n[defaults.overcurrent_51]\ntime_dial = 0\n"
        + "[defaults.relay_inputs]\nx = 1",
        [
            "defaults.overcurent_51: unknown function; allowed: ",
            "defaults.overcurrent_51: time_dial = 0: must be >= 0.01 (",
            "defaults.relay_inputs: unknown parameter 'x'; allowed: ",
        ],
    ),
    "not tables": (
        'scheme = 1\ndefaults = {overcurrent_51 = 2}\n[relay]\ncb_201 = "x"',
        [
            "scheme: 1: must be a table",
            "defaults.overcurrent_51: 2: must be a table of settings",
            "relay.cb_201: 'x': must be a table",
        ],
    ),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_named_with_its_place_and_what_is_allowed(name: str, tmp_path: Path) -> None:
    text, expected = MISTAKES[name]
    scheme, problems = survey(text, tmp_path)
    assert scheme is None
    assert len(problems) == len(expected), problems
    for part in expected:
        assert any(p.startswith(part) for p in problems), problems


def test_all_mistakes_of_a_file_come_in_one_report_sorted(tmp_path: Path) -> None:
    path = tmp_path / "bad.toml"
    path.write_text(
        RELAY.replace('["cb_201"]', '["cb_9"]')
        .replace("bus2001", "bus9")
        .replace("terminal = 1", "terminal = 9")
        + 'pickup_a = 0\ncurve = "x"\ndirection = "67x"\n[relay.bare]\n'
    )
    with pytest.raises(UserInputError) as caught:
        read_scheme(path, NETWORK)
    problems = caught.value.problems
    expected = [*["relay.cb_201.51p"] * 4, "relay.bare", "relay.cb_201.ct", "relay.cb_201.vt"]
    assert sorted(p.place for p in problems) == sorted(expected)
    assert problems == sorted(problems, key=lambda p: p.sort_key)


def test_a_near_miss_of_a_word_is_offered(tmp_path: Path) -> None:
    _, (curve,) = survey(RELAY + 'curve = "iec_vi_bb"', tmp_path)
    assert "did you mean 'iec_vi_b'?" in curve
    _, (setting,) = survey(RELAY + "pikup_a = 1", tmp_path)
    assert "did you mean 'pickup_a'?" in setting
    _, (function,) = survey(RELAY.replace('"overcurrent_51"', '"overcurrent51"'), tmp_path)
    assert "did you mean 'overcurrent_51'?" in function


def places_of(table: dict[str, Any], at: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for key, value in table.items():
        yield (*at, key)
        if isinstance(value, dict):
            yield from places_of(value, (*at, key))


ODD = (
    1,
    -1,
    2.5,
    True,
    "",
    "x",
    [],
    [[]],
    [{}],
    {},
    {"x": {}},
    float("nan"),
    10**400,
    tomllib.loads("x = 07:32:00")["x"],
)


@pytest.mark.parametrize("at", list(places_of(tomllib.loads(GOOD))), ids=".".join)
def test_whatever_stands_in_a_place_is_taken_or_reported(
    at: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for value in ODD:
        raw = tomllib.loads(GOOD)
        table = raw
        for key in at[:-1]:
            table = table[key]
        table[at[-1]] = value
        monkeypatch.setattr("hil.protection_files.load_toml", lambda _path, raw=raw: (raw, []))
        scheme, problems = survey_scheme(tmp_path / "odd.toml", NETWORK)
        assert (scheme is None) == bool(problems)
        assert all(str(p) for p in problems)


def test_a_file_that_is_not_toml_or_not_there_is_a_problem(tmp_path: Path) -> None:
    assert "not TOML" in survey("[relay", tmp_path)[1][0]
    _, (problem,) = survey_scheme(tmp_path / "none.toml", NETWORK)
    assert problem.what == "no such file"


# ---- documentation --------------------------------------------------------------------------------


def test_the_table_for_people_has_every_setting_of_every_function_with_unit_range_and_default() -> None:
    text = functions_md()
    assert set(functions()) >= {"overcurrent_51", "directional_67", "recloser_79"}
    assert [line[4:] for line in text.splitlines() if line.startswith("### ")] == functions()
    for kind in functions():
        for f in dc.fields(REGISTRY[kind].params):
            assert f"| {f.name} | {f.metadata['unit']} | " in text
    assert "| pickup_a | A | 0.1 .. 1e+06 | 600 | pickup, primary |" in text


@pytest.mark.parametrize(
    ("settings", "wanted"),
    [("", "a, b, c"), ('phases = "b"', ""), ('phases = "ab"', "a, b"), ('quantity = "positive"', "a, b, c")],
)
def test_a_voltage_element_looks_at_phases_that_its_bus_has(
    settings: str, wanted: str, tmp_path: Path
) -> None:
    lateral = dc.replace(NETWORK.reactors[0], name="r2", nodes1=(2,), bus2="bus9", nodes2=(2,), phases=1)
    network = dc.replace(
        NETWORK,
        buses=(*NETWORK.buses, m.Bus(name="bus9", base_kv_ln=7.967)),
        reactors=(*NETWORK.reactors, lateral),
    )
    path = tmp_path / "scheme.toml"
    path.write_text(f'[relay.uv]\nvt = "bus9"\n[relay.uv.27]\nfunction = "undervoltage_27"\n{settings}\n')
    problems = [f"{p.place}: {p.what}" for p in survey_scheme(path, network)[1]]
    assert problems == (
        [f"relay.uv.27: looks at phases {wanted}; bus bus9 has b; set phases"] if wanted else []
    )


def test_a_network_with_more_breakers_than_a_trip_matrix_holds_is_refused(tmp_path: Path) -> None:
    many = tuple(switch(f"cb_{k}", "bus1", "bus2001") for k in range(54))
    path = tmp_path / "scheme.toml"
    path.write_text(RELAY.replace('"cb_201"', '"cb_1"').replace("relay.cb_201", "relay.cb_1"))
    (problem,) = survey_scheme(path, dc.replace(NETWORK, switches=many))[1]
    assert "54 breakers; a trip matrix has 53 at most" in problem.what
