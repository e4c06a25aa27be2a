"""The books of the dispatcher: what plans said their first step would cost, and what it came to."""

from __future__ import annotations

import dataclasses as dc
import datetime as dt
from collections.abc import Mapping
from typing import Any

from forecasting.dispatch.settings import Settings
from rtcore.clock import NS_PER_S


@dc.dataclass
class Demand:
    """Highest mean import of the demand intervals of a calendar month of the local clock."""

    demand_s: float
    utc_offset_s: int = 0
    peak_w: float = 0.0
    month: tuple[int, int] = (0, 0)
    _interval: int = -1
    _sum: float = 0.0
    _count: int = 0

    def add(self, now_ns: int, import_w: float) -> None:
        """Take one reading; those of an interval count alike, and its mean counts when it is over."""
        seconds = now_ns // NS_PER_S + self.utc_offset_s
        interval = int(seconds // self.demand_s)
        if interval != self._interval:
            if self._count:
                self.peak_w = max(self.peak_w, self._sum / self._count)
            self._interval, self._sum, self._count = interval, 0.0, 0
            day = dt.datetime(1970, 1, 1) + dt.timedelta(seconds=int(seconds))
            if (day.year, day.month) != self.month:
                self.month, self.peak_w = (day.year, day.month), 0.0
        self._sum += import_w
        self._count += 1


@dc.dataclass
class Books:
    """Sums since the start of the books.

    Currency as of the prices. ``predicted`` by cause, of the first steps of all plans; ``violation_h``
    node-hours of the metered services outside the limits.
    """

    predicted: dict[str, float] = dc.field(default_factory=dict)
    energy: float = 0.0
    ageing: float = 0.0
    taps: float = 0.0
    voltage: float = 0.0
    peak: float = 0.0
    violation_h: float = 0.0
    tap_operations: float = 0.0

    @property
    def realised(self) -> dict[str, float]:
        """What it all came to, by cause; ``total`` is the sum."""
        parts = {name: getattr(self, name) for name in ("energy", "peak", "ageing", "taps", "voltage")}
        return parts | {"total": sum(parts.values())}


class Ledger:
    """Realised cost from readings, beside the cost that plans predicted."""

    def __init__(self, settings: Settings, utc_offset_s: int) -> None:
        self.settings = settings
        self.demand = Demand(settings.demand_s, utc_offset_s)
        self.books = Books()
        self._before: tuple[int, Mapping[str, float]] | None = None
        self._planned: tuple[int, dict[str, float]] = (0, {})

    def read(
        self,
        now_ns: int,
        import_w: float,
        battery_w: Mapping[str, float],
        taps: Mapping[str, float],
        service_pu: Mapping[str, float],
        *,
        is_planned: bool = True,
    ) -> None:
        """Book the time since the reading before, at what is read now.

        ``is_planned``: a plan is followed. The demand of the month counts always, the rest only then, as the
        books compare what plans said with what came of them.
        """
        s, b = self.settings, self.books
        peak_before, month = self.demand.peak_w, self.demand.month
        self.demand.add(now_ns, import_w)
        if self.demand.month == month and is_planned:
            b.peak += s.peak_price * max(self.demand.peak_w - peak_before, 0.0) / 1e3
        if self._before is not None and is_planned:
            then_ns, taps_then = self._before
            hours = (now_ns - then_ns) / (3600 * NS_PER_S)
            price = s.energy_price if import_w >= 0.0 else s.export_price
            b.energy += price * import_w / 1e3 * hours
            b.ageing += s.ageing_price * sum(abs(p) for p in battery_w.values()) / 1e3 * hours
            moved = sum(abs(tap - taps_then.get(name, tap)) for name, tap in taps.items())
            b.tap_operations += moved
            b.taps += s.tap_price * moved
            outside = [max(v - s.v_max_pu, s.v_min_pu - v) for v in service_pu.values()]
            b.violation_h += sum(x > 0.0 for x in outside) * hours
            b.voltage += s.violation_price * 100.0 * sum(x for x in outside if x > 0.0) * hours
        self._before = (now_ns, dict(taps))

    def planned(self, start_ns: int, cost: Mapping[str, float]) -> None:
        """Book what a new plan says its first step costs, by cause; instead of one of the same step."""
        before = self._planned[1] if self._planned[0] == start_ns else {}
        for cause, value in cost.items():
            so_far = self.books.predicted.get(cause, 0.0) - before.get(cause, 0.0)
            self.books.predicted[cause] = so_far + value
        self._planned = (start_ns, dict(cost))

    def state(self) -> dict[str, Any]:
        """Return the books and the highest demand of the month."""
        return {
            "books": dc.asdict(self.books),
            "month": list(self.demand.month),
            "peak_w": self.demand.peak_w,
            "planned": list(self._planned),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take them over."""
        self.books = Books(**state["books"])
        year, month = state["month"]
        self.demand.month, self.demand.peak_w = (int(year), int(month)), float(state["peak_w"])
        start_ns, cost = state["planned"]
        self._planned = (int(start_ns), dict(cost))
