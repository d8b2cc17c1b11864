"""The progress of a job: one form in pipes and on terminals, which fits and never wraps."""

from __future__ import annotations

import io
import sys

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from producer.present.progress import Live, Meter, bar_line
from tests.support.terminal.screen import Screen


class Clock:
    """A clock that a test moves."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now_s = 100.0
        monkeypatch.setattr("time.monotonic", lambda: self.now_s)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


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


class Terminal(io.StringIO):
    """A stream that counts as a terminal."""

    def isatty(self) -> bool:
        return True


def test_a_notice_stays_above_the_bar_and_the_bar_disappears(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream, screen = Terminal(), Screen(80)
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setenv("COLUMNS", "80")
    bar, meter = Live(), Meter()

    def shown() -> list[str]:
        screen.write(stream.getvalue().replace("\n", "\r\n"))  # as a terminal does
        stream.seek(0)
        stream.truncate()
        return screen.text().splitlines()

    for done in range(0, 500, 100):
        meter.note(done, 500, failed=1)
        bar.show(meter.figures)
        clock.now_s += 1
    assert "─  400 of 500 done  1 failed  100 images/s" in shown()[0]
    bar.notice("Redis is back")
    lines = shown()
    assert lines[0] == "Redis is back"
    assert len(lines) == 2
    bar.close()
    assert shown() == ["Redis is back"]
