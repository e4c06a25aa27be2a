"""The published address map of iowa240: masters in the field are configured from it."""

import csv
import io
from pathlib import Path

from hil.point_export import to_csv
from hil.point_files import read_points

GOLDEN = Path(__file__).parent / "points_iowa240.csv"
CONFIG = Path(__file__).parents[2] / "config" / "points" / "iowa240"


def by_tag(text: str) -> dict[str, dict[str, str]]:
    return {row["tag"]: row for row in csv.DictReader(io.StringIO(text))}


def test_map_of_iowa240_equals_the_published_one(update_golden: bool) -> None:
    text = to_csv(read_points(CONFIG, None).points)
    if update_golden:
        GOLDEN.write_text(text)
    new, old = by_tag(text), by_tag(GOLDEN.read_text())
    gone = sorted(old.keys() - new.keys())
    assert not gone, f"published points are gone: {gone[:10]}"
    changed = {tag: (old[tag], new[tag]) for tag in old if new[tag] != old[tag]}
    assert not changed, f"{len(changed)} published points changed, first: {next(iter(changed.items()))}"
    assert text == GOLDEN.read_text(), "points were added or reordered: run pytest --update-golden"
