"""A recorded session as a picture that moves: an SVG without a script, for a page.

Each frame is the lower part of the terminal at one moment. Equal lines are drawn once, as symbols.
A style sheet shows one frame after the other, and the last one where nothing may move.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from itertools import groupby

from tests.support.terminal.cast import Cast
from tests.support.terminal.screen import Cell, Screen

FONT_PIXELS, CELL_PIXELS, LINE_PIXELS, MARGIN_PIXELS = 14, 8.43, 18, 14
#: The shortest time between two frames, and the time of the last one.
FRAME_S, LAST_S = 0.4, 6.0
_COLOURS = {
    "red": "#ff7b72", "green": "#56d364", "yellow": "#e3b341", "blue": "#79c0ff",
    "magenta": "#d2a8ff", "cyan": "#76e3ea",
}  # fmt: skip
_GROUND, _TEXT = "#0d1117", "#e6edf3"

Line = tuple[Cell, ...]
Frame = tuple[Line, ...]


def render(cast: Cast) -> str:
    """The session as SVG."""
    frames = list(_frames(cast))
    width = round(cast.columns * CELL_PIXELS + 2 * MARGIN_PIXELS)
    height = cast.rows * LINE_PIXELS + 2 * MARGIN_PIXELS
    total_s = frames[-1][0] + LAST_S
    lines = list(dict.fromkeys(line for _, frame in frames for line in frame if line))
    names = {line: f"l{number}" for number, line in enumerate(lines)}
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
            f'width="{width}" height="{height}" role="img">',
            f"<title>{escape(cast.title)}</title>",
            f"<style>{_style(frames, total_s)}</style>",
            f'<rect width="{width}" height="{height}" rx="8" fill="{_GROUND}"/>',
            "<defs>",
            *(f'<g id="{names[line]}">{_text(line)}</g>' for line in lines),
            "</defs>",
            *(_drawn(number, frame, names) for number, (_, frame) in enumerate(frames)),
            "</svg>\n",
        ]
    )


def _frames(cast: Cast) -> Iterator[tuple[float, Frame]]:
    """(seconds, picture) whenever it has changed, not more often than every FRAME_S."""
    screen, shown = Screen(cast.columns), tuple[Line, ...]()
    since_s = float("-inf")
    for number, (at_s, text) in enumerate(cast.output):
        screen.write(text)
        last = number == len(cast.output) - 1
        frame = tuple(map(_trimmed, screen.lines[-cast.rows :]))
        if frame != shown and (last or at_s - since_s >= FRAME_S):
            shown, since_s = frame, at_s
            yield at_s, frame


def _trimmed(line: Sequence[Cell]) -> Line:
    cells = list(line)
    while cells and cells[-1].text in (" ", ""):
        cells.pop()
    return tuple(cells)


def _style(frames: Sequence[tuple[float, Frame]], total_s: float) -> str:
    """Frame n is visible from its time to that of the next one."""
    rules = [
        f"text{{font:{FONT_PIXELS}px ui-monospace,Menlo,Consolas,'DejaVu Sans Mono',monospace;"
        f"fill:{_TEXT};white-space:pre}}.b{{font-weight:bold}}.d{{opacity:.6}}",
        *(f".{name}{{fill:{value}}}" for name, value in _COLOURS.items()),
        "@media (prefers-reduced-motion:no-preference){.f{visibility:hidden}",
    ]
    times = [at_s for at_s, _ in frames] + [total_s]
    for number in range(len(frames)):
        start, end = (100 * times[number + i] / total_s for i in (0, 1))
        rules.append(
            f"@keyframes k{number}{{0%{{visibility:{'visible' if not number else 'hidden'}}}"
            f"{start:.3f}%{{visibility:visible}}{end:.3f}%{{visibility:hidden}}}}"
            f"#f{number}{{animation:k{number} {total_s:.2f}s step-end infinite}}"
        )
    still = "@media (prefers-reduced-motion:reduce){.f:not(:last-of-type){visibility:hidden}}"
    return "".join([*rules, "}", still])


def _drawn(number: int, frame: Frame, names: dict[Line, str]) -> str:
    lines = "".join(
        f'<use href="#{names[line]}" y="{MARGIN_PIXELS + LINE_PIXELS * row}"/>'
        for row, line in enumerate(frame)
        if line
    )
    return f'<g class="f" id="f{number}">{lines}</g>'


def _text(line: Line) -> str:
    """The parts of a line with one look each, at their places."""
    parts, column = [], 0
    for look, group in groupby(line, key=lambda cell: cell.look):
        cells = list(group)
        text = "".join(cell.text for cell in cells)
        if text.strip():
            start = MARGIN_PIXELS + CELL_PIXELS * column
            names = [look.colour, "b" if look.bold else "", "d" if look.dim else ""]
            kinds = " ".join(filter(None, names))
            of_class = f' class="{kinds}"' if kinds else ""
            length = f' textLength="{CELL_PIXELS * len(cells):.1f}" lengthAdjust="spacingAndGlyphs"'
            parts.append(
                f'<text x="{start:.1f}" y="{FONT_PIXELS}"{length}{of_class}>{escape(text)}</text>'
            )
        column += len(cells)
    return "".join(parts)
