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
from hil.view import devices
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
        self._put: set[str] = set()
        self._proposed: tuple[str, tuple[sl.Step, ...]] | None = None

    # ---- for the two dialogs

    def form(self) -> ComposeResult:
        """Yield the rows of the form."""
        yield from ()

    def name_of_wish(self) -> str:
        """Return in words what the form asks for."""
        raise NotImplementedError

    def wish(self, model: StationModel, slot: str) -> tuple[str, list[sl.Step]]:
        """Return what is wrong with the form, and the commands that set a slot up."""
        raise NotImplementedError

    # ---- how it works

    def content(self) -> ComposeResult:
        """State, form, slot, buttons, verdict."""
        yield Static(id="slot-state")
        yield from self.form()
        free = self._first_free()
        slots = Select(self._slot_options(), id="slot", value=free, allow_blank=False, compact=True)
        yield from field("Slot", slots)
        with Horizontal(id="slot-buttons"):
            yield Button("F5 Arm", id="arm", variant="warning", compact=True)
            yield Button("F6 Apply", id="apply", variant="error", compact=True)
            yield Button("F8 Clear all", id="clear", compact=True)
            yield Button("Close", id="close", compact=True)
        yield Static(id="slot-words")

    def _slots(self) -> tuple[str, ...]:
        model = self.view.model
        return () if model is None else model.of_template(self.TEMPLATE)

    def _offer_free_slot(self) -> None:
        """Move on from a slot that turns out to be in use, while nobody has proposed anything."""
        slot = self.query_one("#slot", Select)
        is_idle = self._proposed is None and not self._is_waiting and not slot.has_focus
        if is_idle and slot.value in self._used() and (free := self._first_free()) not in self._used():
            slot.value = free

    def _first_free(self) -> str:
        slots = self._slots()
        return next((s for s in slots if s not in self._used()), slots[0] if slots else "")

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
        self._offer_free_slot()
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
        elif words := self._missing_role():
            text.append(words, self.palette.warn)
        else:
            text.append("Not armed: applying will be refused. Arm last, it lasts 30 s.", self.palette.warn)
        used, unknown = self._used(), self._unknown()
        words = ", ".join(used) if used else "none"
        text.append(f"\nin use: {'not known now' if unknown else words}\n", "bold" if used else "")
        return text

    def _missing_role(self) -> str:
        view, model = self.view, self.view.model
        point = None if model is None else model.points.get(f"{self._slots()[0]}.APPLY")
        if point is None or devices.is_allowed(view.role, point):
            return ""
        return f"Applying needs the role {point.role}; you are {view.user} ({view.role})."

    def _used(self) -> list[str]:
        return [s for s in self._slots() if self.view.reading(f"{s}.{self.BUSY}").is_on]

    def _unknown(self) -> list[str]:
        return [s for s in self._slots() if not self.view.reading(f"{s}.{self.BUSY}").is_usable]

    def _perhaps_used(self) -> list[str]:
        """Return the slots in use, those whose state is not known, and those applied here just now."""
        used = {*self._used(), *self._unknown(), *self._put}
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
        if model is None or not isinstance(slot, str) or not slot or self._is_waiting:
            return
        problem, steps = self.wish(model, slot)
        if any(list_.expanded for list_ in self.query(Select)):
            problem = "a list is open: choose from it, or close it with Escape"
        elif slot in self._unknown():
            problem = f"whether {slot} is in use is not known now"
        elif slot in self._used():
            problem = f"{slot} is in use: clear it first, or choose another slot"
        if problem:
            self._proposed = None
            self._say(Text(problem, self.palette.warn))
            return
        proposal = slot, tuple(steps)
        if proposal != self._proposed:
            self._proposed = proposal
            self._say(Text(f"F6 again applies at {slot}: {self.name_of_wish()}", f"bold {self.palette.warn}"))
            return
        if self.console.is_bouncing:
            return
        self._proposed = None
        self._is_waiting = True
        self.run_worker(self._apply(slot, steps), exclusive=True, group="slot")

    @on(Button.Pressed, "#clear")
    def action_clear_all(self) -> None:
        """Clear every slot that is in use, or may be."""
        if not self._is_waiting:
            self._is_waiting, self._proposed = True, None
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
            self._is_waiting = False
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
        self._say(Text("sent, waiting for the verdict", "dim"))
        try:
            outcome = Outcome(Verdict.DONE, "nothing is applied")
            for slot in used:
                outcome = await self.view.command(f"{slot}.CLEAR")
                if not outcome.is_done:
                    break
                self._put.discard(slot)
        finally:
            self._is_waiting = False
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
