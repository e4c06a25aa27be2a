"""Full images on disk are those of the board, bit for bit."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest

from hil.recorder import images
from hil.recorder.journal import DamagedError, Journal
from rtcore.board import Snapshot

ODD = np.array([0.0, -0.0, 1.0, -1e-308, np.nan, np.inf, 4160.123456789])


def snapshot(step: int, values: np.ndarray = ODD) -> Snapshot:
    return Snapshot(step, 10 + step, 0, 0, 1, 0, -5, values, np.arange(len(values), dtype=np.uint8))


def test_an_image_comes_back_bit_for_bit(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "images.journal")
    for step in (1, 1000):
        journal.commit([images.encode(snapshot(step), 7)])
    for found, step in zip(images.read(journal.path), (1, 1000), strict=True):
        assert (found.step, found.utc_ns, found.digest, found.position) == (step, 10 + step, -5, 7)
        np.testing.assert_array_equal(found.values.view(np.int64), ODD.view(np.int64))
        np.testing.assert_array_equal(found.quality, np.arange(7))


def test_bytes_that_are_no_image_are_refused_whatever_they_are(tmp_path: Path) -> None:
    good = images.encode(snapshot(1), 0)
    for n, (cut, spoilt) in enumerate(itertools.product((5, 41, len(good) - 1), (False, True))):
        body = bytes(255 - b for b in good[:cut]) if spoilt else good[:cut]
        path = tmp_path / f"{n}.journal"
        Journal(path).commit([body])
        with pytest.raises(DamagedError):
            list(images.read(path))
