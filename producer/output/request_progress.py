"""The display of a request in progress: a live bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from typing import Protocol

import msgspec

from producer.output.formatting import duration
from producer.output.notices import LiveNotices, Notices, print_line
from producer.terminal.bars import progress_bar
from producer.terminal.style import can_redraw, columns_of, dim, has_blocks, name, wrapped
from shared.ledger.request_states import RequestState, RequestView
from shared.messages.requests import Progress

#: The longest bar.
BAR_CELLS = 20
#: A stage that lasts gets a line again after this time in logs; if nothing but its duration is
#: known, at 5, 10, 20, 40, ... seconds.
PLAIN_EVERY_S = 5.0
#: An estimate of the time left from less than this is mostly chance.
ESTIMATE_AFTER_S = 2.0
_GAP = "  "


class RequestProgress(Protocol):
    """Displays a request's progress and notices."""

    def view(self, view: RequestView) -> None:
        """Display the current state; called several times a second."""

    def notice(self, text: str) -> None:
        """Display one line; the same text twice in a row is displayed once."""

    def ahead(self, request_id: str, text: str) -> None:
        """Display what a request waits for, in the words of now: another request, or nothing."""

    def close(self) -> None:
        """End the display; its lines stay visible."""


class RequestNotices(Notices):
    """Displays notices only."""

    _ahead = ""

    def view(self, view: RequestView) -> None:
        """Do nothing."""

    def ahead(self, request_id: str, text: str) -> None:
        """Display the text once for each request."""
        if request_id != self._ahead:
            self.notice(text)
        self._ahead = request_id


class RequestLines(RequestNotices):
    """A line for each stage and each epoch, for logs, and one every few seconds in between."""

    def __init__(self) -> None:
        self._changes, self._clock, self._printed = Changes(), StageClock(), time.monotonic()
        self._text = ""  #: what the request waits for

    def ahead(self, request_id: str, text: str) -> None:
        super().ahead(request_id, text)
        self._text = text

    def view(self, view: RequestView) -> None:
        lines, now = list(self._changes.of(view)), time.monotonic()
        progress, waited_s = self._clock.timed(progress_of(view), now)
        pause_s = PLAIN_EVERY_S if progress.steps else max(PLAIN_EVERY_S, waited_s / 2)
        if not lines and now - self._printed >= pause_s:
            lines = [self._text or plain_line(progress, waited_s)]
        for line in lines:
            print_line(line)
            self._printed = now


class LiveDisplay(LiveNotices):
    """A live bar for the current stage, below a line for each finished one."""

    def __init__(self) -> None:
        super().__init__()
        self._changes, self._blocks = Changes(), has_blocks(sys.stderr.encoding)
        self._clock, self._text = StageClock(), ""

    def ahead(self, request_id: str, text: str) -> None:
        self._text = text

    def view(self, view: RequestView) -> None:
        for line in self._changes.of(view):
            self._print(line)
        now, waited_s = self._clock.timed(progress_of(view), time.monotonic())
        width = columns_of(sys.stderr) or 80
        if self._text:
            self._live.draw(wrapped("", self._text, width).splitlines())
        else:
            self._live.draw(live_lines(now, waited_s, width, self._blocks))


class StageClock:
    """How long the current stage lasts; of one that counts its steps, the time that is left."""

    def __init__(self) -> None:
        self._title, self._since = "", 0.0
        self._first: tuple[float, int] | None = None  #: when a step was first done, and how many

    def timed(self, progress: Progress, now_s: float) -> tuple[Progress, float]:
        """The progress with an estimate, unless it has one, and the seconds since the start.

        Work before the first step says nothing of the steps: the estimate starts there.
        """
        if title(progress) != self._title:
            self._title, self._since, self._first = title(progress), now_s, None
        if self._first is None and progress.step:
            self._first = now_s, progress.step
        if progress.left_s is None and self._first is not None:
            took_s, done = now_s - self._first[0], progress.step - self._first[1]
            if done > 0 and progress.step < progress.steps and took_s >= ESTIMATE_AFTER_S:
                left_s = took_s * (progress.steps - progress.step) / done
                progress = msgspec.structs.replace(progress, left_s=left_s)
        return progress, now_s - self._since


def progress_of(view: RequestView) -> Progress:
    """The progress of a request; before there is any, its state as a stage."""
    return view.progress or Progress(str(view.state))


def plain_line(now: Progress, waited_s: float) -> str:
    """The current stage in a log: `loading, 132 of 300, 5 s left`."""
    pace, quality = figures(now)
    return ", ".join([title(now), *(pace or [duration(waited_s)]), *quality])


def live_lines(now: Progress, waited_s: float, room: int, blocks: bool) -> list[str]:
    """The current stage, as a bar if its length is known, and its figures; `room` is the width of
    the terminal."""
    pace, quality = figures(now)
    if not now.steps:
        return [", ".join([title(now), *pace, duration(waited_s)])]
    texts = [name(title(now)), ", ".join(pace)]
    cells = min(BAR_CELLS, room - 1 - len(title(now)) - len(texts[1]) - 2 * len(_GAP))
    bar = progress_bar(now.step / now.steps, max(0, cells), blocks)
    lines = [_GAP.join([texts[0], bar, texts[1]]).rstrip()]
    return [*lines, dim(_GAP + ", ".join(quality))] if quality else lines


