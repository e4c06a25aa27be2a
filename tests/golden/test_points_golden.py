"""The published address maps: masters in the field are configured from them."""

import csv
import io
from pathlib import Path

import pytest

from hil.point_export import to_csv
from hil.point_files import read_points

HERE = Path(__file__).parent
LISTS = Path(__file__).parents[2] / "config" / "points"


def by_tag(text: str) -> dict[str, dict[str, str]]:
    return {row["tag"]: row for row in csv.DictReader(io.StringIO(text))}


@pytest.mark.parametrize("name", ["iowa240", "iowa240-prot", "iowa240-der"])
def test_map_equals_the_published_one(name: str, update_golden: bool) -> None:
    golden = HERE / f"points_{name}.csv"
    text = to_csv(read_points(LISTS / name, None).points)
    if update_golden:
        golden.write_text(text)
    new, old = by_tag(text), by_tag(golden.read_text())
    gone = sorted(old.keys() - new.keys())
    assert not gone, f"published points are gone: {gone[:10]}"
    changed = {tag: (old[tag], new[tag]) for tag in old if new[tag] != old[tag]}
    assert not changed, f"{len(changed)} published points changed, first: {next(iter(changed.items()))}"
    assert text == golden.read_text(), "points were added or reordered: run pytest --update-golden"
