"""What the status panel says of the records."""

from __future__ import annotations

import dataclasses as dc
import io
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from hil.panel import Panel
from hil.recorder import run_folder
from hil.recorder.room import FULL, LOW, OK
from hil.recorder.status import RecorderStatus
from hil.runspec import RunSpec
from tests.unit.hil.recorder.ring_rig import make_spec


def panel(spec: RunSpec) -> Any:
    return Panel(spec, None, Console(file=io.StringIO()))  # type: ignore[arg-type]  # no name is asked for


@pytest.mark.parametrize(
    ("words", "trouble"),
    [
        ({"disk": OK}, ""),
        ({"disk": LOW}, "  disk low"),
        ({"disk": FULL, "lost": 3}, "  disk full  3 events lost"),
        ({"disk": OK, "errors": 2, "disturbances_missed": 1}, "  2 writes failed  1 disturbances missed"),
    ],
)
def test_it_says_where_records_are_how_many_and_what_is_wrong_with_them(
    tmp_path: Path, words: dict[str, int], trouble: str
) -> None:
    spec = make_spec(tmp_path)
    RecorderStatus.create(spec.gateway_path("recorder"), seq=12, disturbances=1, **words)
    shown = panel(spec)
    where = run_folder.folder_of(spec)
    assert shown._records() == f"records{trouble}  12 events, 1 disturbances  in {where}"
    assert shown._trouble() == trouble


def test_without_records_it_says_nothing(tmp_path: Path) -> None:
    spec = make_spec(tmp_path)
    assert panel(spec)._records() == "", "the recorder has not begun"
    RecorderStatus.create(spec.gateway_path("recorder"), seq=12)
    assert panel(dc.replace(spec, recorder={}))._records() == ""
