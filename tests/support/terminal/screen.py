"""The screen of a terminal: what a person sees after a program has written to it.

It knows what Hangtag writes: text, colours, and codes that move the cursor up or clear. Any other
code is an error.
"""

from __future__ import annotations

import re
import unicodedata

_CODE = re.compile(r"\x1b\[([?0-9;]*)([A-Za-z])")


class Screen:
    """Grows downwards: lines that a terminal would scroll away stay."""

    def __init__(self, columns: int) -> None:
        self.columns = columns
        self.lines: list[list[str]] = [[]]  #: characters; a wide one is followed by an empty one
        self._row = self._column = 0
        self._pending = ""  #: the start of a code whose end has not arrived

    def write(self, text: str) -> None:
        """Write as a program does. Raises ValueError for a code that is not known."""
        text, at = self._pending + text, 0
        self._pending = ""
        while at < len(text):
            character = text[at]
            if character == "\x1b":
                match = _CODE.match(text, at)
                if match is None:
                    if len(text) - at < 12:
                        self._pending = text[at:]
                        return
                    raise ValueError(f"unknown code {text[at : at + 12]!r}")
                self._code(*match.groups())
                at = match.end()
                continue
            self._character(character)
            at += 1

    def text(self) -> str:
        """The lines as plain text, without spaces at their ends."""
        lines = ["".join(line).rstrip() for line in self.lines]
        return "\n".join(lines).rstrip() + "\n"

    def _character(self, character: str) -> None:
        if character == "\r":
            self._column = 0
        elif character == "\n":
            self._down()
        elif ord(character) < 32:
            raise ValueError(f"unknown control {character!r}")
        else:
            self._put(character)

    def _put(self, character: str) -> None:
        wide = unicodedata.east_asian_width(character) in "WF"
        if self._column + 1 + wide > self.columns:  # a terminal wraps
            self._column = 0
            self._down()
        line = self.lines[self._row]
        while len(line) < self._column + 1 + wide:
            line.append(" ")
        line[self._column] = character
        if wide:
            line[self._column + 1] = ""
        self._column += 1 + wide

    def _down(self) -> None:
        self._row += 1
        while len(self.lines) <= self._row:
            self.lines.append([])

    def _code(self, numbers: str, kind: str) -> None:
        if kind == "A" and not numbers:
            self._row = max(0, self._row - 1)
        elif kind == "J" and not numbers:
            del self.lines[self._row][self._column :]
            del self.lines[self._row + 1 :]
        elif kind != "m":  # a colour
            raise ValueError(f"unknown code ESC [ {numbers} {kind}")
