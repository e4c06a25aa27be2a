"""Two stations for all tests of the console: one with an estimator, one with sun and storage."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.console_stations import der_without_forecasts, prepare_users
from tests.support.station import Station, running, without_forecasts


@pytest.fixture(scope="session")
def substation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Station]:
    """iowa240 with its estimator; users of every role, named after it."""
    state = tmp_path_factory.mktemp("substation")
    prepare_users(state, "iowa240")
    with running(state, without_forecasts(state)) as live:
        yield live


@pytest.fixture(scope="session")
def microgrid(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Station]:
    """iowa240-der; users of every role, named after it."""
    state = tmp_path_factory.mktemp("microgrid")
    prepare_users(state, "iowa240-der")
    with running(state, der_without_forecasts(state)) as live:
        yield live
