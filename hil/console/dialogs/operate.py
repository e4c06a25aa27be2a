"""Operate a device in two steps, as in a control room: select, then execute; then what became of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any, ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal, Vertical
from textual.widgets import Button, Input, OptionList, Static
from textual.widgets.option_list import Option

from hil.console.dialogs.dialog import BOUNCE_S, Dialog, verdict_style
from hil.console.looks import style_of
from hil.view import devices
from hil.view.code_words import table
from hil.view.model import CONTROL, PointInfo, StationModel
from hil.view.reading import number_text, text_of
from hil.view.station_view import Outcome, Verdict

SELECT_S = 15.0
"""A selection that is not executed is given up after so long [s]."""
READ_BACK_S = 5.0
COLUMN_GAP = 3


class OperateDialog(Dialog[None]):
    """State of a device, its commands, the command selected, its verdict."""

    BINDINGS: ClassVar[list[Any]] = [Binding("up,down", "to_list", show=False)]

    DEFAULT_CSS: ClassVar[str] = """
    OperateDialog #state { height: auto; max-height: 8; }
    OperateDialog #ops { height: auto; max-height: 9; border: none; padding: 0; margin-top: 1;
                         text-wrap: nowrap; text-overflow: ellipsis; }
    OperateDialog #select { height: auto; margin-top: 1; display: none; }
    OperateDialog .row { height: auto; }
    OperateDialog Button { margin-right: 2; min-width: 12; }
    OperateDialog #verdict { height: auto; margin-top: 1; }
    OperateDialog #close { margin-top: 1; display: none; }
    """

    def __init__(self, device: str, command: str = "", clock_s: Callable[[], float] = time.monotonic) -> None:
        super().__init__(f"Operate {device}", clock_s)
        self.device, self._first = device, command
        self._point: PointInfo | None = None
        self._offered: tuple[str, StationModel | None] = ("", None)
        self._value: float | None = None
        self._selected_s = 0.0
        self._sent: tuple[PointInfo, float | None, Outcome, float] | None = None
        self._moved: tuple[float | None, float] = (None, 0.0)

    # ---- what there is

    def content(self) -> ComposeResult:
        """State, commands, selection, verdict."""
        yield Static(id="state")
        yield OptionList(id="ops", compact=True)
        with Vertical(id="select"):
            yield Static(id="what")
            yield Input(id="value", compact=True)
            yield Static(id="reasons")
            with Horizontal(classes="row", id="choices"):
                yield Button("", id="state0", compact=True)
                yield Button("", id="state1", compact=True)
            with Horizontal(classes="row", id="buttons"):
                yield Button("Execute", id="execute", variant="warning", compact=True)
                yield Button("Cancel", id="cancel", compact=True)
        yield Static(id="verdict")
        yield Button("Close", id="close", compact=True)

    def tags(self, model: StationModel) -> Iterable[str]:
        """Everything that is to be seen of the device."""
        return devices.needs(model, self.device)

    def on_mount(self) -> None:
        """Offer the commands; select one at once where it was asked for."""
        self._fill_commands()
        for point in self._commands():
            if point.name == self._first:
                self._select(point)

    def _commands(self) -> tuple[PointInfo, ...]:
        model = self.view.model
        return () if model is None else devices.operations(model, self.device)

    def _may(self, point: PointInfo) -> bool:
        return devices.is_allowed(self.view.role, point)

    def _fill_commands(self) -> None:
        options = self.query_one("#ops", OptionList)
        options.clear_options()
        options.add_options(
            Option(self._option(p), id=p.name, disabled=not self._may(p)) for p in self._commands()
        )
        self._offered = (self.view.role, self.view.model)
        if options.option_count:
            options.highlighted = next((k for k, p in enumerate(self._commands()) if self._may(p)), None)
            options.focus()

    def _option(self, point: PointInfo) -> Text:
        text = Text(f"{point.name:<12} ", "bold" if self._may(point) else "dim")
        if not self._may(point):
            text.append(f"needs the role {point.role}", "dim")
            return text
        if point.kind != CONTROL:
            reading = self.view.reading(point.tag)
            text.append(text_of(point, reading, has_unit=True), style_of(reading, self.palette) or "bold")
            text.append("  ")
        text.append(point.description, "not bold")
        return text

    # ---- drawing

    def refresh_values(self) -> None:
        """Draw state, commands, reasons, countdown, readback."""
        model = self.view.model
        self.query_one("#state", Static).update(self._state_text(model))
        if (self.view.role, model) != self._offered:
            self._give_up("")
            self._fill_commands()
        options = self.query_one("#ops", OptionList)
        for point in self._commands():
            if point.kind != CONTROL:
                options.replace_option_prompt(point.name, self._option(point))
        if self._point is not None and not self._is_waiting:
            self._refresh_selection(self._point)
        self._show_verdict()

    def _state_text(self, model: StationModel | None) -> Text:
        points = () if model is None else devices.state_points(model, self.device)
        if not points:
            has_any = model is not None and self.device in model.devices
            words = "It shows no state of its own." if has_any else "The station has no such device any more."
            return Text(words, self.palette.warn)
        cells = [(p, text_of(p, self.view.reading(p.tag), has_unit=True)) for p in points]
        name_width = max(len(p.name) for p, _ in cells)
        width = name_width + 1 + max(len(text) for _, text in cells) + COLUMN_GAP
        n_columns = max(1, (self.query_one("#state").size.width or 60) // width)
        out = Text(no_wrap=True)
        for k, (point, text) in enumerate(cells):
            style = style_of(self.view.reading(point.tag), self.palette) or "bold"
            out.append("" if k == 0 else "\n" if k % n_columns == 0 else "")
            out.append(f"{point.name:<{name_width}} ", "dim")
            out.append(f"{text:<{width - name_width - 1}}", style)
        return out

    def _refresh_selection(self, point: PointInfo) -> None:
        is_ready = point.kind == CONTROL or self._value is not None
        if is_ready and self._left_s() <= 0.0:
            self._give_up("not executed within 15 s: the selection was given up")
            return
        if point.kind != CONTROL and point.states is not None and self._value is None:
            self._propose_other_state(point)
        self.query_one("#what", Static).update(self._what(point))
        self.query_one("#reasons", Static).update(self._reasons(point))
        execute = self.query_one("#execute", Button)
        execute.disabled = not self.view.link.is_live
        execute.label = f"Execute ({max(0.0, self._left_s()):.0f} s)" if is_ready else "Execute"

    def _left_s(self) -> float:
        return SELECT_S - (self.clock_s() - self._selected_s)

    def _what(self, point: PointInfo) -> Text:
        if point.kind == CONTROL:
            return Text(f"Execute?  {point.name} {self.device}", "bold")
        now = text_of(point, self.view.reading(point.tag), has_unit=True)
        if self._value is not None:
            return Text(f"Execute?  {point.tag} := {_shown(point, self._value)}   (now {now})", "bold")
        if point.states is not None:
            return Text(f"{point.tag} is {now}. Which state?", "bold")
        meanings = ", ".join(f"{number} {words}" for number, words in table(point.description).items())
        return Text(f"{point.tag} is {now}. New value, {meanings or devices.range_text(point)}:", "bold")

    def _reasons(self, point: PointInfo) -> Text:
        model = self.view.model
        if not self.view.link.is_live:
            return Text("No live link: nothing can be sent now.", self.palette.bad)
        if model is None:
            return Text()
        if self._value is not None and devices.has_value(point, self.view.reading, self._value):
            already = Text("It has this value already.\n", "bold")
        else:
            already = Text()
        found = devices.hindrances(model, point, self.view.reading)
        if not found and already:
            return already
        if not found:
            return Text("Nothing that the points show stands in the way.", "dim")
        lines = "\n".join(f"{self.signs.alarm} {reason}" for reason in found)
        return Text.assemble(already, (f"{lines}\nThe plant will probably refuse.", self.palette.warn))

    # ---- select

    @on(OptionList.OptionSelected, "#ops")
    def _chosen(self, event: OptionList.OptionSelected) -> None:
        for point in self._commands():
            if point.name == event.option.id:
                self._select(point)

    def _select(self, point: PointInfo) -> None:
        if not self._may(point) or self._is_waiting:
            return
        self._point, self._value, self._sent = point, None, None
        self._selected_s = self.clock_s()
        is_control, has_states = point.kind == CONTROL, point.states is not None
        self.query_one("#ops").display = self.query_one("#close").display = False
        self.query_one("#select").display = True
        field = self.query_one("#value", Input)
        field.display = not is_control and not has_states
        self.query_one("#choices").display = not is_control and has_states
        self.query_one("#buttons").display = is_control
        if point.states is not None:
            for k, state in enumerate(point.states):
                self.query_one(f"#state{k}", Button).label = state
        self._refresh_selection(point)
        self.query_one("#verdict", Static).update("")
        if is_control:
            self.query_one("#execute").focus()
        elif has_states:
            self.set_focus(None)
            self._propose_other_state(point)
        else:
            number = self.view.number(point.tag)
            field.value = "" if number is None else f"{number:g}"
            field.focus()

    def _propose_other_state(self, point: PointInfo) -> None:
        """Go to the state that the device is not in, once that is known and nobody has gone anywhere."""
        number = self.view.number(point.tag)
        if number is not None and self.focused is None:
            self.query_one("#state0" if number else "#state1").focus()

    @on(Input.Changed, "#value")
    def _typed(self, event: Input.Changed) -> None:
        if self._point is not None and self._value is None:
            problem = devices.problem_of_value(self._point, event.value)
            self.query_one("#reasons", Static).update(Text(problem, self.palette.bad))

    @on(Input.Submitted, "#value")
    def _entered(self, event: Input.Submitted) -> None:
        point = self._point
        if point is None:
            return
        problem = devices.problem_of_value(point, event.value)
        if problem or not event.value.strip():
            self._say(f"{event.value or 'nothing'}: {problem or 'a number is wanted'}")
            return
        self._confirm(float(event.value.replace(",", ".")))

    @on(Button.Pressed, "#state0")
    def _choose_0(self) -> None:
        self._choose(0.0)

    @on(Button.Pressed, "#state1")
    def _choose_1(self) -> None:
        self._choose(1.0)

    def _choose(self, value: float) -> None:
        if self._is_meant():
            self._confirm(value)

    def _confirm(self, value: float) -> None:
        self._value, self._selected_s = value, self.clock_s()
        self.query_one("#value").display = self.query_one("#choices").display = False
        self.query_one("#buttons").display = True
        self.query_one("#verdict", Static).update("")
        self.query_one("#execute").focus()
        if self._point is not None:
            self._refresh_selection(self._point)

    def _is_meant(self) -> bool:
        """Tell whether a press may choose or execute: not one that a held key, or haste, has made."""
        is_meant = not self.console.is_bouncing and self.clock_s() - self._selected_s >= BOUNCE_S
        if not is_meant:
            self._say(f"nothing sent: leave the keys alone for {BOUNCE_S:g} s, then press again")
        return is_meant

    @on(Button.Pressed, "#cancel")
    def _cancelled(self) -> None:
        self._give_up("cancelled, nothing was sent")

    def _give_up(self, words: str) -> None:
        """Offer the commands again."""
        self._point = self._value = None
        self.query_one("#select").display = False
        options = self.query_one("#ops", OptionList)
        options.display = True
        self.set_focus(options)
        if words:
            self._say(words)

    def _say(self, words: str) -> None:
        self.query_one("#verdict", Static).update(Text(words, self.palette.warn))

    def action_close(self) -> None:
        """Give up the selection, or leave; wait for a verdict that is due."""
        if self._point is not None and not self._is_waiting:
            self._give_up("cancelled, nothing was sent")
        else:
            super().action_close()

    def say_wait(self) -> None:
        """Say that a verdict is due."""
        self._say("wait: the verdict is due within 5 s")

    @on(Button.Pressed, "#close")
    def _close_wanted(self) -> None:
        if not self.console.is_bouncing:
            self.action_close()

    def action_to_list(self) -> None:
        """Go to the commands, where they are shown."""
        if self._point is None:
            self.query_one("#ops").focus()

    # ---- execute

    @on(Button.Pressed, "#execute")
    def _executed(self) -> None:
        point = self._point
        if point is None or self._is_waiting or not self._is_meant():
            return
        self._is_waiting = True
        self.query_one("#buttons").display = False
        self.query_one("#reasons", Static).update(Text("sent, waiting for the verdict", "dim"))
        self.run_worker(self._send(point, self._value), exclusive=True, group="send")

    async def _send(self, point: PointInfo, value: float | None) -> None:
        wire: Any = value if value is None or point.states is None else bool(value)
        try:
            outcome = await self.view.command(point.tag, wire)
        finally:
            self._is_waiting = False
        self._sent = (point, value, outcome, self.clock_s())
        self._moved = (None, self.clock_s())
        self._give_up("")
        close = self.query_one("#close")  # what is pressed in haste now must not begin the next command
        close.display = True
        self.set_focus(close)
        self._show_verdict()

    def _show_verdict(self) -> None:
        if self._sent is None:
            return
        point, value, outcome, _ = self._sent
        what = point.tag if value is None else f"{point.tag} := {_shown(point, value)}"
        sign = {Verdict.DONE: "DONE", Verdict.REFUSED: "REFUSED", Verdict.UNKNOWN: "UNKNOWN, VERIFY"}
        text = Text.assemble(
            (f" {sign[outcome.verdict]} ", verdict_style(outcome, self.palette)), f"  {what}\n{outcome.text}"
        )
        text.append_text(self._readback())
        self.query_one("#verdict", Static).update(text)

    def _readback(self) -> Text:
        """Return what the device shows now, and whether that is what was wanted."""
        model = self.view.model
        if self._sent is None or model is None:
            return Text()
        point, value, outcome, sent_s = self._sent
        wanted = devices.effect(model, point, value)
        if wanted is None or outcome.verdict is Verdict.REFUSED:
            return Text()
        tag, expected = wanted
        reading = self.view.reading(tag)
        if reading.number != self._moved[0]:
            self._moved = reading.number, self.clock_s()
        shown = text_of(model.points.get(tag), reading, has_unit=True)
        text = Text(f"\nreads back: {tag} {shown}", "bold")
        if not reading.is_usable or reading.number is None:
            text.append("  (not live: do not rely on it)", self.palette.bad)
        elif devices.is_same(expected, reading.number):
            text.append("  as commanded", self.palette.good)
        elif self.clock_s() - max(sent_s, self._moved[1]) > READ_BACK_S:
            text.append("  NOT as commanded: verify at the device", f"bold {self.palette.bad}")
        else:
            text.append("  ...", "dim")
        return text


def _shown(point: PointInfo, value: float) -> str:
    if point.states is not None:
        return point.states[int(value)]
    if words := table(point.description).get(int(value)):
        return f"{value:g}, {words}"
    return f"{number_text(value)} {point.unit}".rstrip()
