"""A record is played as it is, or what is wrong with it is told: never as zeros, never by a traceback."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from hil.recorder.comtrade import FORMATS, AnalogChannel, DigitalChannel, Record, write
from hil.recorder.player import Playback, frames, playback_problems
from rtcore.errors import UserInputError

DT_S, F0_HZ, RATE_HZ, N = 1e-3, 60.0, 4_800.0, 480
AMPERES, VOLTS = 100.0, 7_000.0


def record(rate_hz: float = RATE_HZ, line_hz: float = 60.0, n: int = N) -> Record:
    wave = np.sqrt(2) * np.cos(2 * np.pi * line_hz * np.arange(n) / rate_hz)
    return Record(
        station="s",
        device="d",
        analogs=[
            AnalogChannel(name="IA", unit="A", primary=600.0, secondary=5.0),
            AnalogChannel(name="VA", unit="V"),
        ],
        digitals=[DigitalChannel(name="D1")],
        values=np.column_stack([AMPERES * wave, VOLTS * wave]),
        states=np.zeros((n, 1), np.uint8),
        rate_hz=rate_hz,
        line_hz=line_hz,
        start_utc_ns=10**18,
        trigger_utc_ns=10**18,
    )


def playback(path: Path) -> Playback:
    return Playback(path=path, channels={"ia": "IA", "va": "VA"})


def told(path: Path) -> list[str]:
    """Return what `check` tells; playing tells the same."""
    found = playback_problems([playback(path)], F0_HZ)
    if found:
        with pytest.raises(UserInputError) as caught:
            frames(playback(path), DT_S, F0_HZ)
        assert caught.value.problems == found
        assert all(p.file == str(path) for p in found)
    return [f"{p.place}: {p.what}" for p in found]


def changed(folder: Path, old: bytes, new: bytes, form: str = "BINARY32") -> Path:
    """Return a record with other bytes in its configuration."""
    cfg = write(record(), folder / "r", form)[0]
    body = cfg.read_bytes()
    assert body.count(old) == 1
    cfg.write_bytes(body.replace(old, new))
    return cfg


def with_data(folder: Path, form: str, change: Callable[[bytes], bytes]) -> Path:
    """Return a record with other data."""
    cfg, dat = write(record(), folder / "r", form)
    dat.write_bytes(change(dat.read_bytes()))
    return cfg


@pytest.mark.parametrize("single", [False, True])
@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("rate_hz", [600.0, 1_000.0, 1_600.0, 2_000.0, 4_800.0])
def test_a_round_trip_loses_less_than_a_thousandth(
    tmp_path: Path, rate_hz: float, form: str, single: bool
) -> None:
    path = write(record(rate_hz, n=int(rate_hz / 10)), tmp_path / "r", form, single=single)[0]
    seen = frames(playback(path), DT_S, F0_HZ)
    assert len(seen) == 100
    wanted = np.array([AMPERES, 0.0, 0.0, VOLTS, 0.0, 0.0])
    assert (np.abs(seen - wanted) <= 1e-3 * wanted).all()


# ---- data that are not all there -------------------------------------------------------------------


@pytest.mark.parametrize("form", ["BINARY", "BINARY32", "FLOAT32"])
def test_data_cut_in_half_are_told(tmp_path: Path, form: str) -> None:
    path = with_data(tmp_path, form, lambda b: b[: len(b) // 2])
    assert told(path) == ["samples: the data hold 240 whole rows, the .cfg says 480"]


def test_half_a_row_in_text_is_told_with_the_number_of_rows(tmp_path: Path) -> None:
    path = with_data(tmp_path, "ASCII", lambda b: b[: b.index(b"\r\n200,") + 7])
    assert told(path) == [
        "samples: row 200 is not a sample number, a time and 3 values: '200,4'",
        "samples: the data hold 200 whole rows, the .cfg says 480",
    ]


@pytest.mark.parametrize("form", FORMATS)
def test_empty_data_are_told(tmp_path: Path, form: str) -> None:
    path = with_data(tmp_path, form, lambda _b: b"")
    assert told(path) == ["samples: the data hold 0 whole rows, the .cfg says 480"]


def test_rows_missing_in_the_middle_are_told(tmp_path: Path) -> None:
    def without(body: bytes) -> bytes:
        rows = body.splitlines(keepends=True)
        return b"".join(rows[:100] + rows[150:])

    assert told(with_data(tmp_path, "ASCII", without)) == [
        "samples: sample 100 is followed by sample 151",
        "samples: the data hold 430 whole rows, the .cfg says 480",
    ]


def test_a_row_twice_instead_of_another_is_told(tmp_path: Path) -> None:
    size = 8 + 2 * 4 + 2
    path = with_data(
        tmp_path, "BINARY32", lambda b: b[: 10 * size] + b[9 * size : 10 * size] + b[11 * size :]
    )
    assert told(path) == ["samples: sample 10 is followed by sample 10"]


def test_data_in_another_format_than_stated_are_told(tmp_path: Path) -> None:
    path = changed(tmp_path, b"BINARY32", b"BINARY")
    assert "samples: the data hold 617 whole rows, the .cfg says 480" in told(path)
    assert told(changed(tmp_path, b"BINARY32", b"BINARY64")) == [
        "format: 'BINARY64'; allowed ASCII, BINARY, BINARY32, FLOAT32"
    ]


def test_an_end_of_file_sign_and_blank_lines_are_no_rows(tmp_path: Path) -> None:
    assert told(with_data(tmp_path, "ASCII", lambda b: b + b"\r\n\x1a")) == []
    assert told(with_data(tmp_path, "BINARY", lambda b: b + b"\x1a")) == []


def test_a_sample_without_a_value_is_told_with_its_channel(tmp_path: Path) -> None:
    made = record()
    made.values[7:9, 1] = np.nan
    path = write(made, tmp_path / "r")[0]
    assert told(path) == ["samples: 2 of 480 are missing in channel 'VA'"]


def test_data_that_are_not_there_are_told(tmp_path: Path) -> None:
    cfg, dat = write(record(), tmp_path / "r")
    dat.unlink()
    assert told(cfg) == ["file: there is no .dat beside it"]


def test_a_single_file_without_data_is_told(tmp_path: Path) -> None:
    path = write(record(), tmp_path / "r", single=True)[0]
    body = path.read_bytes()
    path.write_bytes(body[: body.index(b"--- file type: DAT")])
    assert told(path) == ["file: is not a COMTRADE record: it has no part DAT"]


# ---- configurations --------------------------------------------------------------------------------


def test_a_record_of_another_line_frequency_is_refused(tmp_path: Path) -> None:
    path = write(record(line_hz=50.0), tmp_path / "r")[0]
    assert told(path) == ["line frequency: 50 Hz; the station has 60 Hz, at which its phasors would be wrong"]
    assert playback_problems([playback(path)], 50.0) == []
    assert playback_problems([playback(path)], None) == [], "the network, hence the frequency, is not known"


@pytest.mark.parametrize("line", [b"59.97", b"0", b""])
def test_a_measured_frequency_and_one_that_is_not_stated_are_played(tmp_path: Path, line: bytes) -> None:
    assert told(changed(tmp_path, b"\r\n60\r\n", b"\r\n" + line + b"\r\n")) == []


def test_secondary_values_are_converted_by_the_ratio(tmp_path: Path) -> None:
    path = changed(tmp_path, b"600,5,P", b"600,5,S")
    assert np.abs(frames(playback(path), DT_S, F0_HZ)[-1, 0]) == pytest.approx(120 * AMPERES, rel=1e-6)


@pytest.mark.parametrize("ratio", ["600,0", "0,5", "-600,5", "nan,5"])
def test_a_ratio_that_is_none_is_told(tmp_path: Path, ratio: str) -> None:
    path = changed(tmp_path, b"600,5,P", ratio.encode() + b",S")
    (found,) = told(path)
    assert found.startswith("channels.ia: ratio ") and "channel 'IA'" in found


@pytest.mark.parametrize(
    ("rate", "wanted"),
    [
        (b"4800.0,-5", "samples: the .cfg says that there are -5"),
        (b"1e-9,480", "samples: 1e-09 a second are too few; 240 are needed at 60 Hz"),
        (b"-4800,480", "samples: a rate of -4800 Hz is none"),
        (b"nan,480", "samples: a rate of nan Hz is none"),
        (b"inf,480", "samples: a rate of inf Hz is none"),
        (b"1e12,480", "samples: 480 are less than a cycle of 60 Hz"),
        (b"4800,1000000000000", "samples: the data hold 480 whole rows, the .cfg says 1000000000000"),
    ],
)
def test_rates_and_numbers_that_cannot_be_are_told(tmp_path: Path, rate: bytes, wanted: str) -> None:
    assert told(changed(tmp_path, b"4800.0,480", rate)) == [wanted]


def test_without_a_rate_the_times_must_be_even_to_the_microsecond(tmp_path: Path) -> None:
    path = changed(tmp_path, b"1\r\n4800.0,480", b"0\r\n0,480", "ASCII")
    assert told(path) == []
    assert np.abs(frames(playback(path), DT_S, F0_HZ)[-1, 0]) == pytest.approx(AMPERES, rel=1e-3)
    dat = path.with_suffix(".dat")
    dat.write_bytes(dat.read_bytes().replace(b"\r\n241,50000,", b"\r\n241,50050,"))
    assert told(path) == ["samples: are not evenly spaced; a record with one rate can be played"]


def test_a_latin_1_configuration_is_read(tmp_path: Path) -> None:
    path = changed(tmp_path, b"1,IA,", "1,Ströme,".encode("latin-1"))
    one = Playback(path=path, channels={"ia": "Ströme"})
    assert np.abs(frames(one, DT_S, F0_HZ)[-1, 0]) == pytest.approx(AMPERES, rel=1e-6)


def test_a_name_that_two_channels_have_is_told(tmp_path: Path) -> None:
    path = changed(tmp_path, b"2,VA,", b"2,IA,")
    assert told(path)[0] == "channels.ia: 2 channels are named 'IA'"


def test_everything_wrong_with_a_record_is_told_at_once(tmp_path: Path) -> None:
    path = changed(tmp_path, b"600,5,P", b"600,0,S")
    path.write_bytes(
        path.read_bytes().replace(b"\r\n60\r\n", b"\r\n50\r\n").replace(b"VA,,,V", b"VA,,,furlong")
    )
    dat = path.with_suffix(".dat")
    dat.write_bytes(dat.read_bytes()[:1000])
    assert [x.split(":")[0] for x in told(path)] == [
        "channels.ia",
        "channels.va",
        "line frequency",
        "samples",
    ]


@pytest.mark.parametrize("counts", [b"3,-2A,1D", b"3,2A,-40D", b"9,8A,1D", b""])
def test_a_configuration_that_is_none_is_told(tmp_path: Path, counts: bytes) -> None:
    (found,) = told(changed(tmp_path, b"3,2A,1D", counts))
    assert found.startswith("file: is not a COMTRADE record")
