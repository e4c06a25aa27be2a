"""Programs from outside that tests talk to: found, or the test says what is missing.

With GRIDHIL_REQUIRE_PEERS=1 (continuous integration) a missing program fails the test.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import NoReturn

import pytest

NODE_DIRECTORY = Path(__file__).parents[1] / "protocol" / "node"


def missing(what: str) -> NoReturn:
    """Skip the test with the reason, or fail it where peers are required."""
    if os.environ.get("GRIDHIL_REQUIRE_PEERS") == "1":
        pytest.fail(f"{what}, and GRIDHIL_REQUIRE_PEERS=1")
    pytest.skip(what)


def require(program: str) -> str:
    """Return the path of a program."""
    path = shutil.which(program)
    if path is None:
        missing(f"{program} is not installed")
    return path


def node_modules(package: str) -> Path:
    """Return the folder of installed npm packages that holds ``package``.

    Looked for in $GRIDHIL_NODE_MODULES and in tests/protocol/node/node_modules.
    """
    places = [NODE_DIRECTORY / "node_modules"]
    if "GRIDHIL_NODE_MODULES" in os.environ:
        places.insert(0, Path(os.environ["GRIDHIL_NODE_MODULES"]))
    for place in places:
        if (place / package / "package.json").is_file():
            return place
    missing(f"npm package {package} is not installed (npm ci in tests/protocol/node)")


def run_node(
    script: str, *arguments: str, package: str, timeout_s: float = 30.0
) -> subprocess.CompletedProcess[str]:
    """Run tests/protocol/node/<script> with node and return what it printed."""
    node = require("node")
    env = os.environ | {"NODE_PATH": str(node_modules(package))}
    return subprocess.run(
        [node, str(NODE_DIRECTORY / script), *arguments],
        env=env,
        text=True,
        capture_output=True,
        timeout=timeout_s,
        check=False,
    )
