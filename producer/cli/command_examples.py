"""The examples at the end of a command's help."""

from __future__ import annotations

_GAP = 3
#: The characters of a line without its indentation; a terminal has 80 columns.
_MOST = 76


def examples(*lines: tuple[str, str]) -> str:
    """An epilog for click: each command as it is typed, and in a column what it is for. A purpose
    for which a line has no room follows below its command."""
    width = _column(lines)
    rows = (row for command, purpose in lines for row in _rows(command, purpose, width))
    return "\n".join(("\b", "Examples:", *(f"  {row}" for row in rows)))


def _column(lines: tuple[tuple[str, str], ...]) -> int:
    """The column of the purposes, as far right as every purpose in it allows."""
    lengths = sorted({len(command) + _GAP for command, purpose in lines if purpose}, reverse=True)
    for width in lengths:
        beside = [purpose for command, purpose in lines if len(command) + _GAP <= width]
        if width + max(map(len, beside)) <= _MOST:
            return width
    return 0


def _rows(command: str, purpose: str, width: int) -> list[str]:
    if purpose and len(command) + _GAP > width:
        return [command, f"    {purpose}"]
    return [f"{command:<{width}}{purpose}".rstrip()]
