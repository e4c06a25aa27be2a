"""One load, live: it grows into the hybrid, whatever its rows are, and knows nothing of what comes."""

import json
from collections.abc import Sequence

import numpy as np
import pytest

from forecasting import load_forecaster as load_forecaster_module
from forecasting import seasonal as seasonal_module
from forecasting.hybrid import plain_ridge
from forecasting.live_history import KEPT_DAYS
from forecasting.load_forecaster import LoadForecaster
from forecasting.lstm.training import Recipe
from forecasting.member import Member
from forecasting.outputs import MODELS, State
from forecasting.residual_lstm import ResidualLstm
from forecasting.seasonal import Seasonal
from forecasting.series import Floats, Ints, Series
from forecasting.target import LoadTarget
from forecasting.track import Made
from rtcore.clock import NS_PER_HOUR
from tests.support.plain_load import START_NS, plain_load

DAY = 24
NAIVE_DAY, PERSISTENCE = MODELS.index("naive_day"), MODELS.index("persistence")


def mean_day(clock: Ints, values: Floats, known: int, holidays: frozenset[int] = frozenset()) -> Floats:
    """Stand in for Prophet, which takes its time: the mean at each time of day, with its own refusals."""
    there = np.isfinite(values)
    if there.sum() < 14 * DAY or np.ptp(values[there]) == 0.0:
        return np.full(len(clock) - known, np.nan)
    slots = clock // NS_PER_HOUR % DAY
    profile = np.array([np.mean(values[there & (slots[:known] == k)]) for k in range(DAY)])
    return profile[slots[known:]]


def few_members(horizons: Sequence[int], per_day: int, rng: np.random.Generator) -> list[Member]:
    """Stand in for the product's members: one of each kind, quickly trained."""
    seasonal = Seasonal(per_day)
    recipe = Recipe(units=4, epochs=1, batch=128, validation=0.15, patience=1)
    return [seasonal, ResidualLstm(seasonal, per_day, rng, recipe=recipe), plain_ridge(horizons)]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seasonal_module, "prophet", mean_day)
    monkeypatch.setattr(load_forecaster_module, "standard_members", few_members)


def load(values: np.ndarray, *, heard: list[str] | None = None) -> LoadForecaster:
    history = Series("total", START_NS, NS_PER_HOUR, values)
    say = [].append if heard is None else heard.append
    return LoadForecaster(
        LoadTarget("total", history),
        step_ns=NS_PER_HOUR,
        start_ns=START_NS + len(values) * NS_PER_HOUR,
        bands=(1, 6, 24),
        rng=np.random.default_rng(1),
        say=say,
        leave=0.2,
        back=0.05,
    )


def run(forecaster: LoadForecaster, values: np.ndarray) -> list[Made]:
    made = []
    for value in values:
        forecaster.close(float(value))
        if forecaster.is_due():
            forecaster.fit()
        made.append(forecaster.issue()[0])
    return made


VALUES = plain_load(50).values


def test_a_station_without_a_history_grows_into_the_hybrid() -> None:
    forecaster = load(np.empty(0))
    forecaster.warm_up(lambda share: None)
    made = run(forecaster, VALUES[: 22 * DAY])
    # A day ahead the value of a day ago is the same one.
    assert (made[0].numbers[:23] == PERSISTENCE).all()
    assert made[0].forecast_w[0] == VALUES[0]
    assert made[DAY].numbers[0] == PERSISTENCE and (made[DAY].numbers[1:] == NAIVE_DAY).all()
    # Until there is a model that has shown for three days that it is good, nothing but what was measured.
    naives = {PERSISTENCE, NAIVE_DAY, MODELS.index("naive_week")}
    assert all(set(m.numbers.tolist()) <= naives for m in made[: 14 * DAY])
    assert forecaster.state_of(made[10 * DAY]) is State.LEARNING
    assert (made[-1].numbers[1:] == 0).all()
    assert not any(m.is_fallback for m in made[: 14 * DAY])


def test_with_a_history_the_hybrid_is_issued_at_once_and_has_intervals() -> None:
    forecaster = load(VALUES[: 30 * DAY])
    forecaster.warm_up(lambda share: None)
    made = run(forecaster, VALUES[30 * DAY : 30 * DAY + 2])
    assert (made[0].numbers == 0).all()
    assert forecaster.state_of(made[0]) is State.RUNNING
    assert np.isfinite(made[0].low_w).all() and (made[0].low_w < made[0].high_w).all()
    # Levels in their order: 50, 80, 95 %.
    assert (np.diff(made[0].high_w, axis=1) >= 0.0).all()
    assert forecaster.scores()[1].count == 1


def test_warm_up_says_how_far_it_is() -> None:
    shares = list[float]()
    load(VALUES[: 30 * DAY]).warm_up(shares.append)
    assert shares == sorted(shares) and shares[-1] == 1.0 and len(shares) > 10


