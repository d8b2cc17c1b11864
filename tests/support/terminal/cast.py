"""A recorded terminal session in asciinema's format, version 2, and as text.

A line of JSON for the header, then one for each piece of output: [seconds, "o", text].
https://docs.asciinema.org/manual/asciicast/v2/
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from tests.support.terminal.screen import Screen

#: Longer pauses are shortened to this: a player does not wait for an installation.
PAUSE_MAX_S = 1.5


class Cast(NamedTuple):
    """A session: the size of its terminal, and what was written, with times in seconds."""

    columns: int
    rows: int
    title: str
    output: Sequence[tuple[float, str]]


def encode(cast: Cast) -> str:
    """The file of a session."""
    header = {"version": 2, "width": cast.columns, "height": cast.rows, "title": cast.title}
    events = [[round(at_s, 3), "o", text] for at_s, text in cast.output]
    return "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in [header, *events])


def decode(text: str) -> Cast:
    """The session in a file. Raises ValueError if it has another form."""
    header, *events = map(json.loads, text.splitlines())
    if header["version"] != 2 or any(kind != "o" for _, kind, _ in events):
        raise ValueError("not a session of version 2 with output only")
    output = [(at_s, text) for at_s, _, text in events]
    return Cast(header["width"], header["height"], header["title"], output)


def hastened(output: Sequence[tuple[float, str]]) -> Iterator[tuple[float, str]]:
    """The same output with shorter pauses."""
    before_s = now_s = 0.0
    for at_s, text in output:
        now_s += min(at_s - before_s, PAUSE_MAX_S)
        before_s = at_s
        yield now_s, text


def played(cast: Cast) -> Screen:
    """The screen at the end, with all lines that have been scrolled away."""
    screen = Screen(cast.columns)
    for _, text in cast.output:
        screen.write(text)
    return screen
