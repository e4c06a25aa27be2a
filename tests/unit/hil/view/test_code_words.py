"""Numbers that stand for something are told in the words of their own description."""

from __future__ import annotations

import pytest

from estimation.outputs import WHY_TABLE, WHY_TEXT
from forecasting.outputs import MODELS, STATE_TABLE, STATE_TEXT
from hil.view.code_words import table


def test_every_reason_of_the_estimator_is_read_back_whole() -> None:
    assert table(f"why the result is what it is: {WHY_TABLE}") == {int(k): v for k, v in WHY_TEXT.items()}


def test_states_and_models_of_the_forecaster_are_read_back_whole() -> None:
    assert table(f"state: {STATE_TABLE}") == {int(k): v for k, v in STATE_TEXT.items()}
    listed = ", ".join(f"{k} {name}" for k, name in enumerate(MODELS))
    assert table(f"model that is issued: {listed}") == dict(enumerate(MODELS))


def test_a_table_may_be_the_whole_description() -> None:
    assert table("0 none, 1 bias, 2 scale") == {0: "none", 1: "bias", 2: "scale"}


def test_a_table_may_begin_with_one_stand_behind_other_words_and_name_a_number_twice() -> None:
    assert table("last trip: 1 OV2, 2 OV1") == {1: "OV2", 2: "OV1"}
    assert table("curve, dt is definite time; 0 dt, 1 iec_si_a, 1 sel_c1") == {0: "dt", 1: "iec_si_a"}


@pytest.mark.parametrize(
    "text",
    [
        "1: in service",
        "1 in service; 0 measures nothing",
        "",
        "phase a current",
        "1 while it is on",
        "mean of 0 values",
        "x: 0 only",
    ],
)
def test_a_description_without_a_table_has_no_words(text: str) -> None:
    assert table(text) == {}
