"""The form of every summary: bars of labels, figures with their meaning, and the next commands.

All functions return lines with colour codes, which click removes where they are not wanted.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from producer.present.bars import parted_bar
from producer.present.formatting import one_line
from producer.present.style import dim, name, shortened, width

#: Labels with a bar; of more, only the most frequent ones.
LABELS_SHOWN = 12
#: The widest label.
LABEL_CELLS = 24
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


def label_bars(
    labels: Sequence[LabelBar], blocks: bool = True, most: int = LABELS_SHOWN
) -> list[str]:
    """A line for each label, the most frequent first; the bars are relative to the longest."""
    found = [one for one in labels if one.images]
    ordered = sorted(found, key=lambda one: (-one.images, one.label))
    shown, rest = ordered[:most], ordered[most:]
    if len(rest) == 1:
        shown, rest = ordered, []
    names = [shortened(one_line(one.label), LABEL_CELLS) for one in shown]
    cells = max(map(width, names), default=0)
    digits = max((len(f"{one.images:,}") for one in shown), default=0)
    longest = max((one.images for one in shown), default=1)
    lines = [
        f"{_INDENT}{name(text)}{' ' * (cells - width(text))}  {one.images:>{digits},}  "
        + parted_bar((one.images - one.doubtful) / longest, one.images / longest, blocks)
        for one, text in zip(shown, names, strict=True)
    ]
    if rest:
        images = sum(one.images for one in rest)
        lines.append(dim(f"{_INDENT}and {images:,} images of {len(rest):,} other labels"))
    return lines


def figures(found: Sequence[Figure], room: int | None = None) -> list[str]:
    """A line for each figure, of `room` columns at most; the numbers are aligned at their ends."""
    digits = max((len(one.number) for one in found), default=0)
    cells = max((len(one.noun) for one in found if one.detail), default=0)
    before = len(_INDENT) + digits + 1 + cells + len(_GAP)
    lines = []
    for one in found:
        text = f"{one.number:>{digits}} {one.noun}"
        detail = one.detail if room is None else shortened(one.detail, room - before)
        gap = " " * (cells - len(one.noun)) + _GAP
        lines.append(f"{_INDENT}{one.style(text)}{gap + dim(detail) if detail else ''}")
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
