"""Attack files: the shipped ones are right, and everything wrong with one is told at once."""

from __future__ import annotations

import dataclasses as dc
import math
from pathlib import Path

import numpy as np
import pytest

from estimation.attacks import Kind, Place
from hil import attack_command, paths
from hil.attack_command import Options, is_endless, networks, run_file
from hil.attack_files import AttackFile, read_attacks
from hil.output import out
from hil.station import Plan, make_setup, read_plan
from rtcore.assembly.instances import ATTACK_COUNT
from rtcore.engine import Engine
from rtcore.errors import UserInputError
from rtcore.plant.attack import DELAY_MAX_S, TIME_MAX_S

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
            "attack: 24 points are attacked at their instruments at once, from 0 s on; at most 16",
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


CONTACT = BIAS.replace("HEAD.P", "CB_202.ST_52A")
REPLAY = BIAS.replace("bias", "replay").replace("offset = 5", "start_s = 5\nwindow_s = {}")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            '[[attack]]\nname = "t"\nkind = "topology"\nplace = "board"\nstatuses = { "FDR_B.HEAD.P" = 0 }\n',
            "attack[0].statuses: FDR_B.HEAD.P is no two-state point but analog",
        ),
        (
            CONTACT.replace("bias", "random").replace("offset", "sigma"),
            "attack[0].points[0]: FDR_B.CB_202.ST_52A has two states: kind random is not possible there",
        ),
        (
            CONTACT.replace("board", "instrument").replace("bias", "random").replace("offset", "sigma"),
            "attack[0].points[0]: FDR_B.CB_202.ST_52A has two states: kind random",
        ),
        (CONTACT, "attack[0].points[0]: FDR_B.CB_202.ST_52A has two states: offset must be -1 or 1 there"),
        (
            BIAS.replace("bias", "scale").replace("offset = 5", "factor = 1e308"),
            "attack[0].factor: factor = 1e+308: with the range of FDR_B.HEAD.P, up to",
        ),
        (BIAS.replace("= 5", "= -1e39"), "attack[0].offset: offset = -1e+39: with the range of FDR_B.HEAD.P"),
        (
            BIAS.replace("bias", "ramp").replace("offset = 5", "per_s = 1e37"),
            "attack[0].per_s: per_s = 1e+37: with",
        ),
        (REPLAY.format(1e300), "attack[0].window_s: window_s = 1e+300: must be a number > 0 and <= 1e+07"),
        (
            REPLAY.format(201),
            "attack[0].window_s: 201 s: at most 200 s; 200000 scans of 1 points are remembered",
        ),
        (
            REPLAY.format(6).replace("board", "wire"),
            "attack[0].window_s: 6 s: at most 5 s, the start_s before it in which values pass",
        ),
        (
            BIAS.replace("bias", "delay").replace("offset = 5", "delay_s = 201"),
            "attack[0].delay_s: 201 s: at most 200 s",
        ),
    ],
)
def test_what_nobody_could_be_shown_is_told(tmp_path: Path, plan: Plan, text: str, told: str) -> None:
    found = wrong(tmp_path, plan, HEAD + text)
    assert len(found) == 1 and told in found[0], found


@pytest.mark.parametrize(
    "text",
    [
        CONTACT.replace("= 5", "= -1"),
        CONTACT.replace("bias", "freeze").replace("offset = 5", ""),
        REPLAY.format(200),
        REPLAY.format(5).replace("board", "wire"),
        BIAS.replace("bias", "ramp").replace("offset = 5", "per_s = 1e37\nlimit = 10"),
    ],
)
def test_what_can_be_shown_is_not_refused(tmp_path: Path, plan: Plan, text: str) -> None:
    assert len(read(tmp_path, plan, HEAD + text).attacks) == 1


def test_a_pattern_leaves_out_contacts_that_a_figure_is_not_for(tmp_path: Path, plan: Plan) -> None:
    (attack,) = read(tmp_path, plan, HEAD + BIAS.replace("HEAD.P", "CB_202.*")).attacks
    kinds = {p.tag: p.is_two_state for p in plan.points.core}
    assert attack.channels and not any(kinds[tag] for tag in attack.channels)


