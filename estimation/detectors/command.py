"""Plausibility of commands: what moved although nobody allowed to and nothing automatic moved it.

Every change of a position or setpoint that neither a command of the centre, a protection operation nor
an automatic control explains counts with the weight of its kind; also a change there and back, explained
or not, counts, because tap hunting and setpoint oscillation are made of changes that look allowed one by
one. The sum fades with time constant ``FADE_S``. An attacker who commands through the centre's own
account, once and within the schedule, passes.
"""

from __future__ import annotations

import math

from estimation.detectors.scan import Change, ChangeKind, Scan

WEIGHTS = {
    ChangeKind.BREAKER: 10.0,
    ChangeKind.SETPOINT: 10.0,
    ChangeKind.CAPACITOR: 5.0,
    ChangeKind.TAP: 5.0,
}
"""Points of an unexplained change: one breaker or setpoint is enough, taps and banks take two."""
REVERSAL = 2.5
"""Points of a change back within ``REVERSAL_S``."""
REVERSAL_S = 300.0
FADE_S = 600.0
FLOOR = 7.0
"""Threshold where clean runs never score: below a single breaker, above one tap."""


class Command:
    """Faded sum of points of suspicious changes; points to no channel (see ``suspects``)."""

    name = "command"

    def __init__(self) -> None:
        self.points = 0.0
        self.t_s = math.nan
        self.moved: dict[str, tuple[float, float]] = {}
        """Tag -> direction and time of its last change."""
        self.suspects: tuple[str, ...] = ()
        """Tags of the changes that scored last."""

    def update(self, scan: Scan) -> tuple[float, tuple[int, ...]]:
        """Take one scan."""
        if math.isfinite(self.t_s):
            self.points *= math.exp(-max(0.0, scan.t_s - self.t_s) / FADE_S)
        self.t_s = scan.t_s
        scores = {c.tag: self._score(c, scan.t_s) for c in scan.changes}
        scored = tuple(tag for tag, score in scores.items() if score > 0.0)
        self.suspects = scored or self.suspects
        self.points += sum(scores.values())
        return self.points, ()

    def _score(self, change: Change, t_s: float) -> float:
        direction = math.copysign(1.0, change.new - change.old)
        before, when_s = self.moved.get(change.tag, (direction, -math.inf))
        self.moved[change.tag] = (direction, t_s)
        is_back = before != direction and t_s - when_s <= REVERSAL_S
        is_natural = change.explained_by == "protection"  # reclosing opens and closes by design
        unexplained = 0.0 if change.explained_by else WEIGHTS[change.kind]
        return unexplained + (REVERSAL if is_back and not is_natural else 0.0)
