"""COMTRADE files are read back by a reader that is not ours (PyPI ``comtrade``)."""

from __future__ import annotations

import dataclasses as dc
from pathlib import Path

import numpy as np
import pytest
from comtrade import Comtrade
from hypothesis import given, settings
from hypothesis import strategies as st

from hil.recorder.comtrade import FORMATS, AnalogChannel, DigitalChannel, Record, write
from rtcore.errors import UserInputError

RATE_HZ, N = 4_800.0, 480
START_NS = 1_499_947_201_123_456_789
N_DIGITALS = 18  # more than one word of status


def record(**changes: object) -> Record:
    t = np.arange(N) / RATE_HZ
    wave = np.where(t < 0.05, 100.0, 2_000.0) * np.sqrt(2) * np.cos(2 * np.pi * 60.0 * t)
    values = np.column_stack([wave, 7_200.0 + 0 * t, 1e-3 * np.sin(2 * np.pi * 60.0 * t)])
    states = (np.arange(N)[:, None] // (np.arange(N_DIGITALS) + 3) % 2).astype(np.uint8)
    plain = Record(
        station="iowa240",
        device="CB_201 51",
        analogs=[
            AnalogChannel(name="IA", unit="A", phase="A", primary=600.0, secondary=5.0),
            AnalogChannel(name="VA", unit="V", phase="A", primary=7_200.0, secondary=120.0),
            AnalogChannel(name="small", unit="A"),
        ],
        digitals=[DigitalChannel(name=f"D{k}") for k in range(N_DIGITALS)],
        values=values,
        states=states,
        rate_hz=RATE_HZ,
        line_hz=60.0,
        start_utc_ns=START_NS,
        trigger_utc_ns=START_NS + 50_000_000,
        notes="Waveforms are synthesised from phasors.",
    )
    return dc.replace(plain, **changes)  # type: ignore[arg-type]


def read_back(files: list[Path]) -> Comtrade:
    reader = Comtrade(use_numpy_arrays=True, use_double_precision=True, ignore_warnings=True)
    paths = {p.suffix: str(p) for p in files}
    if ".cff" in paths:
        reader.load(paths[".cff"])
    else:
        reader.load(paths[".cfg"], paths[".dat"])
    return reader


def quantum_of(column: np.ndarray, form: str) -> float:
    """Return the most a sample may be off: half a step of an integer, half a unit of float32's last place."""
    largest, _ = FORMATS[form]
    if largest is None:
        return float(np.abs(column).max() * 2**-24)
    return float((column.max() - column.min()) / 2 / largest / 2)


@pytest.mark.parametrize("single", [False, True])
@pytest.mark.parametrize("form", FORMATS)
def test_every_sample_is_read_back_within_the_quantum(tmp_path: Path, form: str, single: bool) -> None:
    made = record()
    seen = read_back(write(made, tmp_path / "fault", form, single=single))
    assert (seen.station_name, seen.rec_dev_id, seen.rev_year) == ("iowa240", "CB_201 51", "2013")
    assert seen.total_samples == N
    assert seen.frequency == 60.0
    assert seen.analog_channel_ids == ["IA", "VA", "small"]
    for k, column in enumerate(made.values.T):
        # 1e-9 of the value: the reader's own arithmetic in double precision
        room = quantum_of(column, form) * (1 + 1e-6) + np.abs(column).max() * 1e-9
        assert np.abs(np.asarray(seen.analog[k]) - column).max() <= room
    for k in range(N_DIGITALS):
        assert np.array_equal(np.asarray(seen.status[k]), made.states[:, k])
    np.testing.assert_allclose(seen.time, np.arange(N) / RATE_HZ, atol=1e-6)  # marks are microseconds


@pytest.mark.parametrize("form", FORMATS)
def test_start_and_trigger_are_kept_to_the_microsecond(tmp_path: Path, form: str) -> None:
    seen = read_back(write(record(), tmp_path / "fault", form))
    assert seen.start_timestamp.isoformat() == "2017-07-13T12:00:01.123456"
    assert seen.trigger_timestamp.isoformat() == "2017-07-13T12:00:01.173456"
    assert seen.trigger_time == pytest.approx(0.05, abs=1e-6)


def test_channels_carry_their_transformers_and_units(tmp_path: Path) -> None:
    seen = read_back(write(record(), tmp_path / "fault"))
    first = seen.cfg.analog_channels[0]
    assert (first.ph, first.uu, first.primary, first.secondary, first.pors) == ("A", "A", 600.0, 5.0, "P")


def test_notes_stand_in_the_header(tmp_path: Path) -> None:
    files = write(record(), tmp_path / "fault")
    assert [p.suffix for p in files] == [".cfg", ".dat", ".hdr"]
    assert files[2].read_text() == "Waveforms are synthesised from phasors."
    (one,) = write(record(), tmp_path / "one", single=True)
    assert b"Waveforms are synthesised from phasors." in one.read_bytes()


def test_lines_end_as_the_standard_wants(tmp_path: Path) -> None:
    cfg = write(record(), tmp_path / "fault", "ASCII")[0].read_bytes()
    assert cfg.count(b"\n") == cfg.count(b"\r\n")
    assert cfg.endswith(b"\r\n")


@pytest.mark.parametrize("form", ["ASCII", "BINARY", "BINARY32"])
def test_a_missing_sample_is_the_formats_own_sign(tmp_path: Path, form: str) -> None:
    values = record().values.copy()
    values[7, 0] = np.nan
    seen = read_back(write(record(values=values), tmp_path / "fault", form))
    assert np.isnan(seen.analog[0][7])
    assert not np.isnan(np.delete(np.asarray(seen.analog[0]), 7)).any()


def test_binary_rows_are_as_long_as_the_standard_says(tmp_path: Path) -> None:
    for form, size in (("BINARY", 2), ("BINARY32", 4), ("FLOAT32", 4)):
        dat = write(record(), tmp_path / form, form)[1]
        assert dat.stat().st_size == N * (8 + 3 * size + 2 * 2)


@settings(max_examples=40)
@given(
    st.lists(st.floats(-1e12, 1e12), min_size=2, max_size=30),
    st.sampled_from(["ASCII", "BINARY", "BINARY32"]),
)
def test_any_finite_column_survives(
    tmp_path_factory: pytest.TempPathFactory, xs: list[float], form: str
) -> None:
    column = np.array(xs)
    made = record(
        analogs=[AnalogChannel(name="X", unit="")],
        digitals=[],
        values=column[:, None],
        states=np.zeros((len(column), 0), np.uint8),
    )
    seen = read_back(write(made, tmp_path_factory.mktemp("c") / "x", form))
    room = quantum_of(column, form) * (1 + 1e-6) + np.abs(column).max() * 1e-9
    assert np.abs(np.asarray(seen.analog[0]) - column).max() <= room


@pytest.mark.parametrize(
    ("changes", "form", "wanted"),
    [
        ({}, "BINARY64", "allowed ASCII, BINARY, BINARY32, FLOAT32"),
        ({"values": np.zeros((N, 2))}, "BINARY", "for 3 analog channels"),
        (
            {"values": np.zeros((0, 3)), "states": np.zeros((0, N_DIGITALS), np.uint8)},
            "BINARY",
            "shape (0, 3)",
        ),
        ({"states": np.zeros((N, 1), np.uint8)}, "BINARY", "18 digital channels"),
        ({"rate_hz": 0.0}, "BINARY", "above 0"),
        ({"rate_hz": 0.01}, "BINARY", "71 minutes"),
        ({"values": np.full((N, 3), np.inf)}, "BINARY", "infinite"),
        ({"values": np.full((N, 3), np.nan)}, "FLOAT32", "no missing samples"),
        ({"station": "a,b"}, "ASCII", "'a,b' holds a comma"),
    ],
)
def test_what_no_file_can_hold_is_refused(
    tmp_path: Path, changes: dict[str, object], form: str, wanted: str
) -> None:
    with pytest.raises(UserInputError, match=wanted.replace("(", r"\(").replace(")", r"\)")):
        write(record(**changes), tmp_path / "fault", form)
    assert list(tmp_path.iterdir()) == []


def test_everything_that_is_wrong_is_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(UserInputError) as caught:
        write(record(station="a,b", rate_hz=-1.0), tmp_path / "fault", "none")
    assert len(caught.value.problems) == 3
