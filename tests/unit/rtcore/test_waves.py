"""The ring of what relays saw: records come back as pushed, or the reader is told that they are gone."""

from __future__ import annotations

import numpy as np
import pytest

from rtcore.shared_kernels import push_waves
from rtcore.waves import WaveReader, format_waves, no_waves, waves_bytes, waves_in

N, CAPACITY = 3, 16


def seen(step: int) -> tuple[np.ndarray, np.ndarray]:
    """Currents and voltages that tell relay, phase and step apart."""
    relay, phase = np.arange(N)[:, None], np.arange(3)[None, :]
    return step + 0.1 * relay + 1j * phase, 1000.0 * step + relay - 1j * phase


def filled(n_steps: int) -> WaveReader:
    buffer = bytearray(waves_bytes(N, CAPACITY))
    format_waves(buffer, N, CAPACITY)
    waves = waves_in(buffer)
    for step in range(n_steps):
        push_waves(waves, step, 10**18 + step, *seen(step))
    return WaveReader(buffer)


@pytest.mark.parametrize(("n_steps", "first"), [(1, 0), (10, 0), (40, 25), (40, 39)])
def test_records_come_back_with_their_step_and_time(n_steps: int, first: int) -> None:
    reader = filled(n_steps)
    assert (reader.n_written, reader.n_relays, reader.capacity) == (n_steps, N, CAPACITY)
    marks, phasors = reader.read(first, n_steps)
    assert marks[:, 0].tolist() == list(range(first, n_steps))
    assert marks[:, 1].tolist() == [10**18 + k for k in range(first, n_steps)]
    for row, step in zip(phasors, range(first, n_steps), strict=True):
        i, v = seen(step)
        assert np.array_equal(row, np.concatenate([i, v], axis=1))


@pytest.mark.parametrize(("first", "end"), [(0, 5), (24, 30), (35, 41), (-1, 3), (38, 37)])
def test_records_that_are_gone_or_not_there_yet_are_refused(first: int, end: int) -> None:
    with pytest.raises(LookupError):
        filled(40).read(first, end)


def test_an_engine_that_nobody_records_writes_nothing() -> None:
    waves = no_waves(N)
    push_waves(waves, 0, 0, *seen(0))
    assert waves.head[0] == 0
