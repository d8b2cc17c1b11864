"""Figures are short and true; foreign text is displayed in one line."""

from __future__ import annotations

import ast
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producer.present.formatting import one_line, percent

ROOT = Path(__file__).parents[3]
#: They display limits that were set: all is 100% there, and 99.9% is no measurement.
OF_SETTINGS = {
    "cli/models/training_options.py",
    "pages/histogram.py",
    "report/table_part.py",
    "rows/acceptance.py",
    "summary/job_text.py",
}
#: Probabilities of one image, in a column.
OF_PREDICTIONS = {"predict/plot.py", "predict/prediction_text.py"}


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


def test_measured_shares_are_formatted_in_one_place() -> None:
    elsewhere = {
        str(path.relative_to(ROOT / "producer"))
        for path in (ROOT / "producer").rglob("*.py")
        if path.name != "formatting.py" and any(map(_is_percentage, ast.walk(_tree(path))))
    }
    assert elsewhere == OF_SETTINGS | OF_PREDICTIONS


def _tree(path: Path) -> ast.AST:
    return ast.parse(path.read_bytes())


def _is_percentage(node: ast.AST) -> bool:
    """Whether it is a value in an f-string that is displayed in percent."""
    return (
        isinstance(node, ast.FormattedValue)
        and isinstance(node.format_spec, ast.JoinedStr)
        and ast.unparse(node.format_spec).rstrip("'\"").endswith("%")
    )
