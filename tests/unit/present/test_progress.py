"""The progress of a job: one form in pipes and on terminals, which fits and never wraps."""

from __future__ import annotations

import io
import sys

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from producer.present import progress
from producer.present.figures import bar_line
from producer.present.meter import Meter, Stages
from producer.present.progress import Live, Log, Quiet
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
    meter = Meter()
    meter.awaits("starting this machine's workers")
    meter.note(0, None, 1_408)
    clock.now_s += 2
    waiting = "starting this machine's workers, 2 s, 1,408 images found so far"
    assert meter.figures().plain() == waiting
    meter.note(0, 1_500, 1_408)
    assert meter.figures().texts[1] == "1,500 images", "all are found"
    meter.note(128, None, 1_408, 2)
    assert meter.figures().texts == ["128 of 1,408+ done", "2 failed"]


def test_the_bar_keeps_its_width_while_its_figures_grow() -> None:
    early = ["9 of 10,000 done"]
    late = ["9,999 of 10,000 done", "2,345 images/s", "3:12 min left"]
    bars = [click.unstyle(bar_line(0.5, texts, 80)).split("  ")[0] for texts in (early, late)]
    assert len(bars[0]) == len(bars[1]) == 16


def test_the_rate_excludes_the_start_and_the_time_left_counts_down(clock: Clock) -> None:
    meter = Meter()
    meter.note(0, None)
    clock.now_s += 10  # workers start
    for done in (100, 200, 300, 400, 500):
        meter.note(done, 1_100, 600)
        clock.now_s += 1
    assert meter.figures().texts == ["500 of 1,100 done", "100 images/s", "5 s left"]
    clock.now_s += 2  # no new results: neither figure jumps
    assert meter.figures().texts[1:] == ["100 images/s", "3 s left"]
    meter.note(500, None, 600)
    assert meter.figures().texts == ["500 of 600+ done", "100 images/s"]


def test_a_resumed_job_does_not_count_rows_of_earlier_runs_in_its_rate(clock: Clock) -> None:
    meter = Meter()
    for done in (5_000, 5_000, 5_010, 5_020):
        meter.note(done, 9_000)
        clock.now_s += 1
    assert meter.figures().texts[1] == "10 images/s"


def test_a_rate_has_few_samples_however_often_items_are_counted(clock: Clock) -> None:
    meter = Meter()
    for done in range(10_000):
        meter.note(done, 10_000)
        clock.now_s += 0.001
    assert meter.figures().texts[1] == "1,000 images/s"
    assert len(meter._rate._samples) <= 101


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


def test_a_pipe_gets_the_figures_of_the_terminal(
    clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    log, meter = Log(), Meter()
    for done in (0, 10, 20, 1_000):
        meter.note(done, 4_000, 2_000, 3)
        log.show(meter.figures)
        clock.now_s += progress.PLAIN_EVERY_S - 2
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


def test_each_stage_of_more_than_a_moment_has_its_bar_and_time_left(
    clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    stages = Stages(Log())
    for name, passes in (("reading", 2), ("pictures", 1)):
        stages.stage(name, 100, passes)
        for _ in range(8):
            clock.now_s += 1
            stages.passed(10 * passes)
    stages.stage("writing", 3)
    stages.passed(3)
    assert capsys.readouterr().err.splitlines() == [
        f"{name}: 60 of 100, 4 s left" for name in ("reading", "pictures")
    ]


def test_a_quiet_display_has_notices_only(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    quiet, meter = Quiet(), Meter()
    quiet.notice("Redis is back")
    quiet.event("training")
    for done in range(20):
        meter.note(done, 20)
        quiet.show(meter.figures)
        clock.now_s += 1
    quiet.close()
    assert capsys.readouterr().err == "Redis is back\n"


def test_work_of_less_than_a_moment_displays_no_figures(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream, meter = Terminal(), Meter()
    monkeypatch.setenv("COLUMNS", "80")
    display = Live(stream)
    for done in range(12):
        meter.note(done, 100)
        display.show(meter.figures)
        if done == 9:
            assert stream.getvalue() == ""
        clock.now_s += 0.1
    assert "11 of 100 done" in stream.getvalue()


def test_the_lines_of_a_log_become_seldom(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    log, meter = Log(), Meter()
    for second in range(7_200):
        meter.note(second, 7_200)
        log.show(meter.figures)
        clock.now_s += 1
    lines = capsys.readouterr().err.splitlines()
    done = [int(line.partition(" ")[0].replace(",", "")) for line in lines]
    assert done[:3] == [5, 10, 15]
    assert done[-1] - done[-2] == 60
