"""Text that is drawn again only when it changed, and moves nothing else while it has as many lines."""

from __future__ import annotations

from rich.text import Text
from textual.widgets import Static


class Said(Static):
    """Some lines of text."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._shown: tuple[Text, int] = (Text(), -1)

    def show(self, text: Text) -> None:
        """Draw a text, if it is another one."""
        width = max(self.content_size.width, 1)
        lines = sum(-(-max(line.cell_len, 1) // width) for line in text.split("\n", allow_blank=True))
        before, n_before = self._shown
        # A layout that was asked for while the screen was being changed may have been forgotten.
        is_laid_out = not self.styles.is_auto_height or self.content_size.height == lines
        if text == before and lines == n_before and is_laid_out:
            return
        self._shown = text, lines
        self.update(text, layout=lines != n_before or not is_laid_out)
