"""A bar that fills and a scale with a mark, as text: Unicode in eighths of a character, or ASCII."""

from __future__ import annotations

import math

EIGHTHS = " ▏▎▍▌▋▊▉█"
TRACK, ASCII_FULL, ASCII_TRACK = "·", "#", "."


def bar(share: float | None, width: int, *, is_ascii: bool = False) -> str:
    """Return a bar as wide as told, filled to a share.

    Parameters
    ----------
    share : float or None
        0 empty, 1 full; beyond it is shown as full. None: nothing is known.
    """
    if share is None or not math.isfinite(share):
        return "?" * width
    share = min(max(share, 0.0), 1.0)
    if is_ascii:
        full = round(share * width)
        if share > 0.0:
            full = max(full, 1)  # what has begun is seen
        return ASCII_FULL * full + ASCII_TRACK * (width - full)
    eighths = round(share * width * 8)
    if share > 0.0:
        eighths = max(eighths, 1)
    full, rest = divmod(eighths, 8)
    drawn = EIGHTHS[8] * full + (EIGHTHS[rest] if rest else "")
    return drawn + TRACK * (width - len(drawn))


def scale(position: float | None, low: float, high: float, width: int, *, is_ascii: bool = False) -> str:
    """Return a scale from ``low`` to ``high`` with a mark at a position and a notch at zero.

    A position outside stands at its end; None draws the empty scale.
    """
    line, left, right, notch, mark = ("-", "|", "|", "+", "O") if is_ascii else ("─", "├", "┤", "┼", "●")
    cells = [line] * width
    cells[0], cells[-1] = left, right

    def cell(at: float) -> int:
        share = (min(max(at, low), high) - low) / (high - low)
        return round(share * (width - 1))

    if low < 0.0 < high:
        cells[cell(0.0)] = notch
    if position is not None and math.isfinite(position):
        cells[cell(position)] = mark
    return "".join(cells)
