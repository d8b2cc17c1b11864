"""The examples at the end of a command's help."""

from __future__ import annotations

_GAP = 3


def examples(*lines: tuple[str, str]) -> str:
    """An epilog for click: each command as it is typed, with what it is for."""
    width = max((len(command) for command, purpose in lines if purpose), default=0) + _GAP
    rows = (f"  {command:<{width}}{purpose}".rstrip() for command, purpose in lines)
    return "\n".join(("\b", "Examples:", *rows))
