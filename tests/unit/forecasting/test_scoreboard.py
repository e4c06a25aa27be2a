"""The live scoreboard: what it says is what anybody finds from the recorded forecasts and values."""

import json
import math

import numpy as np
import pytest

from forecasting.intervals import LEVELS
from forecasting.scoreboard import WINDOW_DAYS, Scoreboard, by_target, number_of, recompute
from forecasting.scores import coverage, naive_mae_of, scores

DAY, START = 24, 400_000
MODELS = ("hybrid", "ridge", "persistence")


def filled(steps: int, horizons: tuple[int, ...] = (1, 24)) -> tuple[Scoreboard, np.ndarray, np.ndarray]:
    """Return a board, actual values, and what was issued: (step, horizon, 1 + 2 levels + models)."""
    rng = np.random.default_rng(3)
    board = Scoreboard(MODELS, horizons, DAY)
    actual = 1e6 + 1e5 * rng.standard_normal(steps)
    actual[rng.random(steps) < 0.05] = np.nan
    kept = np.empty((steps, len(horizons), 1 + 2 * len(LEVELS) + len(MODELS)))
    for k in range(steps):
        for j, horizon in enumerate(horizons):
            point = 1e6 + 1e5 * rng.standard_normal()
            half = 1e5 * np.array([0.7, 1.3, 2.0])
            said = np.array([point, *(1e6 + 1e5 * rng.standard_normal(2))])
            board.put(horizon, START + k + horizon - 1, point, point - half, point + half, said)
            kept[k, j] = [point, *(point - half), *(point + half), *said]
    return board, actual, kept


@pytest.mark.parametrize("horizon", [1, 24])
def test_scores_are_those_of_the_scores_module_on_the_same_rows(horizon: int) -> None:
    steps = 200
    board, actual, kept = filled(steps)
    found = board.score(horizon, actual, START + steps)
    # The forecast made at the begin of step k is of step k + horizon - 1.
    said = np.full((steps, kept.shape[2]), np.nan)
    said[horizon - 1 :] = kept[: steps - horizon + 1, (1, 24).index(horizon)]
    points = scores(said[:, 0], actual, naive_mae_of(actual, DAY))
    assert points is not None
    assert (found.rmse_w, found.mae_w, found.bias_w, found.count) == (
        points.rmse,
        points.mae,
        points.bias,
        points.count,
    )
    assert (found.mape_pct, found.mase) == (points.mape_pct, points.mase)
    for k, share in enumerate((found.cover_50_pct, found.cover_80_pct, found.cover_95_pct)):
        inside = coverage(said[:, 1 + k], said[:, 4 + k], actual)
        assert inside is not None and share == 100.0 * inside


def test_an_offline_recomputation_from_recorded_rows_is_equal_to_the_last_digit() -> None:
    steps, step_ns, horizon = 900, 3_600_000_000_000, 24
    board, actual, kept = filled(steps)
    live = board.score(horizon, actual[-WINDOW_DAYS * DAY :], START + steps)
    # A recorder has, at the end of each step, the step's value and forecasts; here in no order.
    order = np.random.default_rng(1).permutation(steps)
    values_ns = (START + 1 + np.arange(steps)) * step_ns
    issued_ns = values_ns - step_ns  # forecasts are made at the begin of the first step ahead
    first_ns = (START + 1 + steps - WINDOW_DAYS * DAY) * step_ns
    count = WINDOW_DAYS * DAY

    def column(k: int) -> np.ndarray:
        return by_target(issued_ns[order], kept[order, 1, k], horizon, step_ns, first_ns, count)

    truth = by_target(values_ns[order], actual[order], 0, step_ns, first_ns, count)
    found = recompute(
        column(0),
        truth,
        DAY,
        lower=np.column_stack([column(1 + k) for k in range(3)]),
        upper=np.column_stack([column(4 + k) for k in range(3)]),
        models={name: column(7 + k) for k, name in enumerate(MODELS)},
    )
    assert found == live


def test_models_are_compared_where_something_was_issued_and_half_of_it_at_least() -> None:
    forecast, actual = np.full(40, 10.0), np.zeros(40)
    forecast[:20] = np.nan
    models = {
        "hybrid": np.full(40, 10.0),
        "lucky": np.where(np.arange(40) >= 36, 0.0, np.nan),
        "ridge": np.full(40, 8.0),
        "persistence": np.where(np.arange(40) < 20, 0.0, 20.0),
    }
    found = recompute(forecast, actual, DAY, models=models)
    assert (found.best, found.rmse_best_w) == ("ridge", 8.0)
    assert found.rmse_of["lucky"] == 0.0
    # Its good first half is not of targets that anything was issued for.
    assert found.rmse_of["persistence"] == 20.0
    assert found.skill_pct == 50.0


def test_there_is_no_score_before_a_target_has_come() -> None:
    board, actual, _ = filled(10)
    assert board.score(24, actual, START + 10).count == 0
    assert math.isnan(board.score(24, actual, START + 10).rmse_w)


def test_what_was_only_learned_from_is_not_scored() -> None:
    board = Scoreboard(MODELS, (1,), DAY)
    board.learn(1, START + np.arange(50), np.ones((50, 3)))
    assert board.score(1, np.zeros(50), START + 50).count == 0
    assert np.isfinite(board.said(1, START, START + 50)).all()


def test_what_was_shown_when_its_step_was_over_is_not_scored_but_still_compared() -> None:
    board, actual, kept = filled(50)
    actual[:] = 1e6
    end = START + 20
    board.withdraw(end, end)  # in time: no row is over
    assert [board.score(h, actual, START + 50).count for h in (1, 24)] == [50, 27]
    board.withdraw(end, end + 1)
    assert [board.score(h, actual, START + 50).count for h in (1, 24)] == [49, 27]
    board.withdraw(end, end + 24)
    assert [board.score(h, actual, START + 50).count for h in (1, 24)] == [49, 26]
    assert board.said(1, end, end + 1)[0].tolist() == kept[20, 0, -3:].tolist()
    board.withdraw(end + 1000, end + 2000)  # of which nothing was ever issued
    board.withdraw(START - 1000, START - 900)


def test_old_targets_leave_the_window_and_may_be_forgotten() -> None:
    steps = (WINDOW_DAYS + 10) * DAY
    board, actual, _ = filled(steps)
    before = board.score(1, actual, START + steps)
    assert before.count <= WINDOW_DAYS * DAY
    board.forget_before(START + steps - WINDOW_DAYS * DAY)
    assert board.score(1, actual, START + steps) == before


def test_a_restart_changes_no_score() -> None:
    board, actual, _ = filled(100)
    other = Scoreboard(MODELS, (1, 24), DAY)
    other.restore(json.loads(json.dumps(board.state(), allow_nan=False)))
    for horizon in (1, 24):
        assert other.score(horizon, actual, START + 100) == board.score(horizon, actual, START + 100)


def test_models_have_numbers() -> None:
    assert [number_of(m) for m in ("hybrid", "clear_sky", "nobody")] == [0, 11, -1]
