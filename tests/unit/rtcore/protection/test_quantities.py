"""Which current an element looks at."""

from __future__ import annotations

import math

import numpy as np
import pytest

from rtcore.protection.quantities import CURRENTS, current_a

I = np.array([[0, 0, 0], [3 + 4j, -6 + 8j, 5j]], complex)
I_SEQ = np.array([[0, 0, 0], [1j, 100.0, 2.0]], complex)


@pytest.mark.parametrize(
    ("name", "a"),
    [("phase", 10.0), ("a", 5.0), ("b", 10.0), ("c", 5.0), ("ground", 3.0), ("negative", 6.0)],
)
def test_every_name_is_its_current_of_the_relay_in_question(name: str, a: float) -> None:
    assert current_a(CURRENTS[name], I, I_SEQ, 1) == a  # whole numbers: exact
    assert current_a(CURRENTS[name], I, I_SEQ, 0) == 0.0
    assert len(CURRENTS) == 6


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf, 1e200])
@pytest.mark.parametrize("name", CURRENTS)
def test_what_is_no_current_counts_as_none(name: str, bad: float) -> None:
    """1e200 A has no square: nothing real is near it."""
    for wrong in (complex(bad, 1.0), complex(1.0, bad)):
        every = np.full((1, 3), wrong)
        assert current_a(CURRENTS[name], every, every, 0) == 0.0


@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_bad_phase_does_not_hide_the_others(place: int) -> None:
    i = np.full((1, 3), 7.0 + 0j)
    i[0, place] = math.nan
    assert current_a(CURRENTS["phase"], i, i, 0) == 7.0


@pytest.mark.parametrize("quantity", [-1.0, 6.0, 1e300, math.nan])
def test_an_unknown_quantity_is_no_current(quantity: float) -> None:
    assert current_a(quantity, I, I_SEQ, 1) == 0.0
