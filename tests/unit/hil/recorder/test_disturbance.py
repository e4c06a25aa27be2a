"""Disturbance records: when they are written, what stands in them, read back by another program."""

from __future__ import annotations

import errno
from pathlib import Path

import comtrade
import numpy as np
import pytest

from hil.recorder.disturbance import DisturbanceRecorder, Plan, RelayChannels, jumps_in
from hil.recorder.player import Playback, frames
from rtcore.errors import UserInputError
from rtcore.ring import EVENT_COMMAND, EVENT_STATUS
from rtcore.waves import WaveReader, format_waves, waves_bytes, waves_in

DT_S, F0_HZ = 1e-3, 60.0
ABC = np.exp(-2j * np.pi / 3 * np.arange(3))
TRIP, BREAKER, CLOSE = 10, 11, 12
EPOCH_NS = 1_800_000_000_000_000_000


class Plant:
    """Writes the ring as the loop does: one record a step."""

    def __init__(self, capacity: int = 4096) -> None:
        self.buffer = bytearray(waves_bytes(2, capacity))
        format_waves(self.buffer, 2, capacity)
        self._to = waves_in(self.buffer)
        self.n = 0

    def run(self, steps: int, i_a: float, v_v: float = 7967.0) -> None:
        row = np.concatenate([i_a * ABC, v_v * ABC, 0.5 * i_a * ABC, np.zeros(3)])
        for _ in range(steps):
            at = self.n % len(self._to.marks)
            self._to.marks[at] = self.n, EPOCH_NS + self.n * 1_000_000
            self._to.phasors[at] = row.view(np.float64)
            self.n += 1
            self._to.head[0] = self.n


def event(kind: int, step: int, target: int, new: int) -> tuple[int, ...]:
    return (step, EPOCH_NS + step * 1_000_000, kind, target, 0, new, 0, 0)


def plan(**changes: object) -> Plan:
    relays = [
        RelayChannels(name=n, ct_primary_a=600, ct_secondary_a=5, tau_s=0.02, has_ct=True, has_vt=n == "R1")
        for n in ("R1", "R2")
    ]
    given: dict[str, object] = {
        "station": "Small, station", "f0_hz": F0_HZ, "dt_s": DT_S, "relays": relays,
        "digitals": [(TRIP, "P.R1.TRIP"), (BREAKER, "CB.CLOSED")], "trips": frozenset({TRIP}),
        "commands": frozenset({CLOSE}), "pre_s": 0.2, "post_s": 0.3,
    }  # fmt: skip
    return Plan(**given | changes)  # type: ignore[arg-type]


def loaded(path: Path) -> comtrade.Comtrade:
    record = comtrade.Comtrade(use_double_precision=True)
    record.load(str(path), str(path.with_suffix(".dat")))
    return record


def tripped(folder: Path, **changes: object) -> tuple[Plant, DisturbanceRecorder]:
    """A fault at step 500, a trip at 700, the breaker open at 750."""
    plant = Plant()
    recorder = DisturbanceRecorder(plan(**changes), WaveReader(plant.buffer), folder, {BREAKER: 1})
    plant.run(500, 100.0)
    plant.run(250, 3000.0, 2000.0)
    recorder.take([event(EVENT_STATUS, 700, TRIP, 1), event(EVENT_STATUS, 750, BREAKER, 0)])
    return plant, recorder


def test_a_record_is_written_once_the_time_after_the_trigger_is_there(tmp_path: Path) -> None:
    plant, recorder = tripped(tmp_path)
    assert recorder.poll() == []
    plant.run(250, 0.0)
    assert recorder.poll() == []  # step 1000 is the last one wanted
    plant.run(1, 0.0)
    cfg, dat, hdr = recorder.poll()
    assert recorder.poll() == []
    record = loaded(cfg)
    assert record.trigger_time == pytest.approx(0.2, abs=1e-6)  # files keep microseconds
    assert record.total_samples == 0.5 * 4800 + 1
    assert "synthesised" in hdr.read_text()
    assert dat.stat().st_size > 0


