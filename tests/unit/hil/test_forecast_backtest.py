"""``gridhil forecast backtest``: any load, one command, every model side by side."""

from __future__ import annotations

import datetime as dt
import json
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from forecasting import hybrid, seasonal
from forecasting.lstm.training import Recipe
from forecasting.residual_lstm import ResidualLstm
from hil import cli, forecast_history
from hil.importers import iowa_histories
from hil.profiles import read_profile
from rtcore.errors import UserInputError
from tests.support.plain_load import mean_day, plain_load

DAYS = 50


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seasonal, "prophet", mean_day)
    monkeypatch.setattr(hybrid, "ResidualLstm", partial(ResidualLstm, recipe=Recipe(units=2, epochs=1)))


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("history") / "site.csv"
    first = dt.datetime(2017, 1, 1, tzinfo=dt.UTC)
    stamps = (first + dt.timedelta(hours=k) for k in range(24 * DAYS))
    rows = [f"{s.isoformat()},{v:.3f}" for s, v in zip(stamps, plain_load(DAYS).values, strict=True)]
    path.write_text("\n".join(["time,kw", *rows]) + "\n")
    return path


def called(*arguments: str) -> Result:
    return CliRunner().invoke(cli.app, ["forecast", "backtest", *arguments])


def test_json_has_scores_of_every_model_by_horizon_in_steps(history: Path) -> None:
    done = called("--history", str(history), "--from", "2017-02-18", "--to", "2017-02-19T06", "--json")
    assert done.exit_code == 0, done.output
    document = json.loads(done.stdout)
    assert set(document["horizons"]) == {"1", "24"}
    assert document["window"] == {
        "first": "2017-02-18T00:00:00+00:00",
        "last": "2017-02-19T00:00:00+00:00",  # the target a day later is the last row there is
        "origins": 25,
    }
    for models in document["horizons"].values():
        for name in ("hybrid", "prophet", "lstm", "ridge", "persistence", "naive_day", "naive_week"):
            assert {"rmse", "mae", "mase"} <= set(models[name])
    assert document["history"]["rows"] == 24 * DAYS


def test_the_table_shows_weights_and_what_the_hybrid_is_without_each_member(history: Path) -> None:
    done = called(
        *("--history", str(history), "--from", "2017-02-18", "--to", "2017-02-19", "--horizons", "2"),
    )
    assert done.exit_code == 0, done.output
    for word in ("2 steps ahead", "hybrid", "ridge_log", "without", "hybrid to best member"):
        assert word in done.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--horizons", "1,x"), "'x' is no number of steps"),
        (("--horizons", "169"), "at most 168 (7 days)"),
        (("--from", "yesterday"), "'yesterday' is not a date"),
        (("--from", "2017-01-20"), "19.0 days of history before the first forecast"),
        (("--column", "kwh"), "did you mean 'kw'?"),
    ],
)
def test_wrong_arguments_are_refused_with_a_reason(
    history: Path, arguments: tuple[str, ...], said: str
) -> None:
    done = called("--history", str(history), *arguments)
    assert isinstance(done.exception, UserInputError)
    assert said in str(done.exception)


def test_a_history_that_is_nowhere_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(UserInputError, match="did you mean 'iowa240_2017'"):
        forecast_history.find_history("iowa240_2018")


def test_the_shipped_feeders_are_the_sums_of_the_shipped_profile(tmp_path: Path) -> None:
    import csv
    import gzip

    with gzip.open(forecast_history.shipped()["iowa240_2017"], "rt") as file:
        shipped = list(csv.reader(file))[1:]
    made = iowa_histories.rows(read_profile("iowa240_2017"), [row[1] for row in shipped])
    assert made == shipped
    feeders = np.array([[float(x) for x in row[2:]] for row in shipped]).sum(axis=1)
    # Feeders are without losses and with the metered load at bus 2002, the total with both otherwise.
    assert np.abs(feeders / [float(row[1]) for row in shipped] - 1.0).max() < 0.35
