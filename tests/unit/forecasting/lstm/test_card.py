"""A model and its card belong together; a card that cannot be is refused with everything wrong in it."""

from __future__ import annotations

import dataclasses as dc
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from forecasting.lstm.card import Card, Data, Scaling, iso_utc, read_card
from forecasting.lstm.model import Model
from forecasting.lstm.network import forward, initial
from forecasting.lstm.tflite_file import write
from rtcore.errors import UserInputError

WEIGHTS = initial(2, 8, 3, np.random.default_rng(1))


def card_of(sha256: str) -> Card:
    return Card(
        sha256=sha256,
        created_utc="2026-01-01T00:00:00Z",
        trainer="numpy",
        seed=7,
        step_s=3600.0,
        lookback=12,
        inputs=(Scaling("residual", 10.0, 200.0), Scaling("temperature_degc", 12.5, 9.0)),
        target=Scaling("residual", 10.0, 200.0),
        horizons=(1, 2, 24),
        preparation={"means": {"residual": 0.0}, "spreads": [1.0, 2.0], "carry": 0.9},
        recipe={"units": 8, "lr": 4e-3},
        split={"trained": 700, "validated": 0, "scored": 168},
        scores={"1": {"rmse": 50.1, "mae": 40.0}},
        data=Data(
            source="load.csv",
            column="total",
            sha256="0" * 64,
            rows=8760,
            known=8759,
            first_utc="2017-01-01T06:00:00Z",
            last_utc="2018-01-01T05:00:00Z",
            zone="-06:00",
        ),
        versions={"numpy": "2.4.6"},
    )


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "total.tflite"
    card_of(write(path, 12, WEIGHTS)).write(path)
    return path


def changed(model: Path, **values: Any) -> None:
    path = model.with_suffix(".json")
    document = json.loads(path.read_text())
    for key, value in values.items():
        *parts, last = key.split("__")
        inner = document
        for part in parts:
            inner = inner[int(part)] if isinstance(inner, list) else inner[part]
        inner[last] = value
    path.write_text(json.dumps(document))


def refusal(model: Path) -> list[str]:
    with pytest.raises(UserInputError) as caught:
        Model(model)
    assert all(p.file == str(model.with_suffix(".json")) for p in caught.value.problems)
    return [f"{p.place}: {p.what}" for p in caught.value.problems]


def test_what_is_written_is_what_is_read(model: Path) -> None:
    card = read_card(model)
    assert card == card_of(card.sha256)


def test_a_model_takes_and_gives_the_units_of_the_data(model: Path) -> None:
    """The network sees (value - mean) / scale; float32 leaves 1e-6 of a scale of 200."""
    raw = np.array([10.0, 12.5]) + np.array([200.0, 9.0]) * np.random.default_rng(3).standard_normal(
        (4, 12, 2)
    )
    wanted = 10.0 + 200.0 * forward(WEIGHTS, (raw - [10.0, 12.5]) / [200.0, 9.0])
    assert np.abs(Model(model)(raw) - wanted).max() < 2e-3


def test_a_model_that_is_not_the_one_of_its_card_is_refused(model: Path) -> None:
    expected = read_card(model).sha256
    other = write(model, 12, initial(2, 8, 3, np.random.default_rng(2)))
    with pytest.raises(UserInputError) as caught:
        Model(model)
    assert all(text in str(caught.value) for text in (str(model), expected, other))


def test_a_card_of_another_shape_than_its_model_is_refused(model: Path) -> None:
    changed(model, lookback=24, horizons=[1, 2])
    assert refusal(model) == [
        "horizons: 2 on the card, 3 in the model",
        "lookback: 24 on the card, 12 in the model",
    ]


