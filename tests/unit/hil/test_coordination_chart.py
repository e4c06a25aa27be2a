"""The time-current chart: its files, sheets and words."""

from __future__ import annotations

from pathlib import Path

import pytest

from hil.coordination_chart import check_file, draw, sheets
from rtcore.errors import UserInputError
from rtcore.network.model import Bus
from rtcore.protection.scheme import Scheme
from tests.support.small_feeder import HEAD, V_LN, feeder, overcurrent, relay, scheme, study, switch


@pytest.mark.parametrize(("suffix", "begins"), [(".png", b"\x89PNG"), (".svg", b"<?xml"), (".pdf", b"%PDF")])
def test_the_chart_is_a_file_of_its_suffix_and_the_same_every_time(
    tmp_path: Path, suffix: str, begins: bytes
) -> None:
    found = study()
    one, two = (tmp_path / f"{n}{suffix}" for n in "ab")
    draw(found, one, "feeder")
    draw(found, two, "feeder")
    assert one.read_bytes().startswith(begins)
    assert one.read_bytes() == two.read_bytes()


def test_the_chart_names_devices_trips_links_and_fault_levels(tmp_path: Path) -> None:
    draw(study(), tmp_path / "c.svg", "my station")
    text = (tmp_path / "c.svg").read_text()
    for words in (
        "my station",
        "cb_a: 3.45 to 7.97 kA",  # line to line behind 2 ohm, three-phase behind 1 ohm
        "rcl, trips 1 to 2",
        "rcl, trips 3 to 4",
        "fuse_f, 65K: 1.59 to 1.99 kA",
        "largest fault 7.97 kA",
        "smallest fault 1.59 kA",
        "fault current at 13.8 kV [A]",
    ):
        assert words in text, words


def test_there_is_a_sheet_for_every_feeder() -> None:
    more = feeder(
        buses=(*feeder().buses, Bus(name="k", base_kv_ln=V_LN / 1e3), Bus(name="m", base_kv_ln=V_LN / 1e3)),
        switches=(
            *feeder().switches,
            switch("cb_k", "s", "k"),
            switch("fuse_m", "s", "m", "fuse"),
        ),
    )
    of = Scheme(name="x", relays=(*scheme().relays, relay("cb_k", overcurrent("51p", "cb_k", *HEAD))))
    made = sheets(study(more, of))
    named = [(s.title, [p.device.name for p in (*s.common, *s.own)]) for s in made]
    assert named == [
        ("cb_a", ["fuse_m", "cb_a", "rcl", "fuse_f"]),
        ("cb_k", ["fuse_m", "cb_k"]),
    ]
    (single,) = sheets(study())
    assert (single.title, len(single.own)) == ("feeder", 3)


def test_a_chart_of_another_format_is_refused_before_anything_is_studied() -> None:
    with pytest.raises(UserInputError, match=r"\.png, \.svg, \.pdf"):
        check_file(Path("chart.bmp"))
