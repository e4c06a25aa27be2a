"""The feeder map."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Container, VerticalScroll
from textual.widgets import Input, Static

from hil.console.page import VALUES_S, Page
from hil.console.widgets import map_facts
from hil.console.widgets.device_panel import DevicePanel, panel_points
from hil.console.widgets.feeder_map import FeederMap
from hil.console.widgets.map_paint import Painter, Scene
from hil.view import switching, voltages
from hil.view.energised import Topology
from hil.view.model import ANALOG, Bus, StationModel

OFF_WHEN = {
    "capacitor": ("ST", 0.0),
    "generator": ("RUNNING", 0.0),
    "battery": ("ENABLE", 0.0),
    "pv": ("TRIPPED", 1.0),
    "harmonic": ("ON", 0.0),
}
"""Kind of a thing -> the point that says that it is off, and the value that does."""


class OneLinePage(Page):
    """The feeder map."""

    KEY: ClassVar[str] = "2"
    TITLE_TEXT: ClassVar[str] = "One-line"
    HELP: ClassVar[str] = """
The network as a map: what is live, what is dead, where a fault is, and every device that can be operated.

| line | section |
| --- | --- |
| solid | live |
| dashed | live in some phases only, or unknown (with `?`) |
| dotted | dead |
| `X` | a fault; its section has the colour of alarms |

