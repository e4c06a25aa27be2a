"""``gridhil estimate --explain``: the telemetry of iowa240 without a run."""

from __future__ import annotations

import dataclasses as dc
import json
from typing import Any

import pytest

from hil import estimate_explain, estimate_view
from hil.estimate_explain import explain, further_channels
from hil.load_history import history_of
from hil.station import Plan, read_plan
from hil.telemetry_files import telemetry_of
from rtcore.errors import UserInputError

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


DAY_NS = 86_400 * 10**9


def test_a_moment_in_another_year_is_said_to_be_taken_from_the_profiles_own(
    realistic: dict[str, Any], plan: Plan
) -> None:
    """365 days later or earlier the profile is where it was."""
    assert realistic["history"] == ""
    for days, date in ((365, "2018-07-12"), (-365, "2016-07-12")):
        other = explain(plan, "realistic", NOON_NS + days * DAY_NS)
        assert other["at"].startswith(date)
        assert f"repeats: loads of {date}T12:00:00" in other["history"]
        assert "are those of 2017-07-12T12:00:00" in other["history"]
        assert other["voltage_std_pu"] == realistic["voltage_std_pu"]


def test_a_moment_outside_a_profile_that_does_not_repeat_is_refused(
    plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = history_of(plan)
    assert whole is not None
    monkeypatch.setattr(estimate_explain, "history_of", lambda _: dc.replace(whole, wraps=False))
    with pytest.raises(UserInputError, match="does not repeat; 1999-01-01") as caught:
        explain(plan, "realistic", NOON_NS - 6767 * DAY_NS)
    assert caught.value.problems[0].place == "profile"
