"""The screen of the tests shows what a terminal shows."""

from __future__ import annotations

import pytest

from tests.support.terminal.screen import Screen


@pytest.mark.parametrize(
    ("written", "seen"),
    [
        ("one\r\ntwo", "one\ntwo\n"),
        ("old\rnew", "new\n"),
        ("a\r\nb\r\x1b[A\x1b[Jc", "c\n"),
        ("\x1b[1mbold\x1b[0m \x1b[31mred\x1b[0m", "bold red\n"),
        ("x" * 12, "xxxxxxxxxx\nxx\n"),
        ("写" * 6, "写写写写写\n写\n"),
    ],
)
def test_a_screen_shows_what_a_terminal_of_ten_columns_shows(written: str, seen: str) -> None:
    screen = Screen(10)
    for character in written:  # codes arrive in pieces
        screen.write(character)
    assert screen.text() == seen


@pytest.mark.parametrize("code", ["\x1b[5;5r", "\x1b[?25l"])
def test_an_unknown_code_and_one_that_hides_the_cursor_are_refused(code: str) -> None:
    with pytest.raises(ValueError, match="unknown"):
        Screen(80).write(code)
