"""Figures are short and true; foreign text is displayed in one line."""

from __future__ import annotations

import os

import click
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from redis.exceptions import ConnectionError

from producer.job.totals import AcceptedShare, AnswerCounts, Failures
from producer.present.events import Outage
from producer.present.formatting import one_line, percent
from producer.present.style import Column, Keep, colour_wanted, failed, good, table, width
from producer.table.job_text import answer_lines

COLUMNS = (
    Column("job"),
    Column("state", style=good),
    Column("images", left=False),
    Column("rate", left=False, drop=1),
    Column("flagged", left=False, drop=2),
    Column("model", least=6),
    Column("output", least=8, keep=Keep.END, style=failed),
)
ANSWERS = AnswerCounts(
    {"Bag": 60, "T-shirt/top": 3, "Coat": 1},
    {"Bag": 15, "Coat": 1},
    0.98,
    {"unreadable": Failures(2, "photos/" + "x" * 90 + ".png"), "crashed": Failures(1, "b.png")},
    64,
    51,
)


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


def test_start_and_end_are_reported_once() -> None:
    reported: list[str] = []
    outage = Outage(reported.append)
    outage.over()
    assert reported == []
    for _ in range(3):
        outage.report(ConnectionError("refused"))
        assert outage.lasts
    outage.over()
    outage.over()
    assert not outage.lasts
    assert [line.split(" since ")[0] for line in reported] == [
        "Redis has been unreachable",
        "Redis is back",
    ]
    assert "(refused)" in reported[0]


texts = st.text(st.characters(blacklist_categories=("C", "Z")), max_size=30)
short = st.text("abc", min_size=1, max_size=8)
rows = st.lists(
    st.tuples(short, short, short, short, short, texts, texts).map(list), min_size=1, max_size=4
)


def plain(lines: list[str]) -> list[str]:
    return [click.unstyle(line) for line in lines]


@given(rows, st.integers(54, 200))
def test_a_table_fits_and_columns_begin_below_each_other(found: list[list[str]], room: int) -> None:
    lines = plain(table(COLUMNS, found, room))
    assert max(map(width, lines)) <= room
    assert len(lines) == len(found) + 1
    assert all(line.startswith(row[0]) for line, row in zip(lines[1:], found, strict=True))


def test_variables_decide_on_colours_as_documented() -> None:
    assert colour_wanted({}) is None
    assert colour_wanted({"NO_COLOR": "1", "FORCE_COLOR": "1"}) is False
    assert colour_wanted({"FORCE_COLOR": "1", "TERM": "dumb"}) is True
    assert colour_wanted({"TERM": "dumb"}) is False
    assert colour_wanted({"NO_COLOR": "", "TERM": "xterm"}) is None


def test_an_answer_has_bars_doubts_failures_and_folders() -> None:
    assert plain(answer_lines(ANSWERS, {"unlike_training": 4}, 60)) == [
        "  Bag          60  ██████████████████░░░░░░",
        "  T-shirt/top   3  █",
        "  Coat          1  ░",
        "",
        "     16 doubtful    flagged, or a confidence too low for 98…",
        "      4 flagged     4 unlike_training (column flag)",
        "      2 unreadable  first: photos/xxxxxxxxxxxxxxxxxxxxxxxxx…",
        "      1 crashed     first: b.png",
        "  79.7% as their folders are named (51 of 64)",
    ]


def test_of_accepted_rows_one_precision_is_named() -> None:
    accepted = AcceptedShare(40, 0.97, precision=0.95)
    answers = msgspec.structs.replace(ANSWERS, accepted=accepted, failures={}, in_label_folders=0)
    assert plain(answer_lines(answers, {})) == [
        "  Bag          60  ████████████████████████",
        "  T-shirt/top   3  █",
        "  Coat          1  █",
        "",
        "  40 accepted  62.5% of all; at least 95% should be right (--accept 95%)",
    ]


def test_a_version_without_thresholds_says_why_every_row_is_doubtful() -> None:
    lines = plain(answer_lines(AnswerCounts({"Bag": 2}, {"Bag": 2}), {}))
    assert lines[0] == "  Bag  2  ░░░░░░░░░░░░░░░░░░░░░░░░"
    assert "card has no confidence" in lines[2]
