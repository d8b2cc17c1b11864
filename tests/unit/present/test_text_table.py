"""Tables fit the terminal; in a pipe they are complete."""

from __future__ import annotations

import click
from hypothesis import given
from hypothesis import strategies as st

from producer.present.style import Column, Keep, colour_wanted, failed, good, table, width

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


def test_variables_decide_on_colours_as_documented() -> None:
    assert colour_wanted({}) is None
    assert colour_wanted({"NO_COLOR": "1", "FORCE_COLOR": "1"}) is False
    assert colour_wanted({"FORCE_COLOR": "1", "TERM": "dumb"}) is True
    assert colour_wanted({"TERM": "dumb"}) is False
    assert colour_wanted({"NO_COLOR": "", "TERM": "xterm"}) is None
