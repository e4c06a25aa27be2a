"""Margins at the faults of a zone, and what the command says of them."""

from __future__ import annotations

import csv
import dataclasses as dc
import json
import math
import re
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from hil import cli, coordination_command, paths
from hil import coordination as co
from hil.coordination_chart import draw
from hil.station import read_plan
from hil.studies import Case, fault_report, solved_grid
from rtcore.errors import UserInputError
from rtcore.network.faults import Fault
from rtcore.network.model import Bus
from rtcore.protection.scheme import Scheme
from tests.support.small_feeder import (
    FAST,
    HEAD,
    OPENING_S,
    REL,
    SLOW,
    V_LN,
    cleared_by_65k_s,
    feeder,
    margin,
    overcurrent,
    relay,
    scheme,
    study,
    switch,
    transformer,
    very_inverse_s,
)


def test_margins_of_the_feeder_are_those_computed_by_hand() -> None:
    """Bolted faults behind 2 ohm (at the recloser) and 4 ohm (end of its zone)."""
    found = study()
    pair = ("rcl", "cb_a")
    for kind, place, bus, i_a in (
        ("3ph", co.LARGEST, "c", V_LN / 2.0),
        ("3ph", co.SMALLEST, "d", V_LN / 4.0),
        ("ll", co.LARGEST, "c", V_LN / 2.0 * math.sqrt(0.75)),
        ("slg", co.SMALLEST, "d", V_LN / 4.0),
    ):
        m = margin(found, pair, kind, place)
        assert m.bus == bus
        assert (m.i_downstream_a, m.i_upstream_a) == pytest.approx((i_a, i_a), rel=REL)
        assert m.downstream_s == pytest.approx(very_inverse_s(i_a, *SLOW) + OPENING_S, rel=10 * REL)
        assert m.upstream_s == pytest.approx(very_inverse_s(i_a, *HEAD), rel=10 * REL)
        assert m.margin_s == pytest.approx(m.upstream_s - m.downstream_s)
        assert (m.downstream_by, m.upstream_by, m.needed_s, m.verdict) == ("51s", "51p", 0.2, "ok")
    assert found.is_coordinated


def test_a_fuse_is_compared_with_the_fast_curve_before_it() -> None:
    m = margin(study(), ("fuse_f", "rcl"), "slg", co.SMALLEST)
    i_a = V_LN / 5.0
    assert (m.bus, m.phases, m.needed_s) == ("f", "b", 0.0)
    assert m.downstream_s == pytest.approx(cleared_by_65k_s(i_a), rel=REL)
    assert m.upstream_s == pytest.approx(very_inverse_s(i_a, *FAST), rel=10 * REL)
    assert {x.kind for x in study().margins if x.downstream == "fuse_f"} == {"slg"}


def test_a_margin_below_what_is_needed_is_told() -> None:
    of = scheme(head=(400.0, 0.2))  # 0.301 s against 0.205 s
    assert margin(study(of=of), ("rcl", "cb_a"), "3ph", co.LARGEST).verdict == "too small"
    assert not study(of=of).is_coordinated
    assert margin(study(of=of, margin_s=0.09), ("rcl", "cb_a"), "3ph", co.LARGEST).verdict == "ok"


def test_a_device_that_does_not_see_a_fault_of_its_zone_is_told() -> None:
    """V / 4 is 1992 A three-phase, 1725 A line to line."""
    rcl = relay("rcl", overcurrent("51", "rcl", 1800.0, 0.05))
    of = Scheme(name="x", relays=(relay("cb_a", overcurrent("51p", "cb_a", *HEAD)), rcl))
    found = study(of=of)
    blind = margin(found, ("rcl", "cb_a"), "ll", co.SMALLEST)
    assert (blind.verdict, blind.margin_s) == ("blind", -math.inf)
    (row,) = [
        r for r in co.rows(found) if (r["fault"], r["current"], r["downstream"]) == ("ll", "smallest", "rcl")
    ]
    assert (row["downstream_s"], row["margin_s"]) == (None, None)


def test_an_upstream_device_that_does_not_act_is_no_conflict() -> None:
    m = margin(study(of=scheme(head=(3000.0, 0.3))), ("rcl", "cb_a"), "3ph", co.SMALLEST)
    assert (m.upstream_s, m.margin_s, m.verdict) == (math.inf, math.inf, "ok")


def test_the_least_margin_is_shown_where_it_is_at_neither_end() -> None:
    seen = [
        dc.replace(
            margin(study(), ("rcl", "cb_a"), "3ph", co.LARGEST),
            i_downstream_a=i,
            upstream_s=t,
            downstream_s=0.1,
        )
        for i, t in ((3000.0, 0.6), (2000.0, 0.4), (1000.0, 0.6))
    ]
    assert [(m.place, m.i_downstream_a) for m in co._chosen(seen)] == [
        ("largest", 3000.0),
        ("smallest", 1000.0),
        ("tightest", 2000.0),
    ]


