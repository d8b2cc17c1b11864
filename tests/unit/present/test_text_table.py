"""Tables fit the terminal; in a pipe they are complete."""

from __future__ import annotations

import click
from hypothesis import given
from hypothesis import strategies as st

from producer.present import style
from producer.present.style import Keep, colour_wanted, failed, good, shortened, width
from producer.present.text_table import Column, table

COLUMNS = (
    Column("job"),
    Column("state", style=good),
    Column("images", left=False),
    Column("rate", left=False, drop=1),
    Column("flagged", left=False, drop=2),
    Column("model", least=6),
    Column("output", least=8, keep=Keep.END, style=failed),
)
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


@given(rows)
def test_a_pipe_gets_every_cell(found: list[list[str]]) -> None:
    for line, row in zip(plain(table(COLUMNS, found, None))[1:], found, strict=True):
        assert [cell for cell in row if cell] == [c for c in row if c and c in line]


def test_less_important_columns_are_left_out_first() -> None:
    found = [["a", "running", "1", "2", "3", "m" * 30, "/a/long/path/to/results.csv"]]
    heads = [plain(table(COLUMNS, found, room))[0].split() for room in (200, 60, 45, 38)]
    assert heads[0] == [column.head for column in COLUMNS]
    assert heads[1] == heads[0]
    assert "flagged" not in heads[2]
    assert "rate" not in heads[3]
    assert plain(table(COLUMNS, found, 60))[1].endswith("sults.csv")


@given(texts, st.integers(1, 30))
def test_a_shortened_text_fits(text: str, limit: int) -> None:
    for keep in Keep:
        for size in (width, len):
            found = shortened(text, limit, keep, size)
            assert size(found) <= limit
            assert found == text or "…" in found


def test_a_shortened_text_keeps_its_start_its_end_or_both() -> None:
    kept = [shortened("photos/2019/IMG_0001.jpg", 9, keep) for keep in Keep]
    assert kept == ["photos/2…", "…0001.jpg", "phot….jpg"]


def test_variables_decide_on_colours_as_documented() -> None:
    assert colour_wanted({}) is None
    assert colour_wanted({"NO_COLOR": "1", "FORCE_COLOR": "1"}) is False
    assert colour_wanted({"FORCE_COLOR": "1", "TERM": "dumb"}) is True
    assert colour_wanted({"TERM": "dumb"}) is False
    assert colour_wanted({"NO_COLOR": "", "TERM": "xterm"}) is None


@given(st.lists(st.text("ab ", min_size=1, max_size=30), min_size=1, max_size=6))
def test_lines_are_wrapped_between_words_and_keep_their_colour(found: list[str]) -> None:
    lines = [" ".join(text.split()) or "x" for text in found]
    styled = [style.doubtful(text) for text in lines]
    fitted = style.fitted_lines(styled, 24)
    assert all(style.width(click.unstyle(line)) <= 30 for line in fitted)
    assert all(line.startswith("\x1b[33m") and line.endswith("\x1b[0m") for line in fitted)
    assert " ".join(plain(fitted)) == " ".join(lines)
    assert style.fitted_lines(styled, None) == styled


def test_a_coloured_start_stays_coloured_when_its_line_is_wrapped() -> None:
    line = f"{style.good('now')}: it is better on all images"
    assert style.fitted_lines([line], 24) == [f"{style.good('now')}: it is better on all", "images"]