| symbol (ASCII) | closed | open |
| --- | --- | --- |
| breaker | ■ (#) | □ (o) |
| recloser | ◆ (R) | ◇ (r) |
| switch | ● (S) | ○ (s) |
| fuse | ▮ (F) | ▯ (f) |
| moving, or one pole open | ◪ (%) | |
| capacitor bank | ╪ (C) | ╧ (c) |

Also: ~ source, ◎ (T) transformer, ↕ (V) regulator, ☼ (P) PV, x a PV site that has tripped, B battery,
G machine, H filter or harmonics, • (+) meter, ▾ (,) service. A name with `!`: its relay has a target that
nobody reset.

A section is live when closed devices lead from a source to it: what the map says follows from positions,
not from meters. The selected device's own measurements stand beside the map.

| key | |
| --- | --- |
| arrows, drag | move the map |
| `+` `-`, wheel | zoom at the selected device; services, meters and buses appear in time |
| `f` | everything in view |
| `c` | the selected device in the middle |
| `n` `p`, Tab | next and previous device |
| `/` | find a device or bus by a part of its name |
| `v` | colours by voltage: low `▼`, normal, high `▲`; each bus by the nearest meter |
| Enter, `o` | operate the selected device |
| `t` | trend of its first measurement |
"""
    BINDINGS: ClassVar[list[Any]] = [
        Binding("enter,o", "operate", "Operate", key_display="Enter"),
        Binding("n,tab", "step(1)", "Next", key_display="n"),
        Binding("p,shift+tab", "step(-1)", "Previous", show=False),
        Binding("plus,equals_sign", "zoom(1)", "Zoom", key_display="+-"),
        Binding("minus,underscore", "zoom(-1)", "Zoom out", show=False),
        Binding("left", "pan(-1,0)", "Move", show=False),
        Binding("right", "pan(1,0)", "Move", show=False),
        Binding("up", "pan(0,-1)", "Move", show=False),
        Binding("down", "pan(0,1)", "Move", show=False),
        Binding("f", "fit", "Fit"),
        Binding("c", "centre", "Centre", show=False),
        Binding("v", "voltage", "Voltage"),
        Binding("slash", "search", "Find", key_display="/"),
        Binding("t", "trend", "Trend", show=False),
    ]
    AUTO_FOCUS = ""
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (100, "-broad")]
    DEFAULT_CSS: ClassVar[str] = """
    OneLinePage #map-facts { height: 2; padding: 0 1; text-wrap: nowrap; text-overflow: ellipsis; }
    OneLinePage #map-body { height: 1fr; layout: horizontal; }
    OneLinePage #map-side { width: 40; height: 100%; padding: 0 1; border-left: vkey $panel; }
    OneLinePage.-narrow #map-body { layout: vertical; }
    OneLinePage.-narrow #map-side { width: 100%; height: 8; border-left: none; background: $surface; }
    OneLinePage #map-find { display: none; height: 1; border: none; padding: 0 1; }
    OneLinePage #map-find.asked { display: block; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._topology: Topology | None = None
        self._faults = switching.AppliedFaults()
        self._watched: StationModel | None = None
        self._has_voltages = False
        self._shown: tuple[str, ...] = ()
        self._words = Text()

    def content(self) -> ComposeResult:
        """Yield facts, map and panel."""
        yield Static(id="map-facts")
        with Container(id="map-body"):
            yield FeederMap(id="map")
            with VerticalScroll(id="map-side", can_focus=False):
                yield DevicePanel(id="map-device")
        yield Input(placeholder="a part of a device's or bus's name, Enter", id="map-find")

    @property
    def map(self) -> FeederMap:
        """The map."""
        return self.query_one(FeederMap)

    def build(self, model: StationModel) -> None:
        """Show another station's network."""
        self._topology = Topology(model)
        self._watch_faults()
        self.map.take(self._topology)
        if not self.map.selected and self.map.things:
            first = next((t for t in self.map.things if t.kind == "breaker"), self.map.things[0])
            self.map.select(first.key)

    # ---- what is asked for

    def on_mount(self) -> None:
        """Look at faults also while another screen is shown: where they were put is only seen then."""
        self.set_interval(VALUES_S, self._watch_faults)

    def _watch_faults(self) -> None:
        model = self.view.model
        if model is None:
            return
        if model is not self._watched:  # what happened while nothing was connected is not known
            self._watched, self._faults = model, switching.AppliedFaults()
            self.view.show(f"{self.TITLE_TEXT} faults", switching.fault_tags(model))
        self._faults.now(model, self.view.reading)

    def tags(self, model: StationModel) -> Iterable[str]:
        """Return positions, sources and faults; of other things only what is in view."""
        found = [*switching.switch_tags(model), *switching.feeding_tags(model)]
        found += [tag for r in model.relays for tag in model.tags_of(r.device, "TARGETS")]
        in_view = self.map.in_view
        for thing in self.map.things:
            if thing.kind in OFF_WHEN and thing.key in in_view:
                found += model.tags_of(thing.device, OFF_WHEN[thing.kind][0])
        selected = self.map.thing(self.map.selected)
        if selected is not None:
            found += [p.tag for p in panel_points(model, selected.device)]
        if self._has_voltages:
            found += voltages.voltage_tags(model)
        return dict.fromkeys(found)

    def _ask(self) -> None:
        """Subscribe anew where what is shown has changed."""
        model = self.view.model
        if model is None or self._topology is None:
            return
        tags = tuple(self.tags(model))
        if tags != self._shown:
            self._shown = tags
            self.show_tags()

    # ---- drawing

    def refresh_values(self) -> None:
        """Draw what changed."""
        model, topology = self.view.model, self._topology
        if model is None or topology is None or model is not topology.model:
            return
        self._ask()
        read = self.view.reading
        measured = voltages.voltages(model, read) if self._has_voltages else {}
        scene = self._scene(model, topology, measured)
        self.map.draw(scene, Painter(self.palette, self.signs, is_ascii=self.console.is_ascii))
        self._draw_facts(model, topology, scene, measured)
        thing = self.map.thing(self.map.selected)
        self.query_one(DevicePanel).show(self.view, topology, thing, scene, self.palette)

    def _scene(self, model: StationModel, topology: Topology, measured: dict[str, float]) -> Scene:
        read = self.view.reading
        switches = switching.switches(model, read)
        faults = self._faults.now(model, read)
        picture = topology.picture(
            {k: s.conduction for k, s in switches.items()}, switching.feeding(model, read), faults
        )
        bands = None
        if self._has_voltages:
            bands = [voltages.band(model, v) for v in voltages.bus_voltages(topology, measured)]
        targets = (r.breaker for r in model.relays if read(f"{r.device}.TARGETS").number)
        return Scene(
            picture,
            switches,
            faults,
            bands,
            off=frozenset(self._off()),
            targets=frozenset(targets),
            selected=self.map.selected,
            is_stale=not self.view.link.is_live,
        )

    def _off(self) -> Iterable[str]:
        for thing in self.map.things:
            if thing.kind in OFF_WHEN:
                name, value = OFF_WHEN[thing.kind]
                if self.view.reading(f"{thing.device}.{name}").number == value:
                    yield thing.key

    def _draw_facts(
        self, model: StationModel, topology: Topology, scene: Scene, measured: dict[str, float]
    ) -> None:
        first = map_facts.sections(topology, scene, self.palette)
        second = (
            map_facts.voltage_words(model, measured, self.palette)
            if self._has_voltages
            else map_facts.unusual(model, scene, self.palette)
        )
        second = Text.assemble(map_facts.faults(scene, self.palette), second)
        if scene.is_stale:
            first = Text.assemble(("(stale) ", f"bold {self.palette.bad}"), (first.plain, "dim italic"))
            second = Text(second.plain, "dim italic")
        text = Text("\n", no_wrap=True, overflow="ellipsis").join((first, second))
        if text.markup != self._words.markup:
            self._words = text
            self.query_one("#map-facts", Static).update(text)

    def _again(self) -> None:
        """Draw at once what a key has changed."""
        self._ask()
        self.refresh_values()

    # ---- keys

    def action_zoom(self, steps: int) -> None:
        """Zoom in or out."""
        self.map.zoom_by(steps)

    def action_pan(self, right: int, down: int) -> None:
        """Move the map."""
        self.map.pan(right, down)

    def action_fit(self) -> None:
        """Show everything."""
        self.map.fit()

    def action_centre(self) -> None:
        """Move the selected device into the middle."""
        self.map.select(self.map.selected, is_centred=True)

    def action_step(self, by: int) -> None:
        """Select the next or previous device."""
        self.map.step(by)
        self._again()

    def action_voltage(self) -> None:
        """Colour by voltage, or by what is live."""
        self._has_voltages = not self._has_voltages
        self._again()

    def action_operate(self) -> None:
        """Operate the selected device."""
        thing = self.map.thing(self.map.selected)
        if thing is not None and thing.device:
            self.console.action_operate(thing.device)
        else:
            self.notify("select a device first: n, p or the mouse")

    def action_trend(self) -> None:
        """Show the trend of the selected device's first measurement."""
        thing, model = self.map.thing(self.map.selected), self.view.model
        points = panel_points(model, thing.device) if thing is not None and model is not None else ()
        tag = next((p.tag for p in points if p.kind == ANALOG), "")
        if tag:
            self.console.action_trend(tag)
        else:
            self.notify("the selected device measures nothing")

    def action_search(self) -> None:
        """Ask for a part of a name."""
        find = self.query_one("#map-find", Input)
        find.add_class("asked")
        find.value = ""
        find.focus()

    def action_leave_focus(self) -> None:
        """Leave the search."""
        self.query_one("#map-find", Input).remove_class("asked")
        super().action_leave_focus()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Select what was looked for; the next one where it is selected already."""
        event.stop()
        wanted = event.value.strip().lower()
        self.action_leave_focus()
        if not wanted:
            return
        keys = [t.key for t in self.map.things if wanted in t.key.lower()]
        if not keys:
            buses = [k for k, b in enumerate(self._buses()) if wanted in b.name.lower()]
            if buses:
                self.map.go_to(buses[0])
                return
            self.notify(f"nothing on the map is named like {event.value.strip()!r}", severity="warning")
            return
        at = keys.index(self.map.selected) + 1 if self.map.selected in keys else 0
        self.map.select(keys[at % len(keys)], is_centred=self.map.zoom > 1.01)
        self._again()

    def _buses(self) -> tuple[Bus, ...]:
        return self._topology.model.buses if self._topology is not None else ()

    # ---- mouse

    def on_feeder_map_selected(self, event: FeederMap.Selected) -> None:
        """Select what was clicked."""
        self.map.select(event.key)
        self._again()

    def on_feeder_map_moved(self, _: FeederMap.Moved) -> None:
        """Ask for what has come into view."""
        self._ask()