def test_a_relay_before_a_delta_wye_transformer_sees_its_share() -> None:
    """69/13.8 kV: balanced 1/5; to ground 1/(5 sqrt 3) in two phases; line to line 2/(5 sqrt 3) in one."""
    buses = (
        Bus(name="g", base_kv_ln=5 * V_LN / 1e3),
        Bus(name="h", base_kv_ln=5 * V_LN / 1e3),
        *feeder().buses,
    )
    source = dc.replace(feeder().sources[0], bus="g", base_kv=69.0, x1_ohm=25.0, x0_ohm=25.0)
    net = feeder(
        buses=buses,
        sources=(source,),
        transformers=(transformer("t", "h", "s", (69.0, 13.8)),),
        switches=(switch("cb_hv", "g", "h"), *feeder().switches),
    )
    relays = (relay("cb_hv", overcurrent("51p", "cb_hv", 100.0, 1.0)), *scheme().relays)
    found = study(net, Scheme(name="x", relays=relays))
    for kind, share in (("3ph", 0.2), ("slg", 0.2 / math.sqrt(3.0)), ("ll", 0.4 / math.sqrt(3.0))):
        m = margin(found, ("cb_a", "cb_hv"), kind, co.LARGEST)
        # the transformer's antifloat admittances, 1 ppm of its rating, and r of 1e-6 %
        assert m.i_upstream_a / m.i_downstream_a == pytest.approx(share, rel=1e-4)
    assert found.protected["cb_hv"].position.zone == ("h", "s")


def test_switches_can_stand_otherwise_for_a_study() -> None:
    found = study(opened=["rcl"])
    assert found.idle == ("rcl", "fuse_f")
    assert found.margins == ()
    with pytest.raises(UserInputError, match=r"no switch 'rlc'.*did you mean 'rcl'"):
        study(closed=["rlc"])


def two_groups() -> Scheme:
    """The recloser's slow element is four times as slow in group 2."""
    cb_a, rcl = scheme().relays
    slow = dc.replace(rcl.elements[1].settings[0], time_dial=0.8)
    elements = [dc.replace(e, settings=e.settings * 2) for e in rcl.elements]
    elements[1] = dc.replace(elements[1], settings=(*rcl.elements[1].settings, slow))
    return Scheme(name="x", relays=(cb_a, dc.replace(rcl, elements=tuple(elements))))


def test_another_settings_group_can_be_in_force_for_a_study() -> None:
    of = two_groups()
    one, two = (
        margin(study(of=of, groups={"rcl": k}), ("rcl", "cb_a"), "3ph", co.LARGEST).downstream_s
        for k in (1, 2)
    )
    # both times are those of the same current, so the dial's ratio is exact
    assert two - OPENING_S == pytest.approx(4.0 * (one - OPENING_S), rel=1e-12)
    assert study(of=of).margins == study(of=of, groups={"rcl": 1}).margins


def test_groups_that_are_not_there_are_told_together() -> None:
    with pytest.raises(UserInputError) as caught:
        study(of=two_groups(), groups={"rlc": 2, "rcl": 3, "cb_a": 2})
    assert [p.what for p in caught.value.problems] == [
        "no relay 'rlc' in this scheme; did you mean 'rcl'?",
        "relay 'cb_a' has no settings group 2; groups: 1",
        "relay 'rcl' has no settings group 3; groups: 1..2",
    ]


def test_groups_of_the_command_line_are_relay_and_number() -> None:
    assert coordination_command.read_groups(["RCL_1006=2", "cb_101=1", "cb_101=1"]) == {
        "rcl_1006": 2,
        "cb_101": 1,
    }
    with pytest.raises(UserInputError) as caught:
        coordination_command.read_groups(["rcl", "=2", "rcl=x", "rcl=-1", "b=1", "b=2"])
    said = [str(p) for p in caught.value.problems]
    assert "--group: 'b=2': group 1 of relay 'b' is asked for, too" in said
    for text in ("rcl", "=2", "rcl=x", "rcl=-1"):
        assert f"--group: {text!r}: must be RELAY=NUMBER, such as rcl_1006=2" in said
    assert len(said) == 5


def test_a_scheme_without_anything_in_service_has_nothing_to_coordinate() -> None:
    with pytest.raises(UserInputError, match="no relay with overcurrent elements and no fuse"):
        study(opened=["cb_a"])


@pytest.fixture(scope="module")
def iowa() -> co.Coordination:
    return coordination_command.run("iowa240", None)


def test_every_margin_of_iowa240_suffices(iowa: co.Coordination) -> None:
    assert [m for m in iowa.margins if m.verdict != "ok"] == []
    assert len(iowa.protected) == 20  # 69 kV, three heads, three further breakers, two reclosers, 11 fuses
    assert set(iowa.idle) == {"cb_102", "cb_204", "cb_303"}


