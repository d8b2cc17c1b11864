"""The display of a request: its stages, epochs, speed and quality, and notices."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import msgspec

from producer.present.events import Event, Notice, Waiting
from producer.present.formatting import duration, one_line, percent
from producer.present.progress import ESTIMATE_AFTER_S, Figures, Meter, Quiet
from producer.trainer.submit import Viewed
from shared.ledger.request_store import RequestState, RequestView
from shared.messages.requests import Progress, Work
from shared.throughput import left_s

#: A trainer reports every second, unless it has died or is out of reach.
SILENT_S = 5.0


class StageClock:
    """How long the current stage lasts; of one that counts its steps, the time that is left."""

    def __init__(self) -> None:
        self._title, self._since = "", 0.0
        self._first_s, self._first = 0.0, 0  #: when steps were first done, and how many

    def timed(self, progress: Progress, now_s: float) -> tuple[Progress, float]:
        """The progress with an estimate, unless it has one, and the seconds since the start.

        Work before the first step says nothing of the steps: the estimate starts there.
        """
        if title(progress) != self._title:
            self._title, self._since, self._first_s = title(progress), now_s, 0.0
        if progress.left_s is None and 0 < progress.step < progress.steps:
            if not self._first_s:
                self._first_s, self._first = now_s, progress.step
            took_s, done = now_s - self._first_s, progress.step - self._first
            if took_s >= ESTIMATE_AFTER_S:
                then_s = left_s(progress.steps, progress.step, done / took_s)
                progress = msgspec.structs.replace(progress, left_s=then_s)
        return progress, now_s - self._since


def ahead_text(ahead: RequestView) -> str:
    """What a request waits for."""
    left = ahead.progress.left_s if ahead.progress is not None else None
    how = "is running" if left is None else f"is running, {duration(left)} left"
    if silent := no_news(ahead.silent_s):
        how = f"is running, {silent}"
    return f"waiting: {describe(ahead.request.work)} {how} (request {ahead.request.id})"


def describe(work: Work) -> str:
    """A request in a few words: `train fashion-mnist (fast)`."""
    kind = str(work.__struct_config__.tag)
    about = getattr(work, "name", "") or getattr(work, "model", "") or getattr(work, "data", "")
    recipe = getattr(work, "recipe", "")
    return one_line(f"{kind} {about}" + (f" ({recipe})" if recipe else ""))


def no_news(silent_s: float) -> str:
    """How long a trainer has not reported anything; empty if that is usual."""
    return f"no news for {duration(silent_s)}" if silent_s >= SILENT_S else ""


def figures(now: Progress, waited_s: float, silent_s: float = 0.0) -> Figures:
    """The current stage, as a bar if its length is known: `loading, 132 of 300, 5 s left`."""
    steps = [f"{now.step:,} of {now.steps:,}"] if now.steps and not now.epoch else []
    pace, quality = [*steps, *_speed(now)], _quality(now)
    if silent := no_news(silent_s):  # nothing may be going on
        pace = [silent]
    if not now.steps:
        return Figures([", ".join([title(now), *pace, duration(waited_s)])], below=quality)
    return Figures(pace, now.step / now.steps, title(now), quality)


class Changes:
    """The changes between views, as lines: stages that started and epochs that ended."""

    def __init__(self) -> None:
        self._stage, self._owner = "", ""
        self._claimed = self._returned = False  #: by a trainer; to those that wait, after that
        self._epochs = 0  #: as of the last progress that says how many there are
        self._told = set[int]()  #: ended epochs

    def of(self, view: RequestView) -> Iterator[str]:
        """The lines for the changes since the previous view."""
        now = view.progress
        if now is not None:
            self._epochs = now.epochs or self._epochs
            yield from self._ended(now)
        if view.state is RequestState.WAITING:
            self._returned = self._claimed
            yield from self._started(RequestState.WAITING, self._waits(view))
        elif view.state is RequestState.RUNNING:
            yield from self._taken(view)
            if now is not None:
                yield from self._started(now.stage, one_line(now.stage))

    def _waits(self, view: RequestView) -> str:
        again = "; its trainer has stopped, the next one continues it" if self._claimed else ""
        return f"request {view.request.id} is waiting for a trainer{again}"

    def _taken(self, view: RequestView) -> Iterator[str]:
        """A line if another trainer has it than before, or the same one again."""
        is_other = bool(self._owner) and view.owner != self._owner
        if self._claimed and (self._returned or is_other):
            yield f"a trainer continues request {view.request.id}"
        self._claimed, self._returned, self._owner = True, False, view.owner

    def _ended(self, now: Progress) -> Iterator[str]:
        """A line for each epoch that has ended since the previous view."""
        for epoch in now.ended:
            if epoch.epoch not in self._told:
                self._told.add(epoch.epoch)
                figures = [
                    f"epoch {epoch.epoch} of {self._epochs or epoch.epoch}",
                    f"loss {epoch.loss:.4f}",
                    f"train accuracy {percent(epoch.accuracy, 2)}",
                    f"held-out accuracy {percent(epoch.heldout_accuracy, 2)}",
                ]
                speed = _speed(now) if epoch is now.ended[-1] else []  # that of now
                yield ", ".join([*figures, *speed])

    def _started(self, stage: str, line: str) -> Iterator[str]:
        if stage != self._stage:
            self._stage = stage
            yield line


def title(now: Progress) -> str:
    """The current stage or epoch; of a stage the part as well."""
    if not now.epoch:
        return one_line(f"{now.stage}: {now.part}" if now.part else now.stage)
    return f"epoch {now.epoch} of {now.epochs}"


def _speed(now: Progress) -> list[str]:
    rate = [f"{now.rate:,.0f} images/s"] if now.rate else []
    return rate + ([f"{duration(now.left_s)} left"] if now.left_s else [])


def _quality(now: Progress) -> list[str]:
    quality = list[str]()
    if now.loss is not None:
        quality.append(f"loss {now.loss:.3f}")
    if now.accuracy is not None:
        quality.append(f"train {percent(now.accuracy)}")
    if now.heldout_accuracy is not None:
        quality.append(f"held-out {percent(now.heldout_accuracy)}")
    return quality


class RequestDisplay:
    """Shows the check of a folder, and then the request."""

    def __init__(self, progress: Quiet) -> None:
        self._progress = progress
        self._check, self._changes, self._clock = Meter(), Changes(), StageClock()
        self._request = Figures([])
        self._ahead = ""  #: the id of the request that this one waits for

    def show(self, event: Event) -> None:
        if isinstance(event, Notice):
            self._progress.notice(event.text)
        elif isinstance(event, Waiting):
            self._check.awaits(event.text)
            self._show(self._check.figures if event.text else None)
        elif isinstance(event, Viewed):
            self._show_request(event)

    def close(self) -> None:
        """End the display of figures."""
        self._progress.close()

    def _show_request(self, seen: Viewed) -> None:
        view, ahead = seen.view, "" if seen.ahead is None else ahead_text(seen.ahead)
        self._show_ahead(seen.ahead, ahead)
        now = view.progress or Progress(str(view.state))
        now, waited_s = self._clock.timed(now, time.monotonic())
        self._request = Figures([ahead]) if ahead else figures(now, waited_s, view.silent_s)
        for line in self._changes.of(view):
            self._progress.event(line)
        self._show(self._figures if view.is_open else None)

    def _figures(self) -> Figures:
        return self._request

    def _show(self, figures: Callable[[], Figures] | None) -> None:
        if figures is None:
            self._progress.close()
        else:
            self._progress.show(figures)

    def _show_ahead(self, ahead: RequestView | None, text: str) -> None:
        """Where nothing is redrawn, once for each request ahead."""
        request_id = "" if ahead is None else ahead.request.id
        if request_id not in ("", self._ahead) and not self._progress.redraws:
            self._progress.notice(text)
        self._ahead = request_id
