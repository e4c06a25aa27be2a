"""The table that screens write into, in an app of its own."""

from __future__ import annotations

from rich.text import Text
from textual.app import App, ComposeResult

from hil.console.widgets.device_table import LEFT, RIGHT, DeviceTable

COLUMNS = (("device", 8, LEFT), ("P [kW]", 8, RIGHT))


class TableApp(App[None]):
    """One table."""

    def compose(self) -> ComposeResult:
        table = DeviceTable(COLUMNS, id="table")
        table.styles.max_height = 5
        yield table


def rows(count: int) -> list[tuple[str, str]]:
    return [(f"D{k}", f"D{k}") for k in range(count)]


async def test_the_cursor_stays_on_its_device_when_the_table_is_filled_anew() -> None:
    app = TableApp()
    async with app.run_test() as pilot:
        table = app.query_one(DeviceTable)
        table.fill(rows(9))
        table.move_cursor(row=4)
        table.fill(rows(9)[2:])
        await pilot.pause()
        assert table.selected == "D4"
        table.fill(rows(2))
        assert table.selected == "D0"
        table.fill([])
        assert table.selected is None


async def test_a_cell_is_drawn_again_only_when_it_changed() -> None:
    app = TableApp()
    async with app.run_test() as pilot:
        table = app.query_one(DeviceTable)
        table.fill(rows(1))
        drawn = []
        update = table.update_cell
        table.update_cell = lambda *a, **k: drawn.append(a) or update(*a, **k)  # type: ignore
        for text in (Text("1.0"), Text("1.0"), Text("1.0", "bold"), Text("2.0", "bold")):
            table.write("D0", 1, text)
        await pilot.pause()
        assert len(drawn) == 3


async def test_it_tells_which_rows_its_window_shows() -> None:
    app = TableApp()
    async with app.run_test() as pilot:
        table = app.query_one(DeviceTable)
        table.fill(rows(40))
        await pilot.pause()
        assert table.rows_in_view()[0] == "D0"
        assert len(table.rows_in_view()) < 10
        table.move_cursor(row=30)
        await pilot.pause(0.5)
        assert "D30" in table.rows_in_view()
        assert "D0" not in table.rows_in_view()
