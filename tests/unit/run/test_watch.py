"""When a watched table is brought up to date, by a clock that goes on only while a wait lasts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from producer.job.snapshot import JobState, JobView
from producer.present.events import Events, Notice
from producer.run import watch as watching
from producer.run.run import Summary
from shared.errors import Exit, SetupError, Stopped, UsageError
from shared.stop import Stop
from tests.support.jobs.finished_job import options_of


class Watch:
    """A watch whose rounds take the given times, or raise. Each wait lasts until its end, unless a
    change comes at one of the given times."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, changes: list[float]) -> None:
        self.now_s, self._changes, self.began = 0.0, changes, list[float]()
        self.limits: list[float | None] = []
        self.notices: list[str] = []
        monkeypatch.setattr("time.monotonic", lambda: self.now_s)
        monkeypatch.setattr(watching, "watched", self._watched)

    @contextmanager
    def _watched(self, *_: object) -> Iterator[tuple[Callable[[float], bool], float]]:
        yield self._wait, 60.0

    def _wait(self, seconds: float) -> bool:
        until = self.now_s + seconds
        if self._changes and self._changes[0] <= until:
            self.now_s = max(self.now_s, self._changes.pop(0))
            return True
        self.now_s = until
        return False

    def run(
        self,
        folder: Path,
        rounds: list[float | Exception | Summary],
        timeout_s: float | None = None,
    ) -> Summary:
        def round_(timeout_s: float | None) -> Summary:
            self.began.append(self.now_s)
            self.limits.append(timeout_s)
            if not rounds:
                raise Stopped
            result = rounds.pop(0)
            if isinstance(result, Exception):
                raise result
            if isinstance(result, Summary):
                return result
            self.now_s += result
            return summary()

        events = Events()
        events.subscribe(lambda event: self.notices.append(event.text), Notice)  # type: ignore[attr-defined]
        (folder / "in").mkdir()
        options = options_of(folder, b"in", timeout_s=timeout_s)
        return watching.watch(options, round_, events, Stop())


def summary(code: Exit = Exit.OK, young: int = 0) -> Summary:
    view = JobView("job", JobState.FINISHED, 1, 1, 0, "m@1", "out.csv")
    return Summary(view, code, young=young)


def test_a_file_that_was_being_written_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch = Watch(monkeypatch, [])
    watch.run(tmp_path, [summary(young=1), 0.0])
    assert (watch.began, watch.limits) == ([0, 3.0, 63.0], [None] * 3)


def test_an_error_of_a_later_round_is_a_notice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch = Watch(monkeypatch, [1.0])
    watch.run(tmp_path, [0.0, SetupError("in: no such disk; plug it in"), 0.0])
    assert watch.began == [0, 3.0, 13.0, 73.0]
    assert "in: no such disk; plug it in; watching goes on" in watch.notices


def test_a_list_from_standard_input_is_refused(tmp_path: Path) -> None:
    options = options_of(tmp_path, list_file=b"-")
    with pytest.raises(UsageError, match="cannot be watched; save it as one"):
        watching.watch(options, lambda timeout_s: summary(), Events(), Stop())


def test_it_ends_after_its_timeout_and_each_round_gets_what_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch = Watch(monkeypatch, [20.0])
    last = watch.run(tmp_path, [10.0, summary(Exit.SOME_FAILED)], timeout_s=50.0)
    assert (watch.began, watch.limits) == ([0, 20.0], [50.0, 30.0])
    assert (watch.now_s, last.exit_code) == (50.0, Exit.SOME_FAILED)
