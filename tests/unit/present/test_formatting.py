"""Foreign text is displayed in one line, and a path in it stays the path."""

from __future__ import annotations

import os

import pytest

from producer.present.formatting import one_line


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("/my  photos/a.csv exists", "/my  photos/a.csv exists"),
        ("first\n    second\r\n\nthird\n", "first second third"),
        ("a\tb", "a b"),
        ("Größe\x1b[31m", "Größe\\x1b[31m"),
        ("10\u202fAM", "10 AM"),
        (os.fsdecode(b"caf\xe9"), "caf\\xe9"),
        ("\ud800", "\\ud800"),
        ("", ""),
    ],
)
def test_only_line_ends_and_control_characters_are_replaced(text: str, line: str) -> None:
    assert one_line(text) == line
