"""Fall-back: the preferred model is left when it is clearly worse, and taken again when it is not."""

import json

import numpy as np
import pytest

from forecasting.fallback import LEAVE, RETURN, WINDOW_DAYS, Fallback

DAY = 24
ROWS = WINDOW_DAYS * DAY
MODELS = ("hybrid", "ridge", "persistence")
NOBODY = np.full(3, np.nan)


def choice(*, is_trusted: bool = True) -> Fallback:
    return Fallback("total", MODELS, (1, 24), DAY, is_trusted=is_trusted)


def said(*sizes: float) -> np.ndarray:
    """Return what models say of zeros that come, (ROWS, 3): errors of these sizes, NaN for nothing said."""
    signs = np.where(np.arange(ROWS) % 2, 1.0, -1.0)
    return signs[:, None] * np.array(sizes)


def judge(fallback: Fallback, near: np.ndarray, far: np.ndarray | None = None) -> list[str]:
    return fallback.judge({1: near, 24: said(100.0, 110.0, 200.0) if far is None else far}, np.zeros(ROWS))


EVERYBODY = np.zeros(3)


def test_a_model_that_is_as_good_as_the_best_is_kept() -> None:
    fallback = choice()
    # As much worse as two weeks may show by chance.
    assert judge(fallback, said(100.0, 100.0 / (1.0 + 0.9 * LEAVE), 200.0)) == []
    assert fallback.pick(1, EVERYBODY) == 0


def test_a_model_that_degrades_is_left_with_an_event_and_in_its_band_only() -> None:
    fallback = choice()
    (event,) = judge(fallback, said(130.0, 100.0, 200.0))
    assert event.startswith("total, 1 to 1 steps ahead: ridge is issued instead of hybrid")
    assert "hybrid 130 W, ridge 100 W" in event
    assert [fallback.pick(h, EVERYBODY) for h in (1, 2, 24)] == [1, 0, 0]
    assert fallback.is_fallback([1, 0]) and not fallback.is_fallback([0, 0])


def test_it_comes_back_with_an_event_once_it_is_nearly_the_best_and_not_before() -> None:
    fallback = choice()
    judge(fallback, said(130.0, 100.0, 200.0))
    between = 100.0 * (1.0 + 0.5 * (LEAVE + RETURN))
    assert judge(fallback, said(between, 100.0, 200.0)) == []
    assert fallback.pick(1, EVERYBODY) == 1
    (event,) = judge(fallback, said(100.0 * (1.0 + 0.5 * RETURN), 100.0, 200.0))
    assert event.startswith("total, 1 to 1 steps ahead: hybrid is issued again")
    assert fallback.pick(1, EVERYBODY) == 0


def test_without_a_forecast_the_best_other_stands_in_and_both_changes_are_told() -> None:
    fallback = choice()
    judge(fallback, said(100.0, 100.0, 90.0))
    silent = np.array([np.nan, 1.0, 2.0])
    assert fallback.pick(1, silent) == 2
    assert fallback.lost([2]) == ["total: hybrid has no forecast, persistence is issued instead"]
    assert fallback.lost([2]) == []
    assert fallback.lost([0]) == ["total: hybrid has forecasts again"]


def test_where_nobody_has_a_forecast_nothing_is_picked() -> None:
    assert choice().pick(1, NOBODY) == -1


def test_an_untried_model_waits_until_it_is_known_to_be_good() -> None:
    fallback = choice(is_trusted=False)
    assert fallback.pick(1, EVERYBODY) == 2
    assert judge(fallback, said(np.nan, np.nan, 200.0), said(np.nan, np.nan, 200.0)) == []
    assert fallback.pick(1, EVERYBODY) == 2 and not fallback.is_fallback([2])
    assert judge(fallback, said(300.0, np.nan, 200.0), said(300.0, np.nan, 200.0)) == []
    (near, far) = judge(fallback, said(150.0, np.nan, 200.0), said(150.0, np.nan, 200.0))
    assert near == "total, 1 to 1 steps ahead: hybrid is issued from now on"
    assert far == "total, 2 to 24 steps ahead: hybrid is issued from now on"
    assert fallback.pick(1, EVERYBODY) == 0


def test_models_are_compared_at_the_targets_of_both_and_with_enough_of_them() -> None:
    fallback = choice()
    few = said(130.0, 100.0, 200.0)
    few[2 * DAY :, 1] = np.nan
    assert judge(fallback, few) == []
    late = said(100.0, 90.0, 200.0)
    late[: 10 * DAY, 0] = 1000.0  # errors of days of which ridge has no forecast
    late[: 10 * DAY, 1] = np.nan
    late[: 10 * DAY, 2] = np.nan
    assert judge(fallback, late) == []


def test_with_zero_shares_the_best_is_always_issued() -> None:
    fallback = Fallback("total", MODELS, (1, 24), DAY, is_trusted=True, leave=0.0, back=0.0)
    judge(fallback, said(100.0, 99.0, 200.0))
    assert fallback.pick(1, EVERYBODY) == 1
    judge(fallback, said(98.0, 99.0, 200.0))
    assert fallback.pick(1, EVERYBODY) == 0


@pytest.mark.parametrize("band", [1, 24])
def test_a_restart_changes_no_choice(band: int) -> None:
    fallback, other = choice(), choice()
    judge(fallback, said(130.0, 100.0, 200.0))
    fallback.lost([2])
    other.restore(json.loads(json.dumps(fallback.state())))
    assert other.pick(band, EVERYBODY) == fallback.pick(band, EVERYBODY)
    assert other.state() == fallback.state()
