"""What putting a fault and putting an attack have in common: slots, arming, a sequence of commands."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.widgets import Button, Input, Select, Static

from hil.console.dialogs.arm import ARMED, LEFT, ArmDialog, verdict_text
from hil.console.dialogs.dialog import Dialog
from hil.view import slots as sl
from hil.view.model import StationModel
from hil.view.reading import text_of
from hil.view.station_view import Outcome, Verdict


class SlotDialog(Dialog[None]):
    """A form, the state of all slots, apply and clear.

    Attributes
    ----------
    TEMPLATE : str
        Of the slots' devices.
    BUSY : str
        Name of the point that says that a slot is in use.
    """

    TEMPLATE: ClassVar[str]
    BUSY: ClassVar[str]
    REFUSALS: ClassVar[Sequence[str]]
    BINDINGS = [("f5", "arm", "Arm"), ("f6", "apply", "Apply"), ("f8", "clear_all", "Clear all")]
    DEFAULT_CSS: ClassVar[str] = """
    SlotDialog Static { height: auto; }
    SlotDialog Horizontal { height: auto; }
    SlotDialog .name { width: 14; }
    SlotDialog .field { width: 1fr; }
    SlotDialog SelectCurrent Static { text-wrap: nowrap; text-overflow: ellipsis; }
    SlotDialog #slot-buttons { margin-top: 1; }
    SlotDialog Button { margin-right: 2; min-width: 10; }
    """

    def __init__(self, title: str) -> None:
        super().__init__(title)
        self._words = Text()
        self._refused: tuple[str, str, Outcome] | None = None
        self._is_busy = False
        self._put: set[str] = set()

    # ---- for the two dialogs

    def form(self) -> ComposeResult:
        """Yield the rows of the form."""
        yield from ()

    def wish(self, model: StationModel, slot: str) -> tuple[str, list[sl.Step]]:
        """Return what is wrong with the form, and the commands that set a slot up."""
        raise NotImplementedError

    # ---- how it works

    def content(self) -> ComposeResult:
        """State, form, slot, buttons, verdict."""
        yield Static(id="slot-state")
        yield from self.form()
        yield from field("Slot", Select(self._slot_options(), id="slot", allow_blank=False, compact=True))
        with Horizontal(id="slot-buttons"):
            yield Button("F5 Arm", id="arm", variant="warning", compact=True)
            yield Button("F6 Apply", id="apply", variant="error", compact=True)
            yield Button("F8 Clear all", id="clear", compact=True)
            yield Button("Close", id="close", compact=True)
        yield Static(id="slot-words")

    def _slots(self) -> tuple[str, ...]:
        model = self.view.model
        return () if model is None else model.of_template(self.TEMPLATE)

    def _slot_options(self) -> list[tuple[str, str]]:
        return [(s, s) for s in self._slots()] or [("none", "")]

    def tags(self, model: StationModel) -> Iterable[str]:
        """The lock, and the slots' states."""
        slots = model.of_template(self.TEMPLATE)
        names = (self.BUSY, "POSSIBLE", "REFUSAL", "LEFT_S")
        return [ARMED, LEFT, *(t for s in slots for t in model.tags_of(s, *names))]

    def refresh_values(self) -> None:
        """Show lock, slots and the last verdict; why a slot does not fit comes with its points."""
        if self._refused is not None:
            slot, what, outcome = self._refused
            self._words = verdict_text(self._explained(slot, outcome), self, what)
        self.query_one("#slot-state", Static).update(self._state())
        self.query_one("#slot-words", Static).update(self._words)

    def _state(self) -> Text:
        view = self.view
        if not self._slots():
            return Text("This station has no such slots.", self.palette.warn)
        text = Text()
        if view.reading(ARMED).is_on:
            left_s = view.number(LEFT)
            text.append(f" ARMED {left_s or 0:.0f} s ", f"bold reverse {self.palette.warn}")
        else:
            text.append("Not armed: applying will be refused. Arm last, it lasts 30 s.", self.palette.warn)
        used = self._used()
        text.append(f"\nin use: {', '.join(used) if used else 'none'}\n", "bold" if used else "")
        return text

    def _used(self) -> list[str]:
        return [s for s in self._slots() if self.view.reading(f"{s}.{self.BUSY}").is_on]

    def _perhaps_used(self) -> list[str]:
        """Return the slots in use, those whose state is not known, and those applied here just now."""
        reading = self.view.reading
        unknown = {s for s in self._slots() if not reading(f"{s}.{self.BUSY}").is_usable}
        used = {*self._used(), *unknown, *self._put}
        return [s for s in self._slots() if s in used]

    # ---- actions

    @on(Button.Pressed, "#arm")
    def action_arm(self) -> None:
        """Open the safety lock."""
        self.app.push_screen(ArmDialog())

    @on(Button.Pressed, "#close")
    def _close(self) -> None:
        self.action_close()

    @on(Button.Pressed, "#apply")
    def action_apply(self) -> None:
        """Set the slot up and apply it."""
        model, slot = self.view.model, self.query_one("#slot", Select).value
        if model is None or not isinstance(slot, str) or not slot or self._is_busy:
            return
        problem, steps = self.wish(model, slot)
        if problem:
            self._say(Text(problem, self.palette.warn))
            return
        self._is_busy = True
        self.run_worker(self._apply(slot, steps), exclusive=True, group="slot")

    @on(Button.Pressed, "#clear")
    def action_clear_all(self) -> None:
        """Clear every slot that is in use, or may be."""
        if not self._is_busy:
            self._is_busy = True
            self.run_worker(self._clear(self._perhaps_used()), exclusive=True, group="slot")

    async def _apply(self, slot: str, steps: Sequence[sl.Step]) -> None:
        self._say(Text("sent, waiting for the verdict", "dim"))
        try:
            for step in [*steps, sl.Step(f"{slot}.APPLY")]:
                outcome = await self.view.command(step.tag, step.value)
                if not outcome.is_done:
                    break
            else:
                self._put.add(slot)
        finally:
            self._is_busy = False
        self._say(verdict_text(outcome, self, step.tag))
        if outcome.verdict is Verdict.REFUSED and step.value is None:
            self._refused = (slot, step.tag, outcome)

    def _explained(self, slot: str, outcome: Outcome) -> Outcome:
        """Say what does not fit where the station refuses what was set up."""
        number = self.view.number(f"{slot}.REFUSAL")
        if not number or number >= len(self.REFUSALS):
            return outcome
        return Outcome(outcome.verdict, f"{outcome.text}. What does not fit: {self.REFUSALS[int(number)]}")

    async def _clear(self, used: Sequence[str]) -> None:
        try:
            outcome = Outcome(Verdict.DONE, "nothing is applied")
            for slot in used:
                outcome = await self.view.command(f"{slot}.CLEAR")
                if not outcome.is_done:
                    break
                self._put.discard(slot)
        finally:
            self._is_busy = False
        self._say(verdict_text(outcome, self, f"clear {', '.join(used)}" if used else "clear"))

    def _say(self, words: Text) -> None:
        self._words, self._refused = words, None
        self.query_one("#slot-words", Static).update(words)

    def shown(self, tag: str) -> str:
        """Return a value as text."""
        model = self.view.model
        return text_of(model.points.get(tag) if model else None, self.view.reading(tag), has_unit=True)


def field(name: str, widget: Input | Select[str] | Select[int]) -> ComposeResult:
    """Yield one row of a form."""
    widget.add_class("field")
    with Horizontal():
        yield Static(name, classes="name")
        yield widget


def number_in(dialog: SlotDialog, name: str) -> float | None:
    """Return the number in a field, None where it is empty; ValueError where it is none."""
    text = dialog.query_one(f"#{name}", Input).value.strip()
    return float(text.replace(",", ".")) if text else None
