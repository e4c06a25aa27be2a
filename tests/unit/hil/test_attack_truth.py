"""Ground truth on disk: what nobody knows is an empty cell, never a number."""

from __future__ import annotations

import csv
import dataclasses as dc
import json
import math
import shutil
from pathlib import Path
from typing import Any

from estimation.tamper import Span
from estimation.tamper_rows import Falsehood
from hil.attack_truth import SAVE_S, TruthLog
from hil.truth_writer import TruthWriter
from rtcore.quality import Quality

LOST = int(Quality.BAD_NO_COMMUNICATION)


def test_a_value_that_did_not_go_out_and_a_quality_that_nobody_knows_are_empty(tmp_path: Path) -> None:
    log = TruthLog(tmp_path / "report", {})
    log.rows(
        [Falsehood(1.0, "a+b", "P", 5.0, math.nan, 0, LOST), Falsehood(2.0, "c", "Q", 7.0, 0.0, None, 0)]
    )
    log.close([])
    with (tmp_path / "report" / "truth.csv").open(newline="") as file:
        first, second = csv.DictReader(file)
    assert (first["attack"], first["true_value"], first["false_value"]) == ("a+b", "5.0", "")
    assert (first["true_quality"], first["false_quality"]) == ("0", str(LOST))
    assert (second["false_value"], second["true_quality"], second["false_quality"]) == ("0.0", "", "0")


def test_what_is_known_is_on_disk_at_each_note_and_every_second(tmp_path: Path) -> None:
    log, span = TruthLog(tmp_path, {"file": "f"}), Span("a", "bias", ("P",), 0.0, 0.0, 1)

    def known() -> dict[str, Any]:
        found: dict[str, Any] = json.loads((tmp_path / "truth.json").read_text())
        return found

    log.keep([], 0.0)
    assert known() == {"file": "f", "attacks": [], "notes": [], "rows": 0, "rows_left_out": 0}
    log.note(0.1, "begun", answer="done")
    log.keep([span], 0.1)
    assert known()["notes"] == [{"t_s": 0.1, "what": "begun", "answer": "done"}]
    span.last_s = 0.9
    log.keep([span], 0.9)
    assert known()["attacks"][0]["last_s"] == 0.0  # not a second since
    log.keep([span], 0.1 + SAVE_S)
    assert known()["attacks"] == [dc.asdict(span) | {"channels": ["P"]}]
    assert not (tmp_path / "truth.json.new").exists()
    log.close([span])


def test_nothing_is_written_where_nothing_is_new(tmp_path: Path) -> None:
    log = TruthLog(tmp_path, {})
    log.keep([], 0.0)
    (tmp_path / "truth.json").unlink()
    log.keep([], 100.0)
    assert not (tmp_path / "truth.json").exists()
    log.close([])


def test_a_folder_that_cannot_be_written_any_more_is_told_once_and_attacks_go_on(tmp_path: Path) -> None:
    class Source:
        spans: list[Span] = []

        def take_rows(self, n_most: int) -> list[Falsehood]:
            return []

    said: list[str] = []
    writer = TruthWriter(TruthLog(tmp_path / "truth", {}), Source(), said.append)
    shutil.rmtree(tmp_path / "truth")
    for t_s in (0.0, 10.0):
        writer.note(t_s, "armed")
        writer.turn(t_s)
    writer.close()
    assert len(said) == 1 and "truth.json: cannot be written" in said[0]
