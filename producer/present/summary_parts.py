"""The parts of every summary: bars of labels, figures with their meaning, and the next commands.

All functions return lines with colour codes, which click removes where they are not wanted.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from producer.present.formatting import one_line
from producer.present.style import dim, doubtful, good, name, shortened, width

#: Labels with a bar; of more, only the most frequent ones.
LABELS_SHOWN = 12
#: The widest label.
LABEL_CELLS = 24
BAR_WIDTH = 24
_INDENT = _GAP = "  "


class LabelBar(NamedTuple):
    """One label: how many images have it, and how many of these are doubtful."""

    label: str
    images: int
    doubtful: int = 0


class Figure(NamedTuple):
    """A number, what it counts, and what to know about it."""

    number: str
    noun: str
    detail: str = ""
    style: Callable[[str], str] = str


def label_bars(labels: Sequence[LabelBar]) -> list[str]:
    """A line for each label, the most frequent first; the bars are relative to the longest."""
    nonempty = [bar for bar in labels if bar.images]
    ordered = sorted(nonempty, key=lambda bar: (-bar.images, bar.label))
    shown, rest = ordered[:LABELS_SHOWN], ordered[LABELS_SHOWN:]
    if len(rest) == 1:
        shown, rest = ordered, []
    names = [shortened(one_line(bar.label), LABEL_CELLS) for bar in shown]
    cells = max(map(width, names), default=0)
    digits = max((len(f"{bar.images:,}") for bar in shown), default=0)
    longest = max((bar.images for bar in shown), default=1)
    lines = [
        f"{_INDENT}{name(text)}{' ' * (cells - width(text))}  {bar.images:>{digits},}  "
        + parted_bar((bar.images - bar.doubtful) / longest, bar.images / longest)
        for bar, text in zip(shown, names, strict=True)
    ]
    if rest:
        images = sum(bar.images for bar in rest)
        lines.append(dim(f"{_INDENT}and {images:,} images of {len(rest):,} other labels"))
    return lines


def parted_bar(sure: float, all_: float) -> str:
    """A bar of two shares from 0 to 1: the sure part green, the rest up to `all_` yellow and light.

    A part that is not empty has at least one character.
    """
    length = max(round(all_ * BAR_WIDTH), 1) if all_ else 0
    solid = round(sure * BAR_WIDTH)
    if sure:
        solid = max(solid, 1)
    if sure < all_:
        solid = min(solid, length - 1) if length > 1 else solid
    solid = min(solid, length)
    rest = "░" * (length - solid)
    return (good("█" * solid) if solid else "") + (doubtful(rest) if rest else "")


def figures(shown: Sequence[Figure], room: int | None = None) -> list[str]:
    """A line for each figure, of `room` columns at most; the numbers are aligned at their ends."""
    digits = max((len(figure.number) for figure in shown), default=0)
    cells = max((len(figure.noun) for figure in shown if figure.detail), default=0)
    before = len(_INDENT) + digits + 1 + cells + len(_GAP)
    lines = []
    for figure in shown:
        text = f"{figure.number:>{digits}} {figure.noun}"
        detail = figure.detail if room is None else shortened(figure.detail, room - before)
        gap = " " * (cells - len(figure.noun)) + _GAP
        lines.append(f"{_INDENT}{figure.style(text)}{gap + dim(detail) if detail else ''}")
    return lines


def next_commands(commands: Sequence[tuple[str, str]]) -> list[str]:
    """What to do next: an aim and the command for it, one line each."""
    cells = max((len(aim) for aim, _ in commands), default=0) + 1
    return [f"{dim(f'{aim}:'.ljust(cells))}  {command}" for aim, command in commands]


def paragraphs(*parts: Sequence[str]) -> list[str]:
    """The lines of all parts, with an empty line between two parts that are not empty."""
    lines: list[str] = []
    for part in parts:
        if part:
            lines += ["", *part] if lines else list(part)
    return lines
