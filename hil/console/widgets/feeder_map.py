"""The map as a widget: a window that moves, one thing selected, drawn only where it changed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.style import Style
from textual import events
from textual.geometry import Region
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from hil.console.widgets.map_paint import Painter, Scene
from hil.console.widgets.map_sheet import Sheet, Window
from hil.console.widgets.map_things import COLUMNS, Place, Places, Thing, things
from hil.console.widgets.raster import Grid
from hil.view.energised import Topology

ZOOM = 1.4
LARGEST = 200.0
"""Zoom over that with everything in view."""
CLOSE = 1.3
"""How much nearer than needed one goes to read the names of buses."""
PAN = 0.15
"""Share of the window that an arrow key moves it by."""


class FeederMap(Widget):
    """A feeder map.

    Attributes
    ----------
    selected : str
        Key of the selected thing, "" for none.
    """

    DEFAULT_CSS: ClassVar[str] = "FeederMap { width: 1fr; height: 1fr; min-height: 4; }"

    class Selected(Message):
        """Something was selected with the mouse."""

        def __init__(self, key: str) -> None:
            super().__init__()
            self.key = key

    class Moved(Message):
        """Something else is in view."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.selected = ""
        self.things: list[Thing] = []
        self._topology: Topology | None = None
        self._places: Places | None = None
        self._window: Window | None = None
        self._sheet: Sheet | None = None
        self._scene: Scene | None = None
        self._painter: Painter | None = None
        self._strips: list[Strip] = []
        self._ground = Style()
        self._dragged_from: tuple[int, int] | None = None
        self._has_dragged = False
        self._is_whole = True

    # ---- what is shown

    def take(self, topology: Topology) -> None:
        """Show a network: all of it, or what was in view where it is the same one again."""
        before = self._places.bounds() if self._places is not None else None
        self._topology, self._places = topology, Places(topology)
        self.things = things(topology)
        if self.selected not in {t.key for t in self.things}:
            self.selected = ""
        self._scene = self._sheet = None
        if self._is_whole or self._places.bounds() != before:
            self.fit()

    def draw(self, scene: Scene, painter: Painter) -> None:
        """Draw what the network does now."""
        self._scene, self._painter = scene, painter
        self._paint()

    @property
    def in_view(self) -> frozenset[str]:
        """Keys of the things that are in view."""
        sheet = self._laid_out()
        return frozenset(sheet.spots) if sheet is not None else frozenset()

    @property
    def zoom(self) -> float:
        """How large it is drawn, 1 with everything in view."""
        if self._window is None or self._places is None:
            return 1.0
        return self._window.scale / Window.around(self._places, self._grid()).scale

    def thing(self, key: str) -> Thing | None:
        """Return a thing by its key."""
        return next((t for t in self.things if t.key == key), None)

    # ---- moving

    def fit(self) -> None:
        """Show everything."""
        self._is_whole = True
        if self._places is not None:
            self._move(Window.around(self._places, self._grid()))

    def zoom_by(self, steps: int, column: float | None = None, row: float | None = None) -> None:
        """Zoom in or out at a cell, at the selected thing where none is given: it stays where it is."""
        window, places, grid = self._window, self._places, self._grid()
        if window is None or places is None:
            return
        least = Window.around(places, grid).scale
        scale = min(max(window.scale * ZOOM**steps, least), least * LARGEST)
        if scale <= least * 1.001:
            self.fit()
            return
        self._is_whole = False
        if column is None or row is None:
            dot = self._fixed_dot(grid)
        else:
            dot = (column * grid.width / grid.columns, row * grid.height / grid.rows)
        x, y = window.place(dot, grid)
        self._move(
            Window(
                x - (dot[0] - grid.width / 2.0) / scale,
                y + (dot[1] - grid.height / 2.0) / (scale * grid.squeeze),
                scale,
            )
        )

    def _fixed_dot(self, grid: Grid) -> Place:
        """Return the dot that stays where it is: that of the selected thing in view, else the middle."""
        sheet, thing = self._laid_out(), self.thing(self.selected)
        if sheet is not None and thing is not None and thing.key in sheet.spots:
            return sheet.dot_of(thing)
        return grid.width / 2.0, grid.height / 2.0

    def pan_by(self, columns: float, rows: float) -> None:
        """Move the window by cells, right and down."""
        window, grid = self._window, self._grid()
        if window is None or self._places is None:
            return
        self._is_whole = False
        x = window.x + columns * grid.width / grid.columns / window.scale
        y = window.y - rows * grid.height / grid.rows / (window.scale * grid.squeeze)
        left, low, right, high = self._places.bounds()
        self._move(Window(min(max(x, left), right), min(max(y, low), high), window.scale))

    def pan(self, right: int, down: int) -> None:
        """Move the window by a step of a key."""
        self.pan_by(right * max(1.0, PAN * self.size.width), down * max(1.0, PAN * self.size.height))

    def select(self, key: str, *, is_centred: bool = False) -> None:
        """Select a thing; move there if it is out of view or is wanted in the middle."""
        self.selected = key
        self._sheet = None
        thing = self.thing(key)
        if thing is not None and (is_centred or key not in self.in_view):
            self._centre(thing)
        self._paint()

    def go_to(self, bus: int) -> None:
        """Show a bus in the middle, near enough to see its name."""
        places = self._places
        if places is None:
            return
        least = Window.around(places, self._grid()).scale
        near = CLOSE * COLUMNS[0][1] / places.step * self._grid().width / self._grid().columns
        self._is_whole = False
        self._move(Window(*places.full[bus], min(max(near, least), least * LARGEST)))

    def step(self, by: int) -> str:
        """Select the next or previous thing; return its key, "" where there are none."""
        base = [t for t in self.things if t.key in self.in_view or t.level == 0]
        if not base:
            return ""
        keys = [t.key for t in base]
        at = keys.index(self.selected) + by if self.selected in keys else 0 if by > 0 else -1
        self.select(keys[at % len(keys)])
        return self.selected

    def _centre(self, thing: Thing) -> None:
        if self._window is not None and self._places is not None:
            self._is_whole = False
            self._move(Window(*self._places.full[thing.bus], self._window.scale))

    def _move(self, window: Window) -> None:
        self._window = window
        self._sheet = None
        self._paint()
        self.post_message(self.Moved())

    # ---- drawing

    def _grid(self) -> Grid:
        is_ascii = bool(getattr(self.app, "is_ascii", False))
        return Grid(max(self.size.width, 1), max(self.size.height, 1), is_ascii)

    def _laid_out(self) -> Sheet | None:
        if self._sheet is None and self._topology and self._places and self._window:
            self._sheet = Sheet(
                self._topology, self._places, self.things, self._grid(), self._window, self.selected
            )
        return self._sheet

    def _paint(self) -> None:
        """Draw lines that changed."""
        sheet, scene, painter = self._laid_out(), self._scene, self._painter
        if sheet is None or scene is None or painter is None or not self.size.width:
            return
        self._ground = self.rich_style
        found = painter.paint(sheet, self.things, scene, self._ground)
        self._refresh_lines(found)

    def _refresh_lines(self, found: Sequence[Strip]) -> None:
        before, self._strips = self._strips, list(found)
        if len(before) != len(found):
            self.refresh()
            return
        changed = [k for k, strip in enumerate(found) if strip != before[k]]
        if changed:
            self.refresh(*(Region(0, k, self.size.width, 1) for k in changed))

    def render_line(self, y: int) -> Strip:
        """Return one line."""
        if y < len(self._strips):
            return self._strips[y]
        return Strip.blank(self.size.width, self.rich_style)

    def on_resize(self, _: events.Resize) -> None:
        """Keep the window, or everything, in view."""
        self._sheet = None
        if self._is_whole or self._window is None:
            self.fit()
        else:
            self._paint()

    # ---- mouse

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        """Zoom in at the pointer."""
        event.stop()
        self.zoom_by(1, event.x, event.y)

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        """Zoom out at the pointer."""
        event.stop()
        self.zoom_by(-1, event.x, event.y)

    def on_mouse_down(self, event: events.MouseDown) -> None:
        """Begin to drag."""
        self._dragged_from, self._has_dragged = (event.x, event.y), False
        self.capture_mouse()

    def on_mouse_move(self, event: events.MouseMove) -> None:
        """Drag the map."""
        if self._dragged_from is None:
            return
        x, y = self._dragged_from
        if (event.x, event.y) != (x, y):
            self._has_dragged = True
            self._dragged_from = (event.x, event.y)
            self.pan_by(x - event.x, y - event.y)

    def on_mouse_up(self, event: events.MouseUp) -> None:
        """End to drag, or select what is there."""
        self.release_mouse()
        was_dragged, self._has_dragged = self._has_dragged, False
        began, self._dragged_from = self._dragged_from, None
        sheet = self._laid_out()
        if was_dragged or began is None or sheet is None:
            return
        key = sheet.nearest(event.x, event.y)
        if key is not None:
            self.post_message(self.Selected(key))