def test_a_fault_level_of_iowa240_is_that_of_the_fault_study(iowa: co.Coordination) -> None:
    """The breaker lacks what the other feeders' loads and the capacitors add: below 1 %."""
    report = fault_report(solved_grid(Case(iowa.network, None)), Fault("bus1001", "3ph", "abc"))
    largest = max(i["mag"] for i in report["i_fault_a"].values())
    assert iowa.levels["cb_101"]["3ph"][0].i_a == pytest.approx(largest, rel=0.01)


def invoke(monkeypatch: pytest.MonkeyPatch, found: co.Coordination, *more: str) -> tuple[int, str]:
    """Run the command on a study that was made before."""
    monkeypatch.setattr(coordination_command, "run", lambda *_, **__: found)
    done = CliRunner().invoke(cli.app, ["coordination", *more])
    return done.exit_code, done.output


def test_the_table_names_pairs_and_what_they_come_to(
    monkeypatch: pytest.MonkeyPatch, iowa: co.Coordination
) -> None:
    code, text = invoke(monkeypatch, iowa)
    assert code == 0
    assert "every margin suffices" in text
    assert any("fuse_3119" in row and "rcl_3107" in row and "25T" in row for row in text.splitlines())


def test_a_margin_too_small_is_marked_and_the_exit_code_is_1(monkeypatch: pytest.MonkeyPatch) -> None:
    found = study(of=scheme(head=(400.0, 0.2)))
    code, text = invoke(monkeypatch, found)
    assert code == 1
    assert "TOO SMALL" in text
    assert f"of {len(found.margins)} margins do not suffice" in text


def test_csv_and_json_hold_every_margin(monkeypatch: pytest.MonkeyPatch) -> None:
    found = study()
    _, text = invoke(monkeypatch, found, "--format", "csv")
    rows = list(csv.DictReader(text.splitlines()))
    document = json.loads(invoke(monkeypatch, found, "--json")[1])
    assert len(rows) == len(document["margins"]) == len(found.margins)
    assert float(rows[0]["margin_s"]) == document["margins"][0]["margin_s"]
    assert {d["name"]: d.get("link") for d in document["devices"]} == {
        "cb_a": None,
        "rcl": None,
        "fuse_f": "65K",
    }


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["nowhere"], 2, "no station 'nowhere'"),
        (["iowa240", "-o", "chart.bmp"], 2, "a chart ends in .png, .svg, .pdf"),
        (["iowa240", "--group", "rcl_1006"], 2, "'rcl_1006': must be RELAY=NUMBER"),
        (["iowa240", "--group", "rcl_1007=2"], 2, "no relay 'rcl_1007' in this scheme"),
        (["iowa240", "--group", "rcl_1006=3"], 2, "no settings group 3; groups: 1..2"),
    ],
)
def test_what_cannot_be_is_one_line(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    code: int,
    said: str,
) -> None:
    monkeypatch.setattr("sys.argv", ["gridhil", "coordination", *arguments])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    text = capsys.readouterr().err
    assert (ended.value.code, text.count("\n")) == (code, 1)
    assert said in text


def test_a_station_without_a_scheme_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    bare = dc.replace(read_plan("iowa240"), scheme=None)
    monkeypatch.setattr(coordination_command, "read_plan", lambda _: bare)
    with pytest.raises(UserInputError, match=r"iowa240: has no protection scheme.*station\.protection"):
        coordination_command.run("iowa240", None)


def test_commands_of_the_documentation_run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """One draws the chart; the other studies a state whose order is right, with less than 0.2 s."""
    text = (paths.config_dir().parent / "docs" / "protection.md").read_text()
    commands = re.findall(r"`gridhil (coordination iowa240 [^`]*)`", text.replace("\n", " "))
    commands = [c for c in commands if ".." not in c]  # those are no commands yet
    monkeypatch.chdir(tmp_path)
    codes = {c: CliRunner().invoke(cli.app, shlex.split(c)).exit_code for c in commands}
    assert codes == {
        "coordination iowa240 -o chart.png": 0,
        "coordination iowa240 --open cb_203 --close cb_102 --group rcl_1006=2": 1,
    }
    assert (tmp_path / "chart.png").stat().st_size > 10_000  # an empty sheet has less


def test_a_chart_that_cannot_be_written_is_the_hosts_fault(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    found = study()
    target = Path("/proc/c.png")
    monkeypatch.setattr(coordination_command, "run", lambda *_, **__: draw(found, target, "x"))
    monkeypatch.setattr("sys.argv", ["gridhil", "coordination", "-o", str(target)])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 3
    assert (
        capsys.readouterr().err == f"gridhil: {target}: cannot write the chart: No such file or directory\n"
    )


def test_a_switch_cannot_be_both_open_and_closed() -> None:
    with pytest.raises(UserInputError, match="--open: cb_202 is to be closed as well"):
        coordination_command.run("iowa240", None, opened=["CB_202"], closed=["cb_202"])
