"""CSV files of a console."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from hil.view import csv_file

NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)


def test_a_file_is_named_after_what_is_in_it_and_the_time(tmp_path: Path) -> None:
    path = csv_file.write(tmp_path, "F.CB/IA", NOW, ("a", "b"), [(1, "x, y")])
    assert path.name == "F.CB_IA-20260304T050607Z.csv"
    assert path.read_text(encoding="utf-8").splitlines() == ["a,b", '1,"x, y"']


def test_no_text_in_a_file_is_a_formula_and_numbers_stay_numbers() -> None:
    row = ("=1+1", "@SUM(A1)", "+x", "-x", "\tx", "-12.5", -1.5, "plain", "a=b")
    text = csv_file.text_of([f"c{k}" for k in range(len(row))], [row])
    expected = ["'=1+1", "'@SUM(A1)", "'+x", "'-x", "'\tx", "-12.5", "-1.5", "plain", "a=b"]
    assert text.splitlines()[1].split(",") == expected


def test_an_existing_file_is_left_alone(tmp_path: Path) -> None:
    first = csv_file.write(tmp_path, "events", NOW, ("a",), [(1,)])
    second = csv_file.write(tmp_path, "events", NOW, ("a",), [(2,)])
    assert first != second
    assert "1" in first.read_text(encoding="utf-8")
    assert "2" in second.read_text(encoding="utf-8")
