"""A site's own model: trained on its past, scored as a file on what came after, or refused."""

from __future__ import annotations

import dataclasses as dc
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from forecasting import retraining
from forecasting import seasonal as seasonal_module
from forecasting.lstm.card import Card, read_card
from forecasting.lstm.runtime import Runner
from forecasting.lstm.tflite_file import write
from forecasting.lstm.training import Recipe
from forecasting.residual_lstm import ResidualLstm
from forecasting.seasonal import Seasonal
from forecasting.series import Series
from rtcore.clock import NS_PER_HOUR
from rtcore.errors import UserInputError
from tests.support.plain_load import mean_day, plain_load

SCORED = 4
RECIPE = Recipe(units=8, epochs=4, batch=32, lr=1e-2)


@dc.dataclass(frozen=True)
class Made:
    series: Series
    seasonal: Seasonal
    member: ResidualLstm
    path: Path
    card: Card
    ticks: list[tuple[int, int]]
    trained: int


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Made]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(seasonal_module, "prophet", mean_day)
        yield make(tmp_path_factory.mktemp("model") / "total.tflite")


def make(path: Path) -> Made:
    series = plain_load(70)
    seasonal, ticks = Seasonal(24), list[tuple[int, int]]()
    trained = retraining.check_length(series, SCORED, "site.csv")
    retraining.fit_seasons(seasonal, series, lambda done, total: ticks.append((done, total)))
    member = ResidualLstm(seasonal, 24, np.random.default_rng(3), recipe=RECIPE)
    member.train(series.before(trained))
    assert member.trained is not None
    weights, scaling = member.trained
    runner = Runner(path, write(path, 24, weights))
    member.use(weights, scaling, runner)
    card = retraining.card_of(
        series,
        scaling,
        runner,
        trained=trained,
        recipe=RECIPE,
        seed=3,
        trainer="numpy",
        source="site.csv",
        now_ns=1_500_000_000 * 10**9,
    )
    card = dc.replace(card, scores=retraining.scores_of(member, seasonal, series, trained))
    card.write(path)
    return Made(series, seasonal, member, path, card, ticks, trained)


def test_progress_reaches_its_end(made: Made) -> None:
    assert made.ticks[0] == (0, 56)  # 70 days, of which 14 have no fit
    assert made.ticks[-1] == (56, 56)


def test_the_card_says_what_the_model_is_and_from_what(made: Made) -> None:
    card = read_card(made.path)
    assert card == made.card
    assert card.split == {"trained": 66 * 24, "scored": 4 * 24}
    assert (card.data.rows, card.data.known) == (1680, 1680)
    assert (card.data.first_utc, card.data.last_utc) == ("2017-01-01T00:00:00Z", "2017-03-11T23:00:00Z")
    scales = {i.name: i.scale for i in card.inputs}
    assert scales["temperature_degc"] == pytest.approx(
        float(np.std(made.series.exogenous["temperature_degc"][: 66 * 24]))
    )
    assert scales["load"] == scales["load at this time tomorrow a week ago"]
    assert scales["sine of the time of day"] == 1.0
    assert card.versions["interpreter"].startswith("ai-edge-litert")


def test_scores_are_those_of_the_rows_that_were_kept_apart(made: Made) -> None:
    assert list(made.card.scores) == ["1", "6", "12", "24"]
    for text, found in made.card.scores.items():
        horizon = int(text)
        origins = np.arange(made.trained - 1, len(made.series) - horizon)
        said = made.member.forecast(made.series, origins, np.array([horizon]))[:, 0]
        error = said - made.series.values[origins + horizon]
        assert found["count"] == len(origins)
        assert found["rmse"] == pytest.approx(float(np.sqrt(np.mean(error**2))))
        naive = made.series.values[origins] - made.series.values[origins + horizon]
        assert found["rmse_persistence"] == pytest.approx(float(np.sqrt(np.mean(naive**2))))


def test_the_network_adds_to_the_season(made: Made) -> None:
    """The disturbance keeps 95 % of itself in an hour, which no season can know."""
    found = made.card.scores["1"]
    assert found["rmse"] < 0.8 * found["rmse_prophet"]


def test_a_member_with_the_file_forecasts_as_the_one_that_was_trained(made: Made) -> None:
    """The file's last bits are those of another implementation: 1e-5 of a spread of about 100."""
    other = ResidualLstm(made.seasonal, 24, np.random.default_rng(9))
    card = retraining.use_model(other, made.path, made.series)
    assert card == made.card
    origins, horizons = np.arange(1600, 1620), np.array([1, 5, 24])
    ours, theirs = (m.forecast(made.series, origins, horizons) for m in (made.member, other))
    assert np.abs(ours - theirs).max() < 5e-3
    assert other.trained is not None
    assert made.member.trained is not None
    assert np.array_equal(other.trained[0].W, made.member.trained[0].W)


def test_a_member_trains_a_successor_only_when_the_file_is_old(made: Made) -> None:
    member = ResidualLstm(made.seasonal, 24, np.random.default_rng(9), retrain_days=3, recipe=RECIPE)
    retraining.use_model(member, made.path, made.series)
    assert member.trained is not None
    before = member.trained[0].W
    for days, is_trained in ((0, False), (2, False), (3, True)):
        member.fit(made.series, made.trained + 24 * days)
        assert np.array_equal(member.trained[0].W, before) is not is_trained


def test_a_model_of_something_else_is_refused(made: Made) -> None:
    bare = dc.replace(made.series, exogenous={})
    half_hourly = dc.replace(made.series, step_ns=NS_PER_HOUR // 2)
    in_w = dc.replace(made.series, values=1000.0 * made.series.values)
    member = ResidualLstm(made.seasonal, 24, np.random.default_rng(9))
    for series, what in (
        (bare, "inputs: the model takes .*temperature_degc; of total there are"),
        (half_hourly, "step_s: the model's rows are 3600 s long, those of total 1800 s"),
        (
            in_w,
            r"the standard deviation of total is \d+, of what the model learned \d+\.\d+: is the unit right",
        ),
    ):
        with pytest.raises(UserInputError, match=what) as caught:
            retraining.use_model(member, made.path, series)
        assert str(made.path) in str(caught.value)
    assert member.trained is None


def test_a_model_forecasts_in_another_unit_when_told_its_factor(made: Made) -> None:
    in_w = dc.replace(made.series, values=1000.0 * made.series.values)
    seasonal = Seasonal(24)
    members = [ResidualLstm(s, 24, np.random.default_rng(9)) for s in (made.seasonal, seasonal)]
    for member, series, factor in zip(members, (made.series, in_w), (1.0, 1000.0), strict=True):
        retraining.use_model(member, made.path, series, factor=factor)
    origins, horizons = np.arange(1600, 1620), np.array([1, 24])
    kw, w = (m.forecast(s, origins, horizons) for m, s in zip(members, (made.series, in_w), strict=True))
    # The network computes in single precision: 1e-7 of a load of 1000, a few roundings of it.
    assert w / 1000.0 == pytest.approx(kw, abs=1e-3)


def test_a_history_too_short_to_learn_from_is_refused() -> None:
    with pytest.raises(
        UserInputError, match=r"site.csv: total: 31 days, of which 4 are kept .* 28 are needed"
    ):
        retraining.check_length(plain_load(31), 4, "site.csv")
    gappy = plain_load(60)
    gappy.values[100:1000] = np.nan
    with pytest.raises(UserInputError, match="18 days of values"):
        retraining.check_length(gappy, 4, "site.csv")
