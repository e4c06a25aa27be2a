"""Falsify an instrument: one of the station's attack slots on one measured point."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.widgets import Input, Select

from hil.console.dialogs.slot import SlotDialog, field, number_in
from hil.view import slots as sl
from hil.view.model import StationModel


class AttackDialog(SlotDialog):
    """Point, mode, two figures, duration, slot. Attacks on the wire are of ``gridhil attack``."""

    TEMPLATE: ClassVar[str] = "attack"
    BUSY: ClassVar[str] = "ACTIVE"
    REFUSALS: ClassVar[Sequence[str]] = sl.ATTACK_REFUSALS

    def __init__(self, target: str = "") -> None:
        super().__init__("Falsify an instrument")
        self._target = target

    def form(self) -> ComposeResult:
        """Rows of the form."""
        yield from field("Point", Input(self._target, id="target", compact=True, placeholder="tag"))
        modes = [(m or "choose", k) for k, m in enumerate(sl.ATTACK_MODES)]
        yield from field("Mode", Select(modes, id="mode", value=0, allow_blank=False, compact=True))
        yield from field(
            "A", Input(id="a", compact=True, placeholder="bias, factor, slope per s, sigma or delay in s")
        )
        yield from field("B", Input(id="b", compact=True, placeholder="ramp: size at which it is held"))
        yield from field(
            "Duration", Input("30", id="duration", compact=True, placeholder="s; 0: until cleared")
        )

    def wish(self, model: StationModel, slot: str) -> tuple[str, list[sl.Step]]:
        """Take the form."""
        mode = self.query_one("#mode", Select).value
        try:
            wish = sl.AttackWish(
                target=self.query_one("#target", Input).value.strip().upper(),
                mode=mode if isinstance(mode, int) else 0,
                a=number_in(self, "a") or 0.0,
                b=number_in(self, "b") or 0.0,
                duration_s=number_in(self, "duration") or 0.0,
            )
        except ValueError:
            return "A, B and duration are numbers", []
        problem = wish.problem(model)
        return problem, [] if problem else wish.steps(model, slot)

    def name_of_wish(self) -> str:
        """Return point with its unit, mode, figures, duration."""
        names = ("target", "a", "b", "duration")
        target, a, b, duration = (self.query_one(f"#{name}", Input).value.strip() for name in names)
        mode = self.query_one("#mode", Select).value
        words = sl.ATTACK_MODES[mode] if isinstance(mode, int) else ""
        figures = "".join(f", {name} {value}" for name, value in (("A", a), ("B", b)) if value)
        until = f"for {duration} s" if duration not in ("", "0") else "until cleared"
        point = self.view.model.points.get(target.upper()) if self.view.model else None
        unit = f" [{point.unit}]" if point is not None and point.unit else ""
        return f"{target.upper()}{unit} {words}{figures}, {until}"
