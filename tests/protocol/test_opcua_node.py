"""node-opcua, a client that nobody here wrote, against the live server."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from protocols import opcua_space
from rtcore.points import Kind
from tests.support import peers
from tests.support.opcua_rig import STATION, Rig, settings_of

PACKAGE = "node-opcua-client"
DEVICE = "ns=2;s=FDR_B.CB_201"
SETPOINT = "ns=2;s=SUB.SRC.V_SP"


@pytest.fixture(scope="module")
def rig() -> Iterator[Rig]:
    peers.require("node")
    peers.node_modules(PACKAGE)
    with Rig() as running:
        yield running


@pytest.fixture
def core(rig: Rig) -> Iterator[Any]:
    with settings_of(rig.core) as core:
        yield core


def master(
    rig: Rig, plan: list[Any], mode: str = "None", user: str = "", password: str = ""
) -> dict[str, Any]:
    """Run the master and return what it printed."""
    done = peers.run_node(
        "opcua_master.js", rig.url, mode, user, password, json.dumps(plan), package=PACKAGE, timeout_s=60.0
    )
    assert done.stdout.strip(), done.stderr
    result: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return result


def test_every_point_is_read_with_its_value(rig: Rig, core: Any) -> None:
    core.value_of = lambda i, step: float(i % 2) if rig.points[i].is_two_state else 100.0 + i
    shown = [(i, p) for i, p in enumerate(rig.points) if p.kind is not Kind.CONTROL]
    # the watch at the start gives the new values time to be published
    plan: list[Any] = [["watch", [opcua_space.node_id(shown[0][1])], 300]]
    result = master(rig, plan + [["read", opcua_space.node_id(p)] for _, p in shown])
    for (i, p), read in zip(shown, result["steps"][1:], strict=True):
        expected = core.setpoints.get(i, core.value_of(i, 0))
        assert read["status"] == "Good", p.tag
        assert read["value"] == (bool(expected) if p.is_two_state else expected), p.tag
        assert read["source"] is not None


def test_the_tree_is_browsed(rig: Rig) -> None:
    root = f"ns=2;s=station:{STATION}"
    result = master(rig, [["browse", root], ["browse", DEVICE]])
    assert "2:FDR_B" in result["steps"][0]
    assert {"2:IA", "2:Trip", "2:Close"} <= set(result["steps"][1])


def test_a_subscription_brings_changes_at_the_publishing_rate(rig: Rig, core: Any) -> None:
    core.value_of = lambda i, step: float(10 * step)
    nodes = [f"ns=2;s=FDR_B.M_{k}.V" for k in range(20)]
    counts = master(rig, [["watch", nodes, 2000]])["steps"][0]
    # 20 periods of 100 ms; a few are lost to node's own start and to a busy host
    assert all(8 <= counts[n]["n"] <= 24 for n in nodes), counts
    assert {counts[n]["status"] for n in nodes} == {"Good"}


def test_a_clients_own_deadband_holds_changes_back(rig: Rig, core: Any) -> None:
    core.value_of = lambda i, step: float(step % 2)
    counts = master(rig, [["watch", ["ns=2;s=SUB.BUS1.VA"], 1000, 5.0]])["steps"][0]
    assert counts["ns=2;s=SUB.BUS1.VA"]["n"] == 1


def test_operator_writes_and_trips_and_sees_the_verdict(rig: Rig, core: Any) -> None:
    assert rig.password is not None
    plan = [
        ["write", SETPOINT, "Double", 1.04],
        ["read", SETPOINT],
        ["write", SETPOINT, "Double", 7.0],
        ["write", SETPOINT, "Int32", 1],
        ["read", SETPOINT],
        ["call", DEVICE, f"{DEVICE}.TRIP"],
    ]
    steps = master(rig, plan, user="operator", password=rig.password)["steps"]
    assert [s["status"] for s in steps] == [
        "Good",
        "Good",
        "BadOutOfRange",
        "BadTypeMismatch",
        "Good",
        "Good",
    ]
    assert (steps[1]["value"], steps[4]["value"]) == (1.04, 1.04)
    assert steps[5]["outputs"][0] == "done"
    assert core.pulses == [("FDR_B.CB_201.TRIP", 1.0)]


def test_anonymous_may_neither_write_nor_trip(rig: Rig, core: Any) -> None:
    plan = [["write", SETPOINT, "Double", 1.0], ["call", DEVICE, f"{DEVICE}.TRIP"]]
    steps = master(rig, plan)["steps"]
    assert [s["status"] for s in steps] == ["BadUserAccessDenied"] * 2
    assert core.pulses == []


@pytest.mark.parametrize("mode", ["Sign", "SignAndEncrypt"])
def test_operator_commands_over_basic256sha256(rig: Rig, core: Any, mode: str) -> None:
    assert rig.password is not None
    plan = [["write", SETPOINT, "Double", 1.02], ["read", SETPOINT]]
    result = master(rig, plan, mode, "operator", rig.password)
    assert [s["status"] for s in result["steps"]] == ["Good", "Good"], result
    assert result["steps"][1]["value"] == 1.02


def test_a_wrong_password_is_refused(rig: Rig) -> None:
    result = master(rig, [], user="operator", password="wrong")
    assert "BadUserAccessDenied" in result["error"]