class Changes:
    """The changes between views, as lines: stages that started and epochs that ended."""

    def __init__(self) -> None:
        self._stage = ""
        self._epoch: Progress | None = None  #: the last progress of the current epoch
        self._told: set[tuple[int, int]] = set()  #: ended epochs, with their network

    def of(self, view: RequestView) -> Iterator[str]:
        """The lines for the changes since the previous view."""
        now, before = view.progress, self._epoch
        if now is not None:
            if now.ended or self._told:
                yield from self._ended(now)
            elif before is not None and _ended(before, now):  # a trainer of an older version
                yield epoch_line(before, _heldout_of(before, now))
            self._epoch = now if now.epoch else None
        if view.state is RequestState.WAITING:
            yield from self._started(
                RequestState.WAITING, f"request {view.request.id} is waiting for a trainer"
            )
        elif view.state is RequestState.RUNNING and now is not None:
            yield from self._started(now.stage, now.stage)

    def _ended(self, now: Progress) -> Iterator[str]:
        """A line for each epoch that has ended since the previous view."""
        for one in now.ended:
            place = (one.teacher, one.epoch)
            if place not in self._told:
                self._told.add(place)
                figures = msgspec.structs.replace(
                    now,
                    epoch=one.epoch,
                    epochs=now.epochs or (self._epoch.epochs if self._epoch else one.epoch),
                    teacher=one.teacher,
                    loss=one.loss,
                    accuracy=one.accuracy,
                )
                yield epoch_line(figures, one.heldout_accuracy)

    def _started(self, stage: str, line: str) -> Iterator[str]:
        if stage != self._stage:
            self._stage = stage
            yield line


def _ended(epoch: Progress, now: Progress) -> bool:
    """Whether an epoch has ended; false if its trainer crashed and the work started over."""
    if now.stage == epoch.stage and _place(now) == _place(epoch):
        return False
    trained = not now.epoch and now.heldout_accuracy is not None
    return _place(now) > _place(epoch) or trained or epoch.step >= epoch.steps


def _heldout_of(epoch: Progress, now: Progress) -> float | None:
    """The held-out accuracy of that epoch, if `now` has it: it has that of the last ended one."""
    network, number = _place(now)
    if not number:
        last = (epoch.teachers + 1, epoch.epochs)
    else:
        last = (network, number - 1) if number > 1 else (network - 1, epoch.epochs)
    return now.heldout_accuracy if _place(epoch) == last else None


def _place(progress: Progress) -> tuple[int, int]:
    """The network in training, counted from 1, the version's last; and its epoch."""
    return progress.teacher or progress.teachers + 1, progress.epoch


def epoch_line(progress: Progress, heldout_accuracy: float | None) -> str:
    """The line for an epoch that has ended."""
    parts = [title(progress)]
    if progress.loss is not None:
        parts.append(f"loss {progress.loss:.4f}")
    if progress.accuracy is not None:
        parts.append(f"train accuracy {progress.accuracy:.2%}")
    if heldout_accuracy is not None:
        parts.append(f"held-out accuracy {heldout_accuracy:.2%}")
    if progress.rate:
        parts.append(f"{progress.rate:,.0f} images/s")
    if progress.left_s:
        parts.append(f"{duration(progress.left_s)} left")
    return ", ".join(parts)


def title(now: Progress) -> str:
    """The current stage or epoch; of a stage the part as well, of a teacher its number."""
    if not now.epoch:
        return f"{now.stage}: {now.part}" if now.part else now.stage
    epoch = f"epoch {now.epoch} of {now.epochs}"
    return f"teacher {now.teacher} of {now.teachers}, {epoch}" if now.teacher else epoch


def figures(now: Progress) -> tuple[list[str], list[str]]:
    """The available figures of progress and speed, and of quality."""
    pace, quality = list[str](), list[str]()
    if now.steps and not now.epoch:
        pace.append(f"{now.step:,} of {now.steps:,}")
    if now.rate:
        pace.append(f"{now.rate:,.0f} images/s")
    if now.left_s is not None:
        pace.append(f"{duration(now.left_s)} left")
    if now.loss is not None:
        quality.append(f"loss {now.loss:.3f}")
    if now.accuracy is not None:
        quality.append(f"train {now.accuracy:.1%}")
    if now.heldout_accuracy is not None:
        quality.append(f"held-out {now.heldout_accuracy:.1%}")
    return pace, quality


def make_progress(quiet: bool = False) -> RequestProgress:
    """The display for standard error: a terminal, a log, or notices only."""
    if quiet:
        return RequestNotices()
    return LiveDisplay() if can_redraw() else RequestLines()
