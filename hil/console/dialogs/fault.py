"""Put a fault on the plant: one of the station's library, or one by place and type."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.content import Content
from textual.widgets import Input, Select

from hil.console.dialogs.slot import SlotDialog, field, number_in
from hil.view import slots as sl
from hil.view.model import StationModel

CHOOSE = -1


class FaultDialog(SlotDialog):
    """Entry, or place, fraction and type; resistance, duration, slot."""

    TEMPLATE: ClassVar[str] = "fault"
    BUSY: ClassVar[str] = "APPLIED"
    REFUSALS: ClassVar[Sequence[str]] = sl.FAULT_REFUSALS

    def __init__(self) -> None:
        super().__init__("Put a fault")
        self._named: dict[int, str] = {}

    def form(self) -> ComposeResult:
        """Rows of the form; what is left empty is as in the library."""
        model = self.view.model
        faults = () if model is None else model.faults
        self._named = {
            CHOOSE: "choose",
            0: "none of the library: by place and type",
            **{f.number: f"{f.number} {f.text or f.name}" for f in faults},
        }
        named = [(Content(words), number) for number, words in self._named.items()]
        yield from field("Fault", Select(named, id="entry", value=CHOOSE, allow_blank=False, compact=True))
        yield from field(
            "Place",
            Input(id="place", compact=True, placeholder="bus or line by name, or its number"),
        )
        yield from field("On a line at", Input(id="fraction", compact=True, placeholder="0.001 to 0.999"))
        types = [("as in the library", 0), *((t, k) for k, t in enumerate(sl.FAULT_TYPES) if k)]
        yield from field("Type", Select(types, id="type", value=0, allow_blank=False, compact=True))
        yield from field("Resistance", Input(id="r_ohm", compact=True, placeholder="ohm"))
        yield from field(
            "Duration", Input(id="duration", compact=True, placeholder="s; empty: as in the library")
        )

    def wish(self, model: StationModel, slot: str) -> tuple[str, list[sl.Step]]:
        """Take the form."""
        if _choice(self, "entry") == CHOOSE:
            return "choose a fault", []
        try:
            place = sl.place_number(model, self.query_one("#place", Input).value)
            kind = int(_choice(self, "type"))
            wish = sl.FaultWish(
                entry=int(_choice(self, "entry")),
                place=place,
                fraction=number_in(self, "fraction"),
                type=kind or None,
                r_ohm=number_in(self, "r_ohm"),
                duration_s=number_in(self, "duration"),
            )
        except ValueError:
            return "fraction, resistance and duration are numbers", []
        return wish.problem(), wish.steps(slot)

    def name_of_wish(self) -> str:
        """Return the entry, then what differs from it."""
        names = ("place", "fraction", "r_ohm", "duration")
        texts = {name: self.query_one(f"#{name}", Input).value.strip() for name in names}
        kind = int(_choice(self, "type"))
        parts = [self._named[_choice(self, "entry")]]
        parts += [f"at {texts['place']}"] if texts["place"] else []
        parts += [f"fraction {texts['fraction']}"] if texts["fraction"] else []
        parts += [sl.FAULT_TYPES[kind]] if kind else []
        parts += [f"{texts['r_ohm']} ohm"] if texts["r_ohm"] else []
        parts += [f"for {texts['duration']} s"] if texts["duration"] else []
        return "; ".join(parts)


def _choice(dialog: SlotDialog, name: str) -> int:
    value = dialog.query_one(f"#{name}", Select).value
    return value if isinstance(value, int) else 0
