"""The book of alarms on disk, so that it outlives the gateway and the run."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from hil.state_file import StateFile
from protocols.alarm_book import AlarmBook

FILE = "alarms.json.gz"
KEY = {"what": "alarms", "format": 1}
SAVE_S = 1.0
"""How long after a change it is on disk, at the latest [s]."""


class AlarmFile:
    """Keeps a book in a file.

    Parameters
    ----------
    folder : Path
        The station's state directory.
    say : callable
        Takes what is wrong with the file; a damaged one is begun anew.
    """

    def __init__(self, folder: Path, book: AlarmBook, say: Callable[[str], None]) -> None:
        self._file, self._book, self._say = StateFile(folder / FILE, KEY), book, say
        self._restore()
        self._saved = book.number

    def _restore(self) -> None:
        state = self._file.read(self._say)
        if state is None:
            return
        try:
            self._book.restore(state)
        except (ValueError, TypeError, KeyError, AttributeError):
            self._say(f"{self._file.path}: damaged, not taken: alarms begin anew")

    async def keep(self) -> None:
        """Write what changes, for ever; never in the event loop's own thread."""
        while True:
            await asyncio.sleep(SAVE_S)
            await self.save()

    async def save(self) -> None:
        """Write the book if it changed."""
        if self._book.number == self._saved:
            return
        self._saved = self._book.number
        await asyncio.to_thread(self._file.write, self._book.state(), self._say)
