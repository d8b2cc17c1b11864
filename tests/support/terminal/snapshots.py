"""Every command's help and common answers, as a person sees them, in one file:

    python -m tests.support.terminal.snapshots      (make snapshots)

docs/at-the-prompt.txt has them at 80 and at 120 columns, plain and with colours as {green|text}.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import shlex
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from unittest import mock

import click

from producer.cli.main import hangtag
from producer.present.style import colour_wanted
from tests.support.terminal.answers import ANSWERS_SHOWN
from tests.support.terminal.screen import Look, Screen

FILE = Path(__file__).parents[3] / "docs/at-the-prompt.txt"
WIDTHS = (80, 120)
_HEAD = """\
What Hangtag says at the prompt: every command's help, then common answers with fixed figures.
Colours are written as {green|text}. `make snapshots` renews this file; a test compares it.
"""


class Terminal(io.StringIO):
    """A stream that counts as a terminal."""

    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


def snapshots() -> str:
    """The content of the file."""
    parts = [_HEAD]
    for path in _commands(hangtag, ("hangtag",)):
        parts.append(_block(f"{' '.join(path)} --help", partial(_help, path)))
    for answer in ANSWERS_SHOWN:
        with mock.patch("sys.argv", shlex.split(answer.command)):
            parts.append(_block(answer.command, answer.show))
    return "\n".join(parts)


def seen(show: Callable[[], None], width: int, environ: Mapping[str, str]) -> Screen:
    """The screen after `show` has written to a terminal of this width."""
    stream, screen = Terminal(), Screen(width)
    variables = {"TZ": "UTC", "COLUMNS": str(width), "TERM": "xterm", **environ}
    with (
        mock.patch.dict(os.environ, variables),
        contextlib.redirect_stdout(stream),
        contextlib.redirect_stderr(stream),
        contextlib.suppress(SystemExit, click.exceptions.Exit),
        click.Context(hangtag) as context,
    ):
        context.color = colour_wanted(os.environ)
        try:
            show()
        except click.ClickException as error:
            error.show()
    screen.write(stream.getvalue().replace("\n", "\r\n"))
    return screen


def _block(command: str, show: Callable[[], None]) -> str:
    """A command and what it displays; equal displays once."""
    narrow, wide = (seen(show, width, {}) for width in WIDTHS)
    assert seen(show, WIDTHS[0], {"NO_COLOR": "1"}).text() == narrow.text(), command
    lines = [f"{'=' * WIDTHS[0]}\n$ {command}\n", narrow.text()]
    if wide.text() != narrow.text():
        lines += [f"-- {WIDTHS[1]} columns:", wide.text()]
    if (coloured := marked(narrow)) != narrow.text():
        lines += ["-- colours:", coloured]
    return "\n".join(lines)


def _help(path: tuple[str, ...]) -> None:
    hangtag.main([*path[1:], "--help"], standalone_mode=False, prog_name="hangtag")


def _commands(group: click.Command, path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """The names of every command, from the outermost group."""
    yield path
    if isinstance(group, click.Group):
        for name in group.list_commands(click.Context(group)):
            found = group.get_command(click.Context(group), name)
            assert found is not None
            yield from _commands(found, (*path, name))


def marked(screen: Screen) -> str:
    """The lines of a screen with their looks: {green|text}."""
    lines = []
    for line in screen.lines:
        text, look = "", Look()
        for cell in line:
            if cell.look != look:
                text += ("}" if look != Look() else "") + _opening(cell.look)
                look = cell.look
            text += cell.text
        text = text.rstrip() + ("}" if look != Look() else "")
        lines.append(re.sub(r"\{[a-z ]+\|\}", "", text).rstrip())
    return "\n".join(lines).rstrip() + "\n"


def _opening(look: Look) -> str:
    names = [look.colour, "bold" if look.bold else "", "dim" if look.dim else ""]
    return "{" + " ".join(filter(None, names)) + "|" if look != Look() else ""


if __name__ == "__main__":
    FILE.write_text(snapshots(), encoding="utf-8")
