"""What is known of the thing selected on the map: what it is, where, and its points as they are now."""

from __future__ import annotations

from collections.abc import Iterator

from rich.text import Text
from textual.widgets import Static

from hil.console.looks import Palette, style_of
from hil.console.widgets.map_facts import position_words
from hil.console.widgets.map_paint import Scene
from hil.console.widgets.map_things import Thing
from hil.view.code_words import table, words_of
from hil.view.devices import state_points
from hil.view.energised import State, Topology, phases_of
from hil.view.model import PointInfo, StationModel
from hil.view.reading import text_of
from hil.view.station_view import StationView

RELAY = ("IN_SERVICE", "PICKUP", "TRIP", "TARGETS", "LOCKED_OUT")
RECLOSER = ("SHOT", "CYCLE", "LOCKOUT")
CELL = 25
"""Columns of a point: its name, its value and unit."""
NAME = 13
BROAD = 60
"""Columns from which the head is two lines."""


def panel_points(model: StationModel, device: str) -> tuple[PointInfo, ...]:
    """Return the points that the panel shows of a device: its own, then those of its relay."""
    if not device:
        return ()
    relay = next((r for r in model.relays if r.breaker == device), None)
    more = () if relay is None else (
        *model.tags_of(relay.device, *RELAY), *model.tags_of(relay.recloser, *RECLOSER)
    )  # fmt: skip
    return (*state_points(model, device), *(model.points[t] for t in more))


class DevicePanel(Static):
    """The panel; as many columns of points as it is wide."""

    DEFAULT_CSS = "DevicePanel { text-wrap: nowrap; text-overflow: ellipsis; }"

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._shown = Text()
        self._wanted: tuple[StationView, Topology, Thing | None, Scene, Palette] | None = None

    def show(
        self, view: StationView, topology: Topology, thing: Thing | None, scene: Scene, palette: Palette
    ) -> None:
        """Draw it, if it changed."""
        self._wanted = (view, topology, thing, scene, palette)
        self._redraw()

    def on_resize(self) -> None:
        """Draw it in as many columns as there is room for."""
        self._redraw()

    def _redraw(self) -> None:
        if self._wanted is None:
            return
        view, topology, thing, scene, palette = self._wanted
        lines = [Text("nothing selected: n, p or the mouse", "dim")]
        if thing is not None and view.model is not None:
            head = _head(topology, thing, scene, palette)
            if not view.link.is_live:
                head = [Text(f"{line.plain}?", "dim italic") for line in head]
            if self.content_size.width >= BROAD:
                head = [head[0], Text("   ").join(head[1:])]
            lines = [*head, *self._points(view, thing, palette)]
        text = Text("\n", no_wrap=True, overflow="ellipsis").join(lines)
        if text != self._shown or text.markup != self._shown.markup:
            self._shown = text
            self.update(text)

    def _points(self, view: StationView, thing: Thing, palette: Palette) -> Iterator[Text]:
        model = view.model
        assert model is not None
        points = panel_points(model, thing.device)
        if not points:
            yield Text("no points of its own", "dim")
            return
        width = max(self.content_size.width, CELL)
        columns = max(1, width // CELL)
        rows = -(-len(points) // columns)
        cell = width // columns
        for row in range(rows):
            line = Text(no_wrap=True, overflow="crop")
            for point in points[row::rows]:
                line.append_text(_cell(view, point, thing.device, palette, cell))
            yield line


def _head(topology: Topology, thing: Thing, scene: Scene, palette: Palette) -> list[Text]:
    """Return what it is and its position, where it is, and the state of its bus."""
    switch = scene.switches.get(thing.branch)
    title = Text.assemble((thing.key, "bold"), f" {thing.kind}")
    if switch is not None:
        title.append(f", {position_words(thing.kind, switch)}", palette.warn if switch.is_tagged else "bold")
        if switch.is_tagged:
            title.append(", TAGGED", f"bold {palette.warn}")
    if thing.key in scene.off:
        title.append(", off", palette.warn)
    bus = topology.model.buses[thing.bus]
    state = scene.picture.state(thing.bus)
    words = state.value
    if state is State.PARTLY:
        words = f"live in {phases_of(scene.picture.sure[thing.bus])}"
    style = {State.LIVE: palette.live, State.DEAD: f"bold {palette.bad}"}.get(state, palette.warn)
    where = f"{bus.kv * 3**0.5:.3g} kV {bus.phases}, {bus.feeder or 'substation'} {bus.name}"
    return [title, Text(where), Text.assemble((words, style), f" at {bus.km:.2f} km")]


def _cell(view: StationView, point: PointInfo, device: str, palette: Palette, width: int) -> Text:
    reading = view.reading(point.tag)
    name = point.name if point.device == device else f"{_short_relay(point.device)} {point.name}"
    is_code = point.states is None and reading.number in table(point.description)
    shown = words_of(point, reading) if is_code else text_of(point, reading, has_unit=True)
    left = max(NAME, width - len(shown) - 2)
    return Text.assemble((f"{name[:left]:<{left}} ", "dim"), (shown, style_of(reading, palette)), "  ")[
        :width
    ]


def _short_relay(device: str) -> str:
    return "79" if device.endswith("_79") else "relay"