def test_channels_have_the_size_of_the_phasors_and_digitals_change_at_their_step(tmp_path: Path) -> None:
    plant, recorder = tripped(tmp_path)
    plant.run(300, 0.0)
    record = loaded(recorder.poll()[0])
    assert list(record.analog_channel_ids) == [f"R1.{q}{k}" for q in "IV" for k in "ABC"] + [
        f"R2.I{k}" for k in "ABC"
    ]
    ia, va = np.array(record.analog[0]), np.array(record.analog[3])
    # From 600 to 700 the offset of the fault at 500 (20 ms) has died away to 0.7 %.
    assert max(abs(ia[480:900])) == pytest.approx(3000 * np.sqrt(2), rel=0.01)
    assert max(abs(va[480:900])) == pytest.approx(2000 * np.sqrt(2), rel=0.001)
    trip, closed = (np.array(record.status[k]) for k in range(2))
    assert np.flatnonzero(np.diff(trip)).tolist() == [round(0.2 * 4800) - 1]
    assert np.flatnonzero(np.diff(closed)).tolist() == [round(0.25 * 4800) - 1]


def test_the_current_goes_on_where_the_network_jumps_and_its_offset_dies_away(tmp_path: Path) -> None:
    plant, recorder = tripped(tmp_path, pre_s=0.3)
    plant.run(300, 0.0)
    record = loaded(recorder.poll()[0])
    ib = np.array(record.analog[1])
    at = round(0.1 * 4800)  # the fault
    assert max(abs(np.diff(ib[at - 20 : at]))) < max(abs(np.diff(ib[at : at + 80])))
    assert abs(ib[at] - ib[at - 1]) < 0.1 * 3000 * np.sqrt(2)  # no step: one sample of a sine moves 8 %


def test_an_interrupted_current_is_nothing_at_once_and_those_that_flow_on_have_their_offset(
    tmp_path: Path,
) -> None:
    plant, recorder = tripped(tmp_path)
    plant.run(300, 0.0)  # interrupted from step 750 on, in the record from 0.25 s on
    ia = np.array(loaded(recorder.poll()[0]).analog[0])
    assert abs(ia[round(0.25 * 4800) :]).max() < 1e-3 * 3000  # quantum of BINARY32


def test_one_record_covers_what_follows_closely_and_what_follows_it_has_one_of_its_own(
    tmp_path: Path,
) -> None:
    plant, recorder = tripped(tmp_path)  # a record from 500 to 1000
    recorder.take([event(EVENT_STATUS, 1000, TRIP, 1), event(EVENT_COMMAND, 1001, CLOSE, 0)])
    recorder.take([event(EVENT_STATUS, 1302, TRIP, 1)])
    plant.run(2000, 0.0)
    found = [recorder.poll()[0].stem for _ in range(3)]
    assert not recorder.is_pending
    assert found == [
        "000000000700-trip-20270115T080000Z",
        "000000001001-command-20270115T080001Z",
        "000000001302-trip-20270115T080001Z",
    ]
    assert recorder.n_written == 3


def test_one_that_starts_again_makes_no_record_twice_and_removes_what_was_half_written(
    tmp_path: Path,
) -> None:
    plant, recorder = tripped(tmp_path)
    plant.run(300, 0.0)
    cfg, dat, hdr = recorder.poll()
    half = tmp_path / "000000001500-trip-20270115T080001Z.dat"
    half.write_bytes(b"")
    (tmp_path / f"{half.name}.new").write_bytes(b"")
    (tmp_path / "mine.txt").write_text("")
    again = DisturbanceRecorder(plan(), WaveReader(plant.buffer), tmp_path, {BREAKER: 1})
    again.take([event(EVENT_STATUS, 700, TRIP, 1), event(EVENT_STATUS, 800, TRIP, 1)])
    assert not again.is_pending
    assert sorted(tmp_path.iterdir()) == sorted([cfg, dat, hdr, tmp_path / "mine.txt"])
    again.take([event(EVENT_STATUS, 1500, TRIP, 1)])
    plant.run(1000, 0.0)
    assert again.poll()[1] == half


