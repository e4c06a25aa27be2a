import os

import pytest
from hypothesis import settings

from hil import kernel_cache

kernel_cache.prepare()  # before any test module imports numba

# No test is about the time an example takes; the first one often compiles a kernel. Where the whole suite
# is the gate, the examples are the same every time, so that what it says depends on the change alone.
settings.register_profile("plain", deadline=None)
settings.register_profile("gate", deadline=None, derandomize=True)
settings.load_profile("gate" if os.environ.get("GRIDHIL_REQUIRE_PEERS") else "plain")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--update-golden", action="store_true", help="rewrite tests/golden from the present result"
    )


@pytest.fixture
def update_golden(request: pytest.FixtureRequest) -> bool:
    return bool(request.config.getoption("--update-golden"))