SLOT = BIAS.replace("board", "instrument")
DELAY = SLOT.replace("bias", "delay").replace("offset = 5", "duration_s = 60\ndelay_s = {}")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (DELAY.format(DELAY_MAX_S + 1.0), f"attack[0].delay_s: {DELAY_MAX_S + 1.0:g} s: must be in 0.01 .."),
        (DELAY.format(0.0001), "attack[0].delay_s: 0.0001 s: must be in 0.01 .. 3600 s, from a step of the"),
        (SLOT.replace("= 5", "= 2e6"), "attack[0].offset: 2e+06: a slot at an instrument takes -1e+06 .."),
        (
            SLOT.replace("bias", "ramp").replace("offset = 5", "per_s = 1\nlimit = 2e6"),
            "attack[0].limit: 2e+06: a slot at an instrument takes 0 .. 1e+06",
        ),
        (
            SLOT.replace("bias", "freeze").replace("offset = 5", ""),
            "attack[0].duration_s: freeze at an instrument needs an end",
        ),
        (
            SLOT.replace("bias", "ramp").replace("offset = 5", "per_s = 1"),
            "attack[0].duration_s: ramp at an instrument without a limit needs an end",
        ),
        (
            SLOT.replace("bias", "freeze").replace("offset = 5", "duration_s = 2e6"),
            f"attack[0].duration_s: a slot would have to last 2e+06 s, at most {TIME_MAX_S:g} s",
        ),
        (
            SLOT.replace("bias", "ramp").replace("offset = 5", "per_s = 1e-3\nlimit = 1e4"),
            "attack[0].duration_s: a slot would have to last 1e+07 s, at most 1e+06 s; it is held",
        ),
        (
            SLOT + "duration_s = 10\n" + SLOT.replace('"b"', '"c"') + "start_s = 9.5\n",
            "attack[1].points: FDR_B.HEAD.P is attacked at its instrument by 'b' at the same time",
        ),
        (
            SLOT + '[[attack]]\nname = "t"\nkind = "topology"\nplace = "instrument"\nstart_s = 1e6\n'
            + 'statuses = { "FDR_B.CB_202.ST_52A" = 0 }\n' + SLOT.replace('"b"', '"c"') + "start_s = 1e6\n",
            "attack[2].points: FDR_B.HEAD.P is attacked at its instrument by 'b' at the same time",
        ),
    ],
)  # fmt: skip
def test_what_slots_would_refuse_is_told_before_a_station_runs(
    tmp_path: Path, plan: Plan, text: str, told: str
) -> None:
    found = wrong(tmp_path, plan, HEAD + text)
    assert any(told in line for line in found), found


def test_slots_serve_one_attack_after_the_other(tmp_path: Path, plan: Plan) -> None:
    twelve = SLOT.replace("FDR_B.HEAD.P", "FDR_*.HEAD.I?") + "duration_s = 10\n"
    text = twelve + twelve.replace('"b"', '"c"') + "start_s = 10\n"
    first, second = read(tmp_path, plan, HEAD + text).attacks
    assert len(first.tags) == len(second.tags) <= ATTACK_COUNT < 2 * len(first.tags)


def test_a_station_without_slots_is_told(tmp_path: Path, plan: Plan) -> None:
    points = [p for p in plan.points.points if not p.tag.startswith("LAB.ATK_")]
    bare = dc.replace(plan, points=dc.replace(plan.points, points=points))
    assert wrong(tmp_path, bare, HEAD + SLOT) == [
        "attack: the station has no slots for attacks at instruments (LAB.ATK_1 .., LAB.ARM)"
    ]


def test_a_file_is_endless_by_its_attacks_wherever_they_are(tmp_path: Path, plan: Plan) -> None:
    endless = Options()
    for place in ("instrument", "board", "wire"):
        text = HEAD + BIAS.replace("board", place)
        assert is_endless(read(tmp_path, plan, text), endless)
        assert not is_endless(read(tmp_path, plan, text), Options(duration_s=5.0))
        assert not is_endless(read(tmp_path, plan, text + "duration_s = 5\n"), endless)
    sent = '[[attack]]\nname = "c"\nkind = "command"\nplace = "wire"\n[[attack.command]]\n'
    commands = read(tmp_path, plan, HEAD + sent + 'tag = "SUB.REG_A.TAP_SP"\nvalue = 2\n')
    assert not is_endless(commands, endless)


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
    with pytest.raises(UserInputError, match="--allow: 'nobody' is not an address range; write it like 127"):
        networks(Options(listen="0.0.0.0", allow=("nobody",)))
    with pytest.raises(UserInputError, match="--listen: 'nobody' is not an IP address; write it like 127"):
        networks(Options(listen="nobody"))
    assert networks(Options(listen="localhost")) == []
    assert [str(n) for n in networks(Options(listen="0.0.0.0", allow=("192.168.1.0/24",)))] == [
        "192.168.1.0/24"
    ]


def test_attacks_on_the_board_are_the_stations_own(monkeypatch: pytest.MonkeyPatch) -> None:
    class Spec:
        attack = ""

    monkeypatch.setattr(attack_command, "running_station", lambda _path, _name: Spec())
    with pytest.raises(UserInputError, match=r'give it \[attack\] file = "replay"'):
        run_file("replay", Options(), out)
