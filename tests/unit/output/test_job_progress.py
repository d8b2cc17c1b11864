"""The progress of a job: one form in pipes and on terminals, which fits and never wraps."""

from __future__ import annotations

import io
import sys

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from producer.journal.totals import JobCounts
from producer.output import job_progress
from producer.output.job_progress import Figures, JobLines, ProgressBar, bar_line
from tests.support.terminal.screen import Screen


class Clock:
    """A clock that a test moves."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now_s = 100.0
        monkeypatch.setattr("time.monotonic", lambda: self.now_s)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def test_the_wait_for_the_first_results_is_named_and_timed(clock: Clock) -> None:
    figures = Figures()
    figures.stage("starting this machine's workers")
    figures.note(0)
    clock.now_s += 2
    waiting = figures.texts(JobCounts(1_408), None)
    assert waiting == ["starting this machine's workers, 2 s", "1,408 images found so far"]
    assert figures.texts(JobCounts(1_408), 1_500)[1] == "1,500 images", "all are found"
    figures.note(128)
    assert figures.texts(JobCounts(1_408, 128, 2), None) == ["128 of 1,408+ done", "2 failed"]


def test_the_bar_keeps_its_width_while_its_figures_grow() -> None:
    early = ["9 of 10,000 done"]
    late = ["9,999 of 10,000 done", "2,345 images/s", "3:12 min left"]
    bars = [
        click.unstyle(bar_line(0.5, texts, 80, blocks=True)).split("  ")[0]
        for texts in (early, late)
    ]
    assert len(bars[0]) == len(bars[1]) == 16


def test_the_rate_excludes_the_start_and_the_time_left_counts_down(clock: Clock) -> None:
    figures = Figures()
    figures.note(0)
    clock.now_s += 10  # workers start
    for done in (100, 200, 300, 400, 500):
        figures.note(done)
        clock.now_s += 1
    totals = JobCounts(600, 500)
    assert figures.texts(totals, 1_100) == ["500 of 1,100 done", "100 images/s", "5 s left"]
    clock.now_s += 2  # no new results: neither figure jumps
    assert figures.texts(totals, 1_100)[1:] == ["100 images/s", "3 s left"]
    assert figures.texts(totals, None) == ["500 of 600+ done", "100 images/s"]


def test_a_resumed_job_does_not_count_rows_of_earlier_runs_in_its_rate(clock: Clock) -> None:
    figures = Figures()
    for done in (5_000, 5_000, 5_010, 5_020):
        figures.note(done)
        clock.now_s += 1
    assert figures.texts(JobCounts(9_000, 5_020), 9_000)[1] == "10 images/s"


@given(
    st.one_of(st.none(), st.floats(0, 1)),
    st.lists(st.text("abc 123", min_size=1, max_size=30), min_size=1, max_size=4),
    st.integers(40, 130),
    st.booleans(),
)
def test_a_line_never_wraps(share: float | None, texts: list[str], room: int, blocks: bool) -> None:
    line = click.unstyle(bar_line(share, texts, room, blocks))
    assert len(line) < room
    assert texts[0] in line


def test_a_pipe_gets_the_figures_of_the_terminal(
    clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = JobLines()
    for done in (0, 10, 20, 1_000):
        lines.progress(JobCounts(2_000, done, 3), 4_000)
        clock.now_s += job_progress.PLAIN_EVERY_S - 2
    assert capsys.readouterr().err.splitlines() == [
        "20 of 4,000 done, 3 failed, 3 images/s, 20:06 min left"
    ]


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
    bar = ProgressBar()

    def shown() -> list[str]:
        screen.write(stream.getvalue().replace("\n", "\r\n"))  # as a terminal does
        stream.seek(0)
        stream.truncate()
        return screen.text().splitlines()

    for done in range(0, 500, 100):
        bar.progress(JobCounts(500, done, 1), 500)
        clock.now_s += 1
    assert "-  400 of 500 done  1 failed  100 images/s" in shown()[0]
    bar.notice("Redis is back")
    bar.notice("Redis is back")
    lines = shown()
    assert lines[0] == "Redis is back"
    assert len(lines) == 2
    bar.close()
    assert shown() == ["Redis is back"]
