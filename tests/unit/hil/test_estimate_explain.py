"""``gridhil estimate --explain``: the telemetry of iowa240 without a run."""

from __future__ import annotations

import json
from typing import Any

import pytest

from hil import estimate_view
from hil.estimate_explain import explain, further_channels
from hil.station import Plan, read_plan
from hil.telemetry_files import telemetry_of

NOON_NS = 1_499_882_400_000_000_000
"""12 July 2017, 12:00 at the station (UTC-6)."""


@pytest.fixture(scope="module")
def plan() -> Plan:
    return read_plan("iowa240")


@pytest.fixture(scope="module")
def realistic(plan: Plan) -> dict[str, Any]:
    return explain(plan, "realistic", NOON_NS)


def of(doc: dict[str, Any], channel: str) -> dict[str, Any]:
    return next(c for c in doc["channels"] if c["channel"] == channel)


def test_every_channel_is_explained_and_the_document_is_json(realistic: dict[str, Any], plan: Plan) -> None:
    json.dumps(realistic, allow_nan=False)
    telemetry = telemetry_of(plan, "realistic")
    assert [c["channel"] for c in realistic["channels"]] == [c.measurement.name for c in telemetry.channels]
    assert realistic["at"].startswith("2017-07-12T12:00:00")
    testable = [c for c in realistic["channels"] if c["is_testable"]]
    assert realistic["n_testable"] == len(testable)
    assert all(c["redundancy"] >= 0.5 for c in testable)
    # What SOURCE.md says of the set: half of its channels.
    assert 0.4 < realistic["testable_share"] < 0.6


def test_why_a_service_meter_cannot_be_tested_is_said_in_words(realistic: dict[str, Any]) -> None:
    """Nothing but its history knows what a service draws: its P is weak, its V is checked by the feeder."""
    power, voltage = of(realistic, "FDR_C.M3088.Q1"), of(realistic, "FDR_C.M3088.V1")
    assert not power["is_testable"]
    assert "pseudo-load q_inj t_bus3088_l" in power["why"]
    assert power["detectable"] > 4.0 * power["sigma"]
    assert voltage["is_testable"]
    assert voltage["why"] == ""


def test_currents_of_open_ties_are_not_used_and_it_is_said_why(realistic: dict[str, Any]) -> None:
    unused = [c for c in realistic["channels"] if c["redundancy"] is None]
    assert unused
    assert {c["why"] for c in unused} == {"not used: nothing live is behind it, its switch is open"}
    assert {c["is_testable"] for c in unused} == {False}


def test_channels_that_look_alike_are_in_one_group(realistic: dict[str, Any]) -> None:
    for group in realistic["groups"]:
        assert len(group) > 1
    alike = {c["channel"]: set(c["alike"]) for c in realistic["channels"] if c["alike"]}
    for channel, others in alike.items():
        (group,) = [g for g in realistic["groups"] if channel in g]
        assert others <= set(group)


def test_candidates_are_the_points_that_the_set_does_not_read(realistic: dict[str, Any], plan: Plan) -> None:
    telemetry = telemetry_of(plan, "realistic")
    known = {c.measurement.name for c in telemetry.channels}
    offered = {p for c in realistic["candidates"] for p in c["points"]}
    assert not known & offered
    assert offered <= {c.measurement.name for c in further_channels(plan, telemetry)}
    assert {"FDR_C.SM_3092.PA", "FDR_A.M1003.VA"} <= offered


def test_a_section_meter_buys_flow_and_is_ranked_before_service_meters(realistic: dict[str, Any]) -> None:
    best = realistic["candidates"][0]
    assert ".SM_" in best["meter"]
    assert best["flow_std_w"]["mean"] < 0.95 * realistic["flow_std_w"]["mean"]
    assert [c["score"] for c in realistic["candidates"]] == sorted(
        (c["score"] for c in realistic["candidates"]), reverse=True
    )
    assert set(realistic["best"]) == {"mean voltage", "worst voltage", "mean flow", "testable channels"}


def test_the_view_says_it_for_people(realistic: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    estimate_view.show_design(realistic)
    text = capsys.readouterr().out
    for part in ("testable", "cannot be told apart", "with one more meter", "best for mean flow"):
        assert part in text