@pytest.mark.parametrize(
    "values",
    [
        np.full(21 * DAY, 4e5),
        -VALUES[: 21 * DAY],
        np.where(np.arange(21 * DAY) // DAY % 9 > 5, np.nan, VALUES[: 21 * DAY]),
        VALUES[: 21 * DAY] * np.where(np.isin(np.arange(21 * DAY), [400, 417, 418, 490]), 50.0, 1.0),
        np.full(21 * DAY, np.nan),
    ],
    ids=["constant", "negative", "gaps of days", "spikes", "nothing"],
)
def test_odd_series_are_survived_and_forecast_within_what_they_are(values: np.ndarray) -> None:
    made = run(load(values[: 14 * DAY]), values[14 * DAY :])
    known = values[np.isfinite(values)]
    if len(known) == 0:
        assert np.isnan(made[-1].forecast_w).all() and (made[-1].numbers == -1).all()
        return
    low, high = np.quantile(known, [0.02, 0.98])
    margin = 0.5 * (high - low) + 1.0
    assert (made[-1].forecast_w > low - margin).all() and (made[-1].forecast_w < high + margin).all()


def test_a_step_without_a_value_is_named_and_forecasts_go_on() -> None:
    forecaster = load(VALUES[: 30 * DAY])
    forecaster.warm_up(lambda share: None)
    made = run(forecaster, np.full(30, np.nan))[-1]
    assert forecaster.state_of(made) is State.NO_DATA
    assert np.isfinite(made.forecast_w).all()
    assert forecaster.known_end == START_NS // NS_PER_HOUR + 30 * DAY


def test_what_comes_later_changes_no_forecast() -> None:
    rng = np.random.default_rng(2)
    other = VALUES.copy()
    cut = 32 * DAY + 5
    other[cut:] = VALUES[cut:] * rng.uniform(0.5, 2.0, len(VALUES) - cut)
    runs = []
    for values in (VALUES, other):
        forecaster = load(values[: 30 * DAY])
        forecaster.warm_up(lambda share: None)
        runs.append(run(forecaster, values[30 * DAY : 33 * DAY]))
    steps = cut - 30 * DAY
    for mine, theirs in zip(runs[0][:steps], runs[1][:steps], strict=True):
        assert np.array_equal(mine.forecast_w, theirs.forecast_w)
        assert np.array_equal(mine.low_w, theirs.low_w)
    assert not np.array_equal(runs[0][steps].forecast_w, runs[1][steps].forecast_w)


def test_a_restart_changes_no_bit_of_forecasts_intervals_and_scores() -> None:
    first, second = load(VALUES[: 30 * DAY]), load(VALUES[: 30 * DAY])
    first.warm_up(lambda share: None)
    run(first, VALUES[30 * DAY : 31 * DAY + 7])
    second.restore(json.loads(json.dumps(first.state(), allow_nan=False)))
    # Long enough for the network to be trained anew.
    rest = VALUES[31 * DAY + 7 : 36 * DAY + 12]
    for mine, theirs in zip(run(first, rest), run(second, rest), strict=True):
        assert np.array_equal(mine.forecast_w, theirs.forecast_w)
        assert np.array_equal(mine.low_w, theirs.low_w)
        assert np.array_equal(mine.numbers, theirs.numbers)
    assert first.scores() == second.scores()
    assert first.trained == second.trained and first.trained is not None
    assert first.drift == second.drift


def test_a_hybrid_that_degrades_is_left_with_an_event(monkeypatch: pytest.MonkeyPatch) -> None:
    forecaster = load(VALUES[: 32 * DAY])
    forecaster.warm_up(lambda share: None)
    run(forecaster, VALUES[32 * DAY : 33 * DAY])
    detailed = forecaster._hybrid.detailed
    monkeypatch.setattr(
        forecaster._hybrid, "detailed", lambda s, o: (detailed(s, o)[0] + 500.0, detailed(s, o)[1])
    )
    events = list[str]()
    for value in VALUES[33 * DAY : 38 * DAY]:
        events += forecaster.close(float(value))
        if forecaster.is_due():
            events += forecaster.fit()
        made, more = forecaster.issue()
        events += more
    assert made.is_fallback and 0 not in made.numbers
    assert forecaster.state_of(made) is State.FALLBACK
    assert any("is issued instead of hybrid" in text for text in events)
    assert any("drift alarm, forecasts are higher than usual" in text for text in events)


def test_what_is_kept_is_bounded() -> None:
    forecaster = load(VALUES[: 30 * DAY])
    sizes = []
    for day in range(KEPT_DAYS + 90):
        for _ in range(DAY):
            forecaster.close(float("nan"))
        if day % 15 == 0:
            forecaster.fit()
        if day in (KEPT_DAYS + 29, KEPT_DAYS + 89):
            sizes.append(len(json.dumps(forecaster.state())))
    # 60 more days of nothing but unknown rows; two sizes of history differ by 28 days at most.
    assert sizes[1] < 1.1 * sizes[0]


def test_a_shipped_network_is_used_but_not_for_days_that_it_may_have_learned_from() -> None:
    calls = list[int]()
    history = Series("total", START_NS, NS_PER_HOUR, VALUES[: 32 * DAY])
    donor = load(VALUES[: 32 * DAY])
    donor.warm_up(lambda share: None)
    learned = donor._lstm.trained
    assert learned is not None
    weights, scaling = learned

    def model(member: object, series: Series) -> None:
        calls.append(len(series))
        forecaster_lstm = donor._lstm.__class__
        assert isinstance(member, forecaster_lstm)
        member.use(weights, scaling, trained=series.base + 32 * DAY)

    forecaster = LoadForecaster(
        LoadTarget("total", history, model),
        step_ns=NS_PER_HOUR,
        start_ns=START_NS + 32 * DAY * NS_PER_HOUR,
        bands=(1, 24),
        rng=np.random.default_rng(3),
        say=[].append,
        leave=0.2,
        back=0.05,
    )
    end = START_NS // NS_PER_HOUR + 32 * DAY
    assert forecaster.trained == end
    seen = list[int | None]()
    forecaster.warm_up(lambda share: seen.append(forecaster.trained))
    # Within the warm-up a network of its own, trained before the days that it forecast.
    assert all(t is None or t < end for t in seen[:-1])
    assert forecaster.trained == end and len(calls) == 2
