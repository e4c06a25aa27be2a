"""The shipped LSTM: whole, found by name, and as good as its card says."""

from __future__ import annotations

import datetime as dt
import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from forecasting import retraining
from forecasting.history import Wish, read_history
from forecasting.lstm.card import card_path
from forecasting.lstm.model import Model
from forecasting.residual_lstm import ResidualLstm
from forecasting.seasonal import Seasonal
from forecasting.series import Series
from hil.cli_options import EXIT_INPUT
from hil.forecast_history import find_history, find_model, shipped_models
from hil.paths import config_dir
from rtcore.errors import UserInputError

NAME = "iowa240_total"
STATIONS_BEGIN = dt.datetime.fromisoformat("2017-07-12T12:00-06:00")


@pytest.fixture(scope="module")
def total() -> Series:
    """Return the shipped total as far as the card knows it."""
    series, _ = read_history(find_history("iowa240_2017"), Wish(column="total_kw"))
    return series.before(Model(find_model(NAME)).card.data.rows)


def test_every_shipped_model_has_its_checksum_on_its_card_and_in_the_list_of_sources() -> None:
    sources = (config_dir() / "models" / "SOURCE.md").read_text()
    assert NAME in shipped_models()
    for path in shipped_models().values():
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        assert Model(path).card.sha256 == digest
        assert f"{digest}  {path.name}" in sources


def test_a_name_that_is_not_shipped_is_refused_with_the_nearest_one() -> None:
    with pytest.raises(UserInputError, match=f"did you mean '{NAME}'"):
        find_model("iowa240_totals")


def test_it_learned_from_the_shipped_history_before_the_stations_begin(total: Series) -> None:
    card = Model(find_model(NAME)).card
    assert dt.datetime.fromisoformat(card.data.last_utc) < STATIONS_BEGIN
    assert hashlib.sha256(np.ascontiguousarray(total.values, "<f8").tobytes()).hexdigest() == card.data.sha256
    assert sum(card.split.values()) == card.data.rows


def test_its_scores_are_found_again_on_the_days_that_it_did_not_learn_from(total: Series) -> None:
    card, day = Model(find_model(NAME)).card, total.per_day
    # Of what was before, four weeks of season and a week of its residuals matter: no need to fit the rest.
    begin = (card.split["trained"] // day - 28 - 8) * day
    series, seasonal = total.since(begin), Seasonal(day)
    member = ResidualLstm(seasonal, day, np.random.default_rng(0))
    retraining.use_model(member, find_model(NAME), series)
    found = retraining.scores_of(member, seasonal, series, card.split["trained"] - begin)
    assert found.keys() == card.scores.keys()
    for horizon, scores in found.items():
        for name in ("rmse", "mae", "bias", "rmse_prophet", "rmse_persistence"):
            # Prophet's optimiser ends where it may on another processor: one in a thousand of the error.
            assert scores[name] == pytest.approx(card.scores[horizon][name], rel=1e-3, abs=0.1), name


@pytest.mark.parametrize("at", [0.0, 0.5, 0.999])
def test_a_flipped_byte_is_refused_with_both_checksums(tmp_path: Path, at: float) -> None:
    copy = copied(tmp_path, at)
    told = Model(find_model(NAME)).card.sha256
    has = hashlib.sha256(copy.read_bytes()).hexdigest()
    with pytest.raises(UserInputError) as caught:
        Model(copy)
    assert told in str(caught.value)
    assert has in str(caught.value)


def test_a_station_with_a_broken_model_is_refused_with_exit_2(tmp_path: Path) -> None:
    copied(tmp_path, 0.5)
    text = (config_dir() / "stations" / "iowa240-der.toml").read_text()
    before = '[forecast.loads.total]\ncolumn = "total_kw"\n'
    assert before in text
    station = tmp_path / "mine.toml"
    station.write_text(text.replace(before, before + f'model = "{NAME}.tflite"\n'))
    argv = [sys.executable, "-m", "hil", "check", str(station)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == EXIT_INPUT
    assert "sha256" in done.stderr


def copied(folder: Path, at: float) -> Path:
    """Return a copy of the model with its card, one byte of it flipped."""
    copy = folder / f"{NAME}.tflite"
    shutil.copy(card_path(find_model(NAME)), card_path(copy))
    data = bytearray(find_model(NAME).read_bytes())
    data[int(at * len(data))] ^= 1
    copy.write_bytes(data)
    return copy
