"""Figures are short and true; foreign text is displayed in one line."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producer.present.formatting import one_line, percent


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


@pytest.mark.parametrize(
    ("value", "digits", "text"),
    [
        (None, 1, "-"),
        (0.0, 1, "0.0%"),
        (1.0, 0, "100%"),
        (0.975, 1, "97.5%"),
        (0.99996, 1, "> 99.9%"),
        (0.996, 0, "> 99%"),
        (0.0004, 1, "< 0.1%"),
    ],
)
def test_a_share_is_displayed_as_all_or_none_only_if_it_is(
    value: float | None, digits: int, text: str
) -> None:
    assert percent(value, digits) == text


@given(st.floats(0, 1), st.integers(0, 3))
def test_what_a_share_says_is_true(value: float, digits: int) -> None:
    text = percent(value, digits)
    number = float(text.lstrip("<> ").rstrip("%")) / 100
    if text[0] == ">":
        assert number < value < 1
    elif text[0] == "<":
        assert 0 < value < number
    else:
        assert abs(value - number) <= 0.51 * 10.0 ** -(digits + 2)
        assert (value in (0, 1)) == (number in (0, 1))