def test_at_the_end_a_record_is_written_as_far_as_the_run_went(tmp_path: Path) -> None:
    _, recorder = tripped(tmp_path)
    assert recorder.poll() == []
    cfg = recorder.poll(is_last=True)[0]
    assert loaded(cfg).total_samples == round(0.249 * 4800) + 1  # from step 500 to the last, 749


def test_of_many_records_the_newest_are_kept(tmp_path: Path) -> None:
    plant, recorder = tripped(tmp_path, keep=2)
    recorder.take([event(EVENT_COMMAND, 1001, CLOSE, 0), event(EVENT_STATUS, 1302, TRIP, 1)])
    plant.run(2000, 0.0)
    for _ in range(3):
        recorder.poll()
    assert sorted({p.stem[:12] for p in tmp_path.iterdir()}) == ["000000001001", "000000001302"]


def test_a_record_for_which_there_is_no_room_leaves_nothing_and_is_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant, recorder = tripped(tmp_path)
    plant.run(300, 0.0)
    write_bytes = Path.write_bytes

    def full(path: Path, data: bytes) -> int:
        if ".dat" in path.name:
            write_bytes(path, data[:100])
            raise OSError(errno.ENOSPC, "No space left on device")
        return write_bytes(path, data)

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match="No space"):
        recorder.poll()
    assert list(tmp_path.iterdir()) == []
    assert (recorder.n_written, recorder.n_missed, recorder.is_pending) == (0, 1, False)


def test_what_was_overwritten_before_it_could_be_read_is_counted(tmp_path: Path) -> None:
    plant = Plant(capacity=400)
    recorder = DisturbanceRecorder(plan(), WaveReader(plant.buffer), tmp_path, {})
    plant.run(700, 1.0)
    recorder.take([event(EVENT_STATUS, 690, TRIP, 1)])
    plant.run(900, 1.0)
    assert recorder.poll() == []
    assert recorder.n_missed == 1


def test_a_load_that_drifts_does_not_jump() -> None:
    drifting = np.linspace(100, 130, 50)[:, None] * ABC
    assert jumps_in(drifting, np.ones(3, bool)) == []


def test_a_record_played_gives_the_phasors_that_it_was_made_of(tmp_path: Path) -> None:
    plant = Plant()
    recorder = DisturbanceRecorder(plan(), WaveReader(plant.buffer), tmp_path, {})
    plant.run(500, 100.0)
    recorder.trigger(300, "limit")
    plant.run(300, 100.0)
    cfg = recorder.poll()[0]
    channels = {f"{q}{k}": f"R1.{q.upper()}{k.upper()}" for q in "iv" for k in "abc"}
    found = frames(Playback(path=cfg, channels=channels), DT_S, F0_HZ)
    assert len(found) == 501
    wanted = np.concatenate([100.0 * ABC, 7967.0 * ABC])
    assert abs(found) == pytest.approx(np.tile(abs(wanted), (501, 1)), rel=1e-3)
    # the record begins at step 100: phasors keep their angles to each other
    turn = found[-1] / found[-1, 0] * wanted[0]
    assert turn == pytest.approx(wanted, rel=1e-3)


def test_everything_wrong_with_a_playback_is_said_at_once(tmp_path: Path) -> None:
    plant, recorder = tripped(tmp_path)
    plant.run(300, 0.0)
    cfg = recorder.poll()[0]
    with pytest.raises(UserInputError) as caught:
        frames(Playback(path=cfg, channels={"ia": "nothing", "ix": "R1.IA"}), DT_S, F0_HZ)
    assert len(caught.value.problems) == 2
    for broken in ("", "one line", "a,b,1999\n3,1A,2D\n"):
        (tmp_path / "bad.cfg").write_text(broken)
        (tmp_path / "bad.dat").write_text("")
        with pytest.raises(UserInputError, match=r"bad\.cfg"):
            frames(Playback(path=tmp_path / "bad.cfg", channels={}), DT_S, F0_HZ)
    with pytest.raises(UserInputError):
        frames(Playback(path=tmp_path / "absent.cfg", channels={}), DT_S, F0_HZ)
