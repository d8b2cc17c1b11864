"""The progress of a job: one form in pipes and on terminals, which fits and never wraps."""

from __future__ import annotations

import click
from hypothesis import given
from hypothesis import strategies as st

from producer.present.progress import bar_line


@given(
    st.one_of(st.none(), st.floats(0, 1)),
    st.lists(st.text("abc 123", min_size=1, max_size=30), min_size=1, max_size=4),
    st.integers(40, 130),
    st.sampled_from(["", "epoch"]),
)
def test_a_line_never_wraps(share: float | None, texts: list[str], room: int, title: str) -> None:
    line = click.unstyle(bar_line(share, texts, room, title))
    assert len(line) < room
    assert texts[0] in line
    assert line.startswith(title)
