"""``Tamper``: carries attacks out on what a reader gets, scan by scan, and keeps the ground truth."""

from __future__ import annotations

import bisect
import dataclasses as dc
import functools
from collections import deque
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from estimation.attacks import Attack, Floats, Kind
from estimation.tamper_rows import Bools, Falsehood, Places, Qualities, Readings, Rows, differ
from rtcore.errors import did_you_mean
from rtcore.quality import Quality

Note = Callable[[Places, Floats, Qualities, Floats, Qualities], None]
"""(positions, true values and qualities there, those that went out) -> kept as ground truth."""
HISTORY_MAX = 200_000
"""Most scans that one attack remembers, the newest ones."""
HISTORY_BYTES = 1_000_000_000
"""Most that it remembers of all its channels together."""


def n_remembered(n_channels: int) -> int:
    """Return how many scans an attack on so many channels remembers: 8 bytes a value, 1 its quality."""
    return max(1, min(HISTORY_MAX, HISTORY_BYTES // (9 * max(1, n_channels))))


@dc.dataclass(slots=True)
class Span:
    """Ground truth of one attack: the first and the last scan whose reader saw something false by it [s]."""

    attack: str
    kind: str
    channels: tuple[str, ...]
    first_s: float
    last_s: float
    scans: int = 0


class Tamper:
    """Attacks between points and a reader.

    Parameters
    ----------
    attacks : sequence of Attack
        Carried out in this order, each on what the one before left.
    index : mapping
        Tag -> position in the arrays of ``apply``.
    rng : numpy.random.Generator
        Every attack draws from a child of its own, so that one does not change another.
    keeps_rows : bool
        Keep true and false value of every changed channel in every scan as well (``rows``).
    only_changes : bool
        Keep only rows that say something else than the last one of their point (``tamper_rows.Rows``).
    origin_s : float
        Time that the attacks' times count from; inf: none is on, they only watch [s].

    Attributes
    ----------
    origin_s : float
        May be changed between scans: to the time of arming, to inf at its end.
    keeps_rows : bool
        May be changed as well.
    at : intp[n]
        Positions of all channels of all attacks.
    spans : list of Span

    Raises
    ------
    ValueError
        Tags that are not among the points.
    """

    def __init__(
        self,
        attacks: Sequence[Attack],
        index: Mapping[str, int],
        rng: np.random.Generator,
        *,
        keeps_rows: bool = False,
        only_changes: bool = False,
        origin_s: float = 0.0,
    ) -> None:
        unknown = [(a.name, tag) for a in attacks for tag in a.tags if tag not in index]
        if unknown:
            lines = (f"attack {name}: no point {tag!r}{did_you_mean(tag, index)}" for name, tag in unknown)
            raise ValueError("\n".join(lines))
        children = rng.spawn(len(attacks))
        acting = [(a, r) for a, r in zip(attacks, children, strict=True) if a.kind is not Kind.COMMAND]
        self._hands = [_Hand(a, index, r) for a, r in acting]
        self._n = max(index.values(), default=-1) + 1
        self._rows = Rows({k: tag for tag, k in index.items()}, self._n, only_changes=only_changes)
        self.at = np.array(sorted({index[tag] for a, _ in acting for tag in a.tags}), np.intp)
        self.keeps_rows, self.origin_s = keeps_rows, origin_s
        self.spans: list[Span] = []
        self._span_of: dict[tuple[str, float], Span] = {}

    def apply(self, t_s: float, values: Floats, quality: Qualities) -> tuple[Floats, Qualities]:
        """Return what a reader of every point gets, and keep the truth about it.

        Times never go back [s], and the arrays given stay as they are.
        """
        shown, shown_quality, note = self.falsified(t_s, values, quality)
        at = self.at
        note(at, values[at], quality[at], shown[at], shown_quality[at])
        return shown, shown_quality

    def falsified(self, t_s: float, values: Floats, quality: Qualities) -> tuple[Floats, Qualities, Note]:
        """Return what a reader is to get, and what to call with that which really goes out, once it does."""
        shown, shown_quality, acted = values, quality, list[tuple[_Hand, Bools]]()
        for hand in self._hands:
            changed = hand.act(t_s, self.origin_s, shown, shown_quality)
            if changed is None:
                continue
            acted.append((hand, differ(shown[hand.at], shown_quality[hand.at], *changed)))
            if shown is values:
                shown, shown_quality = values.copy(), quality.copy()
            shown[hand.at], shown_quality[hand.at] = changed
        return shown, shown_quality, functools.partial(self._note, t_s, acted)

    @property
    def rows(self) -> list[Falsehood]:
        """The rows that have not been taken."""
        return self._rows.all()

    @property
    def n_waiting(self) -> int:
        """How many scans have rows that have not been taken."""
        return self._rows.n_waiting

    def take_rows(self, n_most: int | None = None) -> list[Falsehood]:
        """Return rows of the oldest scan that has some left: so many at most, all of them by default."""
        return self._rows.take(n_most)

    def active(self, t_s: float) -> tuple[str, ...]:
        """Return the names of the attacks that last at a time [s]."""
        return tuple(h.attack.name for h in self._hands if h.attack.is_on(t_s - self.origin_s))

    def _note(
        self,
        t_s: float,
        acted: Sequence[tuple[_Hand, Bools]],
        at: Places,
        true: Floats,
        true_q: Qualities,
        sent: Floats,
        sent_q: Qualities,
    ) -> None:
        """Keep what went out at some positions, of those points alone that it is false of.

        It costs no loop over points: a board of thousands is passed on a thousand times a second.
        """
        if not acted and not (self.keeps_rows and self._rows.is_open):
            return
        readings = Readings(true, true_q, sent, sent_q)
        is_false, was_false_at = readings.is_false, np.zeros(self._n, np.bool_)
        was_false_at[at] = is_false
        hits = []
        for hand, changed in acted:
            hit = hand.at[changed & was_false_at[hand.at]]
            if len(hit):
                self._mark(hand, t_s)
                is_hit_at = np.zeros(self._n, np.bool_)
                is_hit_at[hit] = True
                hits.append((hand.attack.name, is_hit_at[at]))
        if self.keeps_rows:
            self._rows.keep(t_s, at, readings, is_false, hits)

    def _mark(self, hand: _Hand, t_s: float) -> None:
        attack, key = hand.attack, (hand.attack.name, self.origin_s)
        span = self._span_of.get(key)
        if span is None:
            span = self._span_of[key] = Span(attack.name, attack.kind.value, hand.tags, t_s, t_s)
            self.spans.append(span)
        span.last_s = t_s
        span.scans += 1


class _Hand:
    """What carries one attack out."""

    def __init__(self, attack: Attack, index: Mapping[str, int], rng: np.random.Generator) -> None:
        self.attack, self.tags, self._rng = attack, attack.tags, rng
        self.at = np.array([index[tag] for tag in self.tags], np.intp)
        self._n = len(attack.channels)
        self._past = _Past(n_remembered(len(self.at)))
        self._shown_at = np.array([self.tags.index(tag) for tag in attack.statuses], np.intp)
        self._shown = np.array(list(attack.statuses.values()), np.float64)
        self._start_s = attack.start_s
        self._do = getattr(self, f"_{attack.kind.value}")

    def act(
        self, t_s: float, origin_s: float, values: Floats, quality: Qualities
    ) -> tuple[Floats, Qualities] | None:
        """Return values and qualities of its channels, None for no change."""
        attack, y, q = self.attack, values[self.at], quality[self.at]
        is_on, self._start_s = attack.is_on(t_s - origin_s), attack.start_s + origin_s
        found = self._do(t_s, y, q) if is_on else None
        if attack.kind is Kind.DELAY:
            self._past.keep(t_s, y, q, attack.figure("delay_s"))
        elif attack.kind is Kind.REPLAY and t_s < self._start_s:
            self._past.keep(t_s, y, q, attack.figure("window_s"))
        elif attack.kind in (Kind.FREEZE, Kind.DROPOUT) and not is_on:
            self._past.keep(t_s, y, q, 0.0)
        result: tuple[Floats, Qualities] | None = found
        return result

    def _random(self, _t_s: float, y: Floats, q: Qualities) -> tuple[Floats, Qualities]:
        return y + self.attack.figure("sigma") * self._rng.standard_normal(len(y)), q

    def _bias(self, _t_s: float, y: Floats, q: Qualities) -> tuple[Floats, Qualities]:
        return y + self.attack.figure("offset"), q

    def _scale(self, _t_s: float, y: Floats, q: Qualities) -> tuple[Floats, Qualities]:
        return y * self.attack.figure("factor"), q

    def _ramp(self, t_s: float, y: Floats, q: Qualities) -> tuple[Floats, Qualities]:
        change, limit = self.attack.figure("per_s") * (t_s - self._start_s), self.attack.figure("limit")
        return y + min(max(change, -limit), limit), q

    def _freeze(self, t_s: float, y: Floats, q: Qualities) -> tuple[Floats, Qualities]:
        if not self._past:
            self._past.keep(t_s, y, q, 0.0)
        return self._past.newest()

    def _replay(self, t_s: float, _y: Floats, _q: Qualities) -> tuple[Floats, Qualities] | None:
        if not self._past:  # nothing was recorded
            return None
        window_s = self.attack.figure("window_s")
        back_s = window_s - (t_s - self._start_s) % window_s
        return self._past.at(self._start_s - back_s)

    def _delay(self, t_s: float, y: Floats, q: Qualities) -> tuple[Floats, Qualities]:
        return self._past.at(t_s - self.attack.figure("delay_s")) if self._past else (y, q)

    def _dropout(self, t_s: float, y: Floats, q: Qualities) -> tuple[Floats, Qualities]:
        if not self._past:
            self._past.keep(t_s, y, q, 0.0)
        lost = self._rng.random(len(y)) < self.attack.figure("probability")
        last, _ = self._past.newest()
        shown = np.where(lost, last, y)
        self._past.keep(t_s, shown, q, 0.0)
        return shown, np.where(lost, np.uint8(Quality.BAD_NO_COMMUNICATION), q)

    def _stealthy(self, t_s: float, y: Floats, q: Qualities) -> tuple[Floats, Qualities]:
        return self._changed(t_s, y), q

    def _topology(self, t_s: float, y: Floats, q: Qualities) -> tuple[Floats, Qualities]:
        shown = self._changed(t_s, y)
        shown[self._shown_at] = self._shown
        return shown, q

    def _changed(self, t_s: float, y: Floats) -> Floats:
        shown = y.copy()
        if self.attack.delta is not None and self._n:
            change = np.asarray(self.attack.delta(t_s, y[: self._n]), np.float64)
            if change.shape != (self._n,):
                raise ValueError(
                    f"attack {self.attack.name}: delta has shape {change.shape}, not {(self._n,)}"
                )
            shown[: self._n] += self.attack.figure("gain") * change
        return shown


class _Past:
    """Scans of some channels, oldest first."""

    def __init__(self, n_max: int) -> None:
        self._t_s: deque[float] = deque(maxlen=n_max)
        self._scans: deque[tuple[Floats, Qualities]] = deque(maxlen=n_max)

    def __bool__(self) -> bool:
        return bool(self._t_s)

    def keep(self, t_s: float, values: Floats, quality: Qualities, span_s: float) -> None:
        """Add a scan; forget those that nobody needs who looks back ``span_s`` from it or later."""
        self._t_s.append(t_s)
        self._scans.append((values, quality))
        while len(self._t_s) > 1 and self._t_s[1] <= t_s - span_s:
            self._t_s.popleft()
            self._scans.popleft()

    def newest(self) -> tuple[Floats, Qualities]:
        """Return the last scan."""
        return self._scans[-1]

    def at(self, t_s: float) -> tuple[Floats, Qualities]:
        """Return the scan that was the newest at a time [s], the oldest there is before that."""
        return self._scans[max(bisect.bisect_right(self._t_s, t_s) - 1, 0)]
