"""Attack files: the shipped ones are right, and everything wrong with one is told at once."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from estimation.attacks import Kind, Place
from hil import attack_command, paths
from hil.attack_command import Options, networks, run_file
from hil.attack_files import AttackFile, read_attacks
from hil.output import out
from hil.station import Plan, make_setup, read_plan
from rtcore.engine import Engine
from rtcore.errors import UserInputError

HEAD = '[attacks]\nname = "mine"\nstation = "iowa240"\n'
BIAS = '[[attack]]\nname = "b"\nkind = "bias"\nplace = "board"\npoints = ["FDR_B.HEAD.P"]\noffset = 5\n'


@pytest.fixture(scope="module")
def plan() -> Plan:
    return read_plan("iowa240")


def read(tmp_path: Path, plan: Plan, text: str) -> AttackFile:
    path = tmp_path / "mine.toml"
    path.write_text(text)
    return read_attacks(str(path), plan=plan, model_of=lambda *_: (("FDR_B.HEAD.P",), lambda _t, y: y))


def wrong(tmp_path: Path, plan: Plan, text: str) -> list[str]:
    """Return "place: what" of every problem."""
    with pytest.raises(UserInputError) as error:
        read(tmp_path, plan, text)
    return [f"{p.place}: {p.what}" for p in error.value.problems]


@pytest.mark.parametrize("name", paths.names("attacks"))
def test_shipped_files_are_right(name: str, plan: Plan) -> None:
    file = read_attacks(name, plan=plan)
    assert file.name == name and file.attacks


def test_an_attack_is_what_the_file_says(tmp_path: Path, plan: Plan) -> None:
    text = HEAD + BIAS.replace('"FDR_B.HEAD.P"', '"FDR_B.HEAD.V?", "FDR_B.HEAD.P"') + "start_s = 3\n"
    (attack,) = read(tmp_path, plan, text).attacks
    assert attack.channels == ("FDR_B.HEAD.VA", "FDR_B.HEAD.VB", "FDR_B.HEAD.VC", "FDR_B.HEAD.P")
    assert (attack.kind, attack.place, attack.start_s, attack.duration_s) == (
        Kind.BIAS,
        Place.BOARD,
        3,
        math.inf,
    )
    assert attack.figure("offset") == 5.0


def test_an_attack_on_the_wire_is_on_modbus_unless_it_says_otherwise(tmp_path: Path, plan: Plan) -> None:
    wire = BIAS.replace("board", "wire")
    others = [wire.replace('"b"', f'"{p}"') + f'protocol = "{p}"\n' for p in ("opcua", "both")]
    file = read(tmp_path, plan, HEAD + wire + "".join(others))
    assert [a.name for a in file.on_wire("modbus")] == ["b", "both"]
    assert [a.name for a in file.on_wire("opcua")] == ["opcua", "both"]


def test_commands_are_repeated_with_values_in_turn(tmp_path: Path, plan: Plan) -> None:
    text = (
        HEAD + '[[attack]]\nname = "c"\nkind = "command"\nplace = "wire"\n[[attack.command]]\n'
        'tag = "SUB.REG_A.TAP_SP"\nvalues = [2, -2]\nat_s = 1\nrepeat = 3\nevery_s = 0.5\n'
    )
    (attack,) = read(tmp_path, plan, text).commands
    assert [(c.at_s, c.value) for c in attack.commands] == [(1.0, 2.0), (1.5, -2.0), (2.0, 2.0)]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (BIAS, "attacks: the table [attacks] is missing"),
        (HEAD, "attack: no attack; write [[attack]]"),
        (HEAD + BIAS + "[[attak]]\n", "attak: unknown table"),
        (
            HEAD + BIAS.replace("HEAD.P", "HEAD.PP"),
            "attack[0].points[0]: no point 'FDR_B.HEAD.PP' to attack; did",
        ),
        (HEAD + BIAS.replace('"bias"', '"bais"'), "attack[0].kind: 'bais' is not allowed; one of"),
        (HEAD + BIAS.replace("offset", "sigma"), "attack[0].sigma: unknown parameter 'sigma' of kind bias"),
        (HEAD + BIAS.replace("offset = 5", ""), "attack[0].offset: parameter offset is missing"),
        (HEAD + BIAS + "start_s = -1", "attack[0].start_s: -1 is out of range"),
        (HEAD + BIAS + BIAS, "attack[1].name: 'b' names 2 attacks"),
        (HEAD + BIAS.replace("FDR_B.HEAD.P", "LAB.ARM.ARMED"), "LAB.ARM.ARMED belongs to the lab"),
        (
            HEAD + BIAS.replace("board", "instrument").replace("FDR_B.HEAD.P", "SUB.REG_A.TAP_SP"),
            "no measured point",
        ),
        (
            HEAD + BIAS.replace("board", "instrument").replace("bias", "stealthy"),
            "kind stealthy is not possible there",
        ),
        (HEAD + BIAS + "writes = true", 'attack[0].writes: belongs to place = "wire"'),
        (HEAD + BIAS.replace("board", "wire") + "writes = true", "FDR_B.HEAD.P cannot be written"),
        (HEAD + BIAS + 'protocol = "opcua"', 'attack[0].protocol: belongs to place = "wire"'),
        (
            HEAD + BIAS.replace("board", "wire") + 'protocol = "opc"',
            "attack[0].protocol: 'opc' is not allowed",
        ),
        (
            HEAD + BIAS.replace("board", "wire") + 'protocol = "both"\nwrites = true',
            "attack[0].writes: only Modbus writes are changed",
        ),
        (
            HEAD + BIAS.replace("board", "wire").replace("HEAD.P", "CB_202.TRIP") + 'protocol = "opcua"',
            "FDR_B.CB_202.TRIP is a method in OPC UA",
        ),
        (
            HEAD + BIAS + 'statuses = { "FDR_B.CB_202.ST_52A" = 0 }',
            "attack[0].statuses: belongs to kind topology",
        ),
        (HEAD + BIAS.replace("points", "# points"), "attack[0].points: this key is missing"),
        (
            HEAD + BIAS.replace("board", "instrument").replace("FDR_B.HEAD.P", "FDR_*.HEAD.*"),
            "24 points are attacked at their instruments; at most 16",
        ),
        (
            HEAD + BIAS + BIAS.replace('"b"', '"c"').replace("board", "instrument"),
            "attack: attacks at instruments use up the arming",
        ),
        (
            HEAD + '[[attack]]\nname = "c"\nkind = "command"\nplace = "wire"\n',
            "attack[0].command: no command",
        ),
        (
            HEAD + '[[attack]]\nname = "c"\nkind = "command"\nplace = "wire"\n'
            '[[attack.command]]\ntag = "SUB.REG_A.TAP_SP"\nvalue = 40\n',
            "attack[0].command[0].value: 40: must be in -16 .. 16 tap",
        ),
        (
            HEAD + '[[attack]]\nname = "c"\nkind = "command"\nplace = "wire"\n'
            '[[attack.command]]\ntag = "SUB.REG_A.TAP"\nvalue = 4\n',
            "SUB.REG_A.TAP cannot be written by Modbus",
        ),
        (
            HEAD + '[[attack]]\nname = "c"\nkind = "command"\nplace = "wire"\n'
            '[[attack.command]]\ntag = "SUB.REG_A.TAP_SP"\n',
            "attack[0].command[0]: one of value and values is needed",
        ),
    ],
)
def test_what_is_wrong_is_told_with_its_place(tmp_path: Path, plan: Plan, text: str, told: str) -> None:
    found = wrong(tmp_path, plan, text)
    assert any(told in line for line in found), found


def test_several_problems_come_in_one_report(tmp_path: Path, plan: Plan) -> None:
    text = HEAD + BIAS.replace("offset = 5", "sigma = 1").replace("HEAD.P", "HEAD.X") + "writes = true\n"
    found = wrong(tmp_path, plan, text)
    assert len(found) == 4, found  # unknown figure, missing figure, no such point, writes


@pytest.mark.parametrize(
    ("model", "told"),
    [
        ('telemetry = "realistc"', "no telemetry set 'realistc'; did you mean 'realistic'?"),
        ('flipped = ["cb_999"]', "no such switches: cb_999"),
        ('buses = ["nowhere"]\nfactor = 2', "no bus matches nowhere"),
    ],
)
def test_what_the_attacker_cannot_know_is_told(tmp_path: Path, plan: Plan, model: str, told: str) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(
        HEAD + f'[[attack]]\nname = "s"\nkind = "stealthy"\nplace = "board"\n[attack.model]\n{model}\n'
    )
    with pytest.raises(UserInputError) as error:
        read_attacks(str(path), plan=plan)
    assert told in str(error.value)


@pytest.mark.timeout(600)  # with an empty cache it compiles every kernel
def test_a_shown_open_breaker_takes_its_flow_away_and_leaves_the_other_feeders(plan: Plan) -> None:
    (attack,) = read_attacks("topology_cb_202", plan=plan).attacks
    assert attack.delta is not None
    e = Engine(make_setup(plan, 1_000_000))
    e.step(300)  # relay inputs measure over a cycle
    true = np.array([e.value(tag) for tag in attack.channels])
    shown = dict(zip(attack.channels, true + attack.delta(0.0, true), strict=True))
    for phase in "ABC":
        assert abs(shown[f"FDR_B.CB_202.I{phase}"]) < 0.02 * e.value(f"FDR_B.CB_202.I{phase}")  # noise
    assert shown["FDR_B.HEAD.P"] < 0.5 * e.value("FDR_B.HEAD.P")  # three quarters of the feeder lie behind it
    assert shown["FDR_C.HEAD.P"] == pytest.approx(e.value("FDR_C.HEAD.P"), rel=0.01)  # voltages rise a little
    assert attack.statuses == {"FDR_B.CB_202.ST_52A": 0.0, "FDR_B.CB_202.ST_52B": 1.0}


def test_the_proxy_listens_beyond_this_machine_only_for_named_networks() -> None:
    assert networks(Options()) == []
    with pytest.raises(UserInputError, match="reaches beyond this machine"):
        networks(Options(listen="0.0.0.0"))
    with pytest.raises(UserInputError, match="does not appear to be an IPv4"):
        networks(Options(listen="0.0.0.0", allow=("nobody",)))
    assert [str(n) for n in networks(Options(listen="0.0.0.0", allow=("192.168.1.0/24",)))] == [
        "192.168.1.0/24"
    ]


def test_attacks_on_the_board_are_the_stations_own(monkeypatch: pytest.MonkeyPatch) -> None:
    class Spec:
        attack = ""

    monkeypatch.setattr(attack_command, "running", lambda _path: Spec())
    with pytest.raises(UserInputError, match=r'give it \[attack\] file = "replay"'):
        run_file("replay", Options(), out)