def test_a_model_without_its_card_is_refused(model: Path) -> None:
    model.with_suffix(".json").unlink()
    assert refusal(model) == [": a model comes with its card, and this one is missing"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{\n"format": "gridhil-lstm-1",\n"seed" 7}', "line 3: not JSON: Expecting ':' delimiter"),
        ("[1, 2]", ': not the card of a model: "format" is not "gridhil-lstm-1"'),
        ('{"format": "gridhil-lstm-9"}', ': not the card of a model: "format" is not "gridhil-lstm-1"'),
    ],
)
def test_what_is_no_card_is_refused(text: str, said: str, model: Path) -> None:
    model.with_suffix(".json").write_text(text)
    assert refusal(model) == [said]


def test_a_card_in_other_characters_is_refused(model: Path) -> None:
    model.with_suffix(".json").write_bytes(b'{"format": "\xff\xfe"}')
    assert refusal(model) == [": not a text file in UTF-8"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"sha256": "12ab"}, "sha256: '12ab' is not a sha256 of 64 hexadecimal digits"),
        ({"lookback": 0}, "lookback: 0 is not a whole number of at least 1"),
        ({"lookback": True}, "lookback: True is not a whole number of at least 1"),
        ({"seed": -1}, "seed: -1 is not a whole number of at least 0"),
        ({"step_s": 0}, "step_s: 0 is not a number above 0"),
        ({"trainer": "magic"}, "trainer: 'magic' is not numpy or tensorflow"),
        ({"horizons": [1, 3, 2]}, "horizons: [1, 3, 2] is not a list of rising whole numbers of at least 1"),
        ({"created_utc": "today"}, "created_utc: 'today' is not a moment like 2017-07-12T12:00:00Z"),
        ({"inputs": []}, "inputs: not a list of at least one input"),
        ({"inputs__1__scale": 0.0}, "inputs 2.scale: 0.0 is not a number above 0"),
        ({"inputs__1__mean": math.nan}, "inputs 2.mean: nan is not a finite number"),
        ({"inputs__1__name": "residual"}, "inputs: 'residual' is there twice"),
        ({"target": 3}, "target: not an object"),
        ({"data__rows": "many"}, "data.rows: 'many' is not a whole number of at least 1"),
        ({"scores__1__rmse": math.inf}, "scores.1.rmse: inf is not a finite number"),
        ({"preparation__spreads": [1.0, "2"]}, "preparation.spreads.1: '2' is not a finite number"),
        ({"preparation__means__residual": None}, "preparation.means.residual: None is not a finite number"),
        ({"split": {"trained": -1}}, "split: {'trained': -1} is not an object of whole numbers"),
        ({"versions": {"numpy": 2}}, "versions: {'numpy': 2} is not an object of texts"),
        ({"data__zonee": "-06:00"}, "data.zonee: no such key; did you mean 'zone'?"),
    ],
)
def test_a_value_that_cannot_be_is_named(change: dict[str, Any], said: str, model: Path) -> None:
    changed(model, **change)
    assert refusal(model) == [said]


def test_all_problems_of_a_card_are_told_at_once(model: Path) -> None:
    path = model.with_suffix(".json")
    document = json.loads(path.read_text())
    document["lokback"] = document.pop("lookback")
    del document["target"]["scale"]
    document["seed"] = "seven"
    path.write_text(json.dumps(document))
    assert refusal(model) == [
        "lokback: no such key; did you mean 'lookback'?",
        "lookback: missing",
        "seed: 'seven' is not a whole number of at least 0",
        "target.scale: missing",
    ]


def test_a_card_with_a_score_that_is_no_number_is_not_written(model: Path) -> None:
    card = read_card(model)
    before = model.with_suffix(".json").read_bytes()
    with pytest.raises(ValueError, match="JSON compliant"):
        dc.replace(card, scores={"1": {"rmse": math.nan}}).write(model)
    assert model.with_suffix(".json").read_bytes() == before


def test_moments_are_told_in_utc() -> None:
    assert iso_utc(1_483_250_400 * 1_000_000_000) == "2017-01-01T06:00:00Z"
