"""Rows of ground truth: kept as arrays, a scan at a time, and made when they are taken.

Whoever passes values on must not wait for the truth about them: keeping a scan costs no loop over its points.
"""

from __future__ import annotations

import dataclasses as dc
from collections import deque
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from estimation.attacks import Floats

Qualities = npt.NDArray[np.uint8]
Bools = npt.NDArray[np.bool_]
Places = npt.NDArray[np.intp]
Hits = Sequence[tuple[str, Bools]]
"""(attack, at which positions it is why they are false)."""


@dc.dataclass(frozen=True, slots=True)
class Falsehood:
    """Ground truth of one channel in one scan: what there was before any attack, and what went out.

    Attributes
    ----------
    attack : str
        Those that changed it, in their order, with "+" between them; empty: it shows the truth again.
    true_value, false_value : float
        NaN: there was none, or none went out.
    true_quality, false_quality : int or None
        None: nobody knows.
    """

    t_s: float
    attack: str
    tag: str
    true_value: float
    false_value: float
    true_quality: int | None
    false_quality: int | None


@dc.dataclass(frozen=True, slots=True)
class Readings:
    """What some positions were, and what went out of them."""

    true: Floats
    true_quality: Qualities
    sent: Floats
    sent_quality: Qualities

    @property
    def is_false(self) -> Bools:
        """Tell where another thing went out than there was."""
        return differ(self.true, self.true_quality, self.sent, self.sent_quality)

    def at(self, which: Places) -> Readings:
        """Return those at some positions."""
        return Readings(
            self.true[which], self.true_quality[which], self.sent[which], self.sent_quality[which]
        )


def differ(a: Floats, a_quality: Qualities, b: Floats, b_quality: Qualities) -> Bools:
    """Tell which readings are not the same; no value is the same as no value."""
    is_same: Bools = (a == b) | (np.isnan(a) & np.isnan(b))
    is_other: Bools = ~is_same | (a_quality != b_quality)
    return is_other


class Rows:
    """Rows that wait to be taken.

    Parameters
    ----------
    tag_at : mapping
        Position -> tag.
    n : int
        Positions there are.
    only_changes : bool
        Keep a row only where it says something else than the last one of its point, and one without an
        attack where a point shows the truth again: each row then holds until the next one of its point.
    """

    def __init__(self, tag_at: Mapping[int, str], n: int, *, only_changes: bool) -> None:
        self._tag_at = tag_at
        self._last = _Last(n) if only_changes else None
        self._scans: deque[_Scan] = deque()
        self._n_taken = 0  # of the oldest scan's rows

    @property
    def n_waiting(self) -> int:
        """Scans that have rows that have not been taken."""
        return len(self._scans)

    @property
    def is_open(self) -> bool:
        """Tell whether a row of some point holds that the next scan may end."""
        return self._last is not None and bool(self._last.is_open.any())

    def keep(self, t_s: float, at: Places, readings: Readings, is_false: Bools, hits: Hits) -> None:
        """Keep what is to be kept of a scan [s].

        Parameters
        ----------
        at : intp[n]
            Positions of the readings.
        hits : sequence
            Masks over the readings.
        """
        is_row = is_false if self._last is None else self._last.news(at, readings, is_false)
        which = np.flatnonzero(is_row)
        if len(which):
            masks = [(name, mask[which]) for name, mask in hits]
            self._scans.append(_Scan(t_s, at[which], readings.at(which), is_false[which], masks))

    def all(self) -> list[Falsehood]:
        """Return every row that waits."""
        found = [row for scan in self._scans for row in scan.rows(self._tag_at, 0, len(scan.at))]
        return found[self._n_taken :]

    def take(self, n_most: int | None = None) -> list[Falsehood]:
        """Return rows of the oldest scan that has some left, which wait no longer; none when none do.

        Parameters
        ----------
        n_most : int, optional
            So many at most; all that the scan has left by default.
        """
        if not self._scans:
            return []
        scan, first = self._scans[0], self._n_taken
        end = len(scan.at) if n_most is None else min(first + n_most, len(scan.at))
        self._n_taken = end
        if end == len(scan.at):
            self._scans.popleft()
            self._n_taken = 0
        return scan.rows(self._tag_at, first, end)


@dc.dataclass(frozen=True, slots=True)
class _Scan:
    t_s: float
    at: Places
    readings: Readings
    is_false: Bools
    hits: Hits

    def rows(self, tag_at: Mapping[int, str], first: int, end: int) -> list[Falsehood]:
        """Return the rows of some of its positions, ``first`` to before ``end``."""
        part, found = slice(first, end), list[Falsehood]()
        hits = [(name, mask[part].tolist()) for name, mask in self.hits]
        others = "+".join(name for name, _ in hits)  # lost along with others' points
        columns = zip(
            *(x[part].tolist() for x in (self.at, self.is_false, *_columns(self.readings))), strict=True
        )
        for k, (at, is_false, true, sent, true_q, sent_q) in enumerate(columns):
            by = ("+".join(name for name, mask in hits if mask[k]) or others) if is_false else ""
            found.append(Falsehood(self.t_s, by, tag_at[at], true, sent, true_q, sent_q))
        return found


def _columns(r: Readings) -> tuple[Floats, Floats, Qualities, Qualities]:
    return r.true, r.sent, r.true_quality, r.sent_quality


class _Last:
    """The last row of each point."""

    def __init__(self, n: int) -> None:
        self.is_open = np.zeros(n, np.bool_)
        """It says something false."""
        floats, codes = np.zeros((2, n)), np.zeros((2, n), np.uint8)
        self._of = Readings(floats[0], codes[0], floats[1], codes[1])

    def news(self, at: Places, r: Readings, is_false: Bools) -> Bools:
        """Tell which readings need a row, and take them for the last ones."""
        last, was_open = self._of.at(at), self.is_open[at]
        is_other = differ(r.true, r.true_quality, last.true, last.true_quality)
        is_other |= differ(r.sent, r.sent_quality, last.sent, last.sent_quality)
        is_new: Bools = np.where(is_false, ~was_open | is_other, was_open)
        self.is_open[at] = is_false
        of = self._of
        of.true[at], of.true_quality[at], of.sent[at], of.sent_quality[at] = (
            r.true, r.true_quality, r.sent, r.sent_quality,
        )  # fmt: skip
        return is_new
