"""What a request shows while it is waited for: a live bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Protocol

from shared.request import Progress
from shared.requests import State, View


class Watch(Protocol):
    """Where a request's progress and notices go."""

    def view(self, view: View) -> None:
        """The request as it stands; called several times a second."""

    def notice(self, text: str) -> None:
        """One line; the same text twice in a row is shown once."""

    def close(self) -> None:
        """What was shown last stays visible."""


class Quiet:
    """Shows notices only."""

    _last = ""

    def view(self, view: View) -> None:
        """Nothing."""

    def notice(self, text: str) -> None:
        if text and text != self._last:
            print(text, file=sys.stderr, flush=True)
        self._last = text

    def close(self) -> None:
        """Nothing."""


class Lines(Quiet):
    """A line for each stage and each epoch, for logs."""

    def __init__(self) -> None:
        self._news = News()

    def view(self, view: View) -> None:
        for line in self._news.of(view):
            print(line, file=sys.stderr, flush=True)


class News:
    """What is new in each view, in lines: stages that began and epochs that ended."""

    def __init__(self) -> None:
        self._stage = ""
        self._epoch: Progress | None = None  #: the last that was seen of the epoch under way

    def of(self, view: View) -> Iterator[str]:
        """The lines since the view before."""
        now, before = view.progress, self._epoch
        if now is not None:
            if before is not None and _ended(before, now):
                yield epoch_line(before, _heldout_of(before, now))
            self._epoch = now if now.epoch else None
        if view.state is State.WAITING:
            yield from self._begins(State.WAITING, f"request {view.request.id} waits for a trainer")
        elif view.state is State.RUNNING and now is not None:
            yield from self._begins(now.stage, now.stage)

    def _begins(self, stage: str, line: str) -> Iterator[str]:
        if stage != self._stage:
            self._stage = stage
            yield line


def _ended(epoch: Progress, now: Progress) -> bool:
    """Whether an epoch is over; not if its trainer died in it, and the work begins anew."""
    if (now.stage, now.epoch) == (epoch.stage, epoch.epoch):
        return False
    trained = not now.epoch and now.heldout_accuracy is not None
    return now.epoch > epoch.epoch or trained or epoch.step >= epoch.steps


def _heldout_of(epoch: Progress, now: Progress) -> float | None:
    """What that epoch came to, if `now` tells: it knows of the last one that is over."""
    last = now.epoch - 1 if now.epoch else epoch.epochs
    return now.heldout_accuracy if epoch.epoch == last else None


def epoch_line(progress: Progress, heldout_accuracy: float | None) -> str:
    """An epoch that has ended."""
    parts = [f"epoch {progress.epoch} of {progress.epochs}"]
    figures = {
        "loss": progress.loss,
        "train accuracy": progress.accuracy,
        "held-out accuracy": heldout_accuracy,
    }
    parts += [f"{name} {value:.4f}" for name, value in figures.items() if value is not None]
    if progress.rate:
        parts.append(f"{progress.rate:,.0f} images/s")
    if progress.left_s:
        parts.append(f"{duration(progress.left_s)} left")
    return ", ".join(parts)


def duration(seconds: float) -> str:
    """`12 s`, `3:05 min`, `1:02:03 h`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes}:{rest:02} min"
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02} h"


def make_watch(quiet: bool = False) -> Watch:
    """The watch that fits where standard error goes."""
    if quiet:
        return Quiet()
    if not sys.stderr.isatty():
        return Lines()
    from producer.live import Live  # rich takes a while to import

    return Live()
