"""``gridhil forecast train``: one command from a site's history to a model with its card."""

from __future__ import annotations

import importlib.util
import io
import json
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console
from typer.testing import CliRunner, Result

from forecasting import seasonal
from forecasting.history import Wish
from forecasting.lstm.model import Model
from forecasting.lstm.training import Recipe
from forecasting.residual_lstm import RECIPE
from hil import cli, forecast_train
from hil.cli_options import EXIT_INPUT
from rtcore.errors import HostError, UserInputError
from tests.support.plain_load import mean_day, plain_load

DAYS, SCORED = 60, 7
SMALL = ("--units", "4", "--epochs", "2", "--scored-days", str(SCORED))


@pytest.fixture(autouse=True)
def no_prophet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seasonal, "prophet", mean_day)


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(tmp_path_factory.mktemp("history") / "site.csv", DAYS)


def written(path: Path, days: int) -> Path:
    load = plain_load(days)
    stamps = np.datetime64(load.start_ns, "ns") + load.step_ns * np.arange(len(load))
    rows = zip(stamps.astype("datetime64[s]"), load.values, load.exogenous["temperature_degc"], strict=True)
    lines = ["time,feeder kW,temperature", *(f"{t}Z,{p:.3f},{c:.3f}" for t, p, c in rows)]
    path.write_text("\n".join(lines) + "\n")
    return path


def train(history: Path, folder: Path, *more: str) -> Result:
    wish = ("--history", str(history), "--column", "feeder kW", "-o", str(folder))
    return CliRunner().invoke(cli.app, ["forecast", "train", *wish, *SMALL, *more])


def test_one_command_makes_a_model_that_runs_and_says_how_good_it_is(history: Path, tmp_path: Path) -> None:
    done = train(history, tmp_path / "models", "--exogenous", "temperature", "--json")
    assert done.exit_code == 0, done.output
    document = json.loads(done.stdout)
    model = Model(tmp_path / "models" / "feeder_kW.tflite")
    assert document["model"] == str(tmp_path / "models" / "feeder_kW.tflite")
    assert document["sha256"] == model.card.sha256
    assert document["scores"] == model.card.scores
    assert model.card.split == {"trained": 24 * (DAYS - SCORED), "scored": 24 * SCORED}
    assert model.card.inputs[-1].name == "temperature"
    assert model.card.data.source == str(history)
    assert np.isfinite(model(np.zeros((1, 24, len(model.card.inputs))))).all()


def test_the_same_seed_makes_the_same_file_and_another_one_another(history: Path, tmp_path: Path) -> None:
    for folder, seed in (("a", "5"), ("b", "5"), ("c", "6")):
        assert train(history, tmp_path / folder, "--seed", seed).exit_code == 0
    a, b, c = ((tmp_path / x / "feeder_kW.tflite").read_bytes() for x in "abc")
    assert a == b
    assert a != c


def test_rows_after_the_date_that_is_given_do_not_exist_for_the_model(history: Path, tmp_path: Path) -> None:
    """So the model is that of a file that ends there."""
    shorter = written(tmp_path / "site.csv", DAYS - 8)
    until = str((np.datetime64("2017-01-01") + DAYS - 8).astype("datetime64[D]"))
    assert train(history, tmp_path / "a", "--to", until, "--name", "mine").exit_code == 0
    assert train(shorter, tmp_path / "b").exit_code == 0
    cut, own = Model(tmp_path / "a" / "mine.tflite"), Model(tmp_path / "b" / "feeder_kW.tflite")
    assert cut.card.sha256 == own.card.sha256
    assert (cut.card.data.rows, cut.card.data.sha256) == (24 * (DAYS - 8), own.card.data.sha256)
    assert cut.card.scores == own.card.scores


def test_a_date_that_is_none_is_refused(history: Path, tmp_path: Path) -> None:
    done = train(history, tmp_path, "--to", "soon")
    assert isinstance(done.exception, UserInputError)
    assert "--to: 'soon' is not a date" in str(done.exception)


def test_scores_are_shown_with_where_the_model_is(history: Path, tmp_path: Path) -> None:
    done = train(history, tmp_path)
    assert "7 days not learned from" in done.stdout
    assert done.stdout.splitlines()[-2:] == [str(tmp_path / f"feeder_kW.{end}") for end in ("tflite", "json")]


def test_a_terminal_sees_a_bar_for_each_part_of_the_work(history: Path, tmp_path: Path) -> None:
    screen = Console(file=io.StringIO(), force_terminal=True, width=100)
    options = forecast_train.Options(recipe=Recipe(units=4, epochs=2), scored_days=SCORED)
    forecast_train.run(str(history), Wish(column="feeder kW"), tmp_path, options, 0, screen)
    shown = screen.file.getvalue()  # type: ignore[attr-defined]
    for part in ("seasons", "46/46", "training", "2/2"):
        assert part in shown


def test_a_short_history_is_refused_before_any_work(tmp_path: Path) -> None:
    short = written(tmp_path / "short.csv", 50)
    with pytest.raises(
        UserInputError, match=r"short\.csv: feeder kW: 50 days, of which 28 are kept .* 28 are"
    ):
        forecast_train.run(
            str(short),
            Wish(column="feeder kW"),
            tmp_path / "models",
            forecast_train.Options(),
            0,
            Console(quiet=True),
        )
    assert not (tmp_path / "models").exists()


def test_a_file_where_the_folder_should_be_is_named_before_the_training(
    history: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("in the way")
    options = forecast_train.Options(scored_days=SCORED)
    with pytest.raises(UserInputError, match="file is a file; --output takes a folder"):
        forecast_train.run(
            str(history),
            Wish(column="feeder kW"),
            tmp_path / "file" / "models",
            options,
            0,
            Console(quiet=True),
        )


@pytest.mark.skipif(importlib.util.find_spec("tensorflow") is not None, reason="tensorflow is installed")
def test_without_tensorflow_its_trainer_is_refused_at_once(history: Path, tmp_path: Path) -> None:
    options = forecast_train.Options(trainer="tensorflow")
    with pytest.raises(HostError, match=r"pip install 'gridhil\[train\]'"):
        forecast_train.run(str(history), Wish(), tmp_path, options, 0, Console(quiet=True))


def test_the_help_names_the_defaults_that_are_used() -> None:
    shown = CliRunner().invoke(cli.app, ["forecast", "train", "--help"], env={"COLUMNS": "200"}).stdout
    for option, value in (("--units", RECIPE.units), ("--epochs", RECIPE.epochs)):
        line = next(text for text in shown.splitlines() if option in text)
        assert f"default: ({value})" in line


def test_an_unknown_trainer_is_a_mistake_of_the_user(history: Path, tmp_path: Path) -> None:
    assert train(history, tmp_path, "--trainer", "torch").exit_code == EXIT_INPUT
