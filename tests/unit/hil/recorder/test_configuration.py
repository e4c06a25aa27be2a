"""Hashes of what a run follows from: a part that changes is named."""

from __future__ import annotations

from pathlib import Path

from hil import paths
from hil.recorder.configuration import part_hashes
from hil.station import read_plan

PLAY = '\n[[injection.play]]\nfile = "fault.cfg"\nia = "IA"\n'


def hashes(folder: Path, more: str = PLAY) -> dict[str, str]:
    path = folder / "iowa240.toml"
    path.write_text((paths.config_dir() / "stations" / "iowa240.toml").read_text() + more)
    return part_hashes(read_plan(str(path)), None)


def test_a_record_to_play_counts_with_its_samples_and_its_channels(tmp_path: Path) -> None:
    (tmp_path / "fault.cfg").write_text("cfg")
    (tmp_path / "fault.dat").write_bytes(b"samples")
    first = hashes(tmp_path)
    assert hashes(tmp_path) == first

    def changed(more: str = PLAY) -> set[str]:
        return {k for k, v in hashes(tmp_path, more).items() if v != first[k]}

    assert changed(PLAY.replace('"IA"', '"IB"')) == {"playback"}
    assert changed("") == {"playback"}
    (tmp_path / "fault.dat").write_bytes(b"others")
    assert changed() == {"playback"}
