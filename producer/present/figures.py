"""The figures of a moment of work: a line for a log, or lines with a bar for a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from producer.present.style import dim, failed, good, name, width, wrapped

#: Widths of the bar: a share of the line, so that it stays while its figures grow. Where they need
#: more than the rest, it is shorter, down to the least width.
BAR_CELLS, BAR_CELLS_MIN, BAR_SHARE = 30, 8, 5
_GAP = "  "


class Figures(NamedTuple):
    """The figures of a moment, the most important ones first."""

    texts: Sequence[str]
    share: float | None = None  #: what is done, as a bar
    title: str = ""  #: in front of the bar
    below: Sequence[str] = ()  #: in a line of their own

    def plain(self) -> str:
        """One line for a log."""
        return ", ".join([*([self.title] if self.title else []), *self.texts, *self.below])

    def live(self, room: int) -> list[str]:
        """Lines for a terminal of `room` columns."""
        if self.share is None and len(self.texts) == 1:
            lines = wrapped("", self.texts[0], room - 1).split("\n")
        else:
            lines = [bar_line(self.share, self.texts, room, self.title)]
        return [*lines, dim(_GAP + ", ".join(self.below))] if self.below else lines


def bar_line(share: float | None, texts: Sequence[str], room: int, title: str = "") -> str:
    """A title, a bar and the figures in less than `room` columns; figures that do not fit are left
    out, and without a share there is no bar.

    A terminal moves the cursor to the next line when its last column is filled.
    """
    head = [title] if title else []
    shown, least = list(texts), 0 if share is None else BAR_CELLS_MIN
    while len(shown) > 1 and _length([*head, *shown]) + least >= room:
        shown.pop()
    free = room - 1 - _length([*head, *shown])
    cells = max(0, min(BAR_CELLS, max(least, room // BAR_SHARE), free))
    bar = [] if share is None else [_bar(share, cells)]
    coloured = [failed(text) if text.endswith(" failed") else text for text in shown]
    return _GAP.join([*map(name, head), *bar, *coloured])


def _bar(share: float, cells: int) -> str:
    """Always `cells` characters, filled from 0 to 1; the rest is dim."""
    filled = min(cells, int(share * cells))
    return good("━" * filled) + dim("─" * (cells - filled))


def _length(texts: Sequence[str]) -> int:
    return sum(len(_GAP) + width(text) for text in texts)
