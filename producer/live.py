"""The live view of a request on a terminal: a line for each epoch that is over, and a bar."""

from __future__ import annotations

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn

from producer.watch import News, Quiet, duration
from shared import request
from shared.requests import View

#: What leaves room for the figures on a terminal of 80 columns.
BAR_CELLS = 20


class Live(Quiet):
    """What is under way moves; what is over stays above it."""

    def __init__(self) -> None:
        self._console = Console(stderr=True)
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=BAR_CELLS),
            TextColumn("{task.fields[figures]}"),
            console=self._console,
            transient=True,
        )
        self._task: TaskID | None = None
        self._news = News()

    def view(self, view: View) -> None:
        if self._task is None:
            self._task = self._bar.add_task("", total=None, figures="")
            self._bar.start()
        for line in self._news.of(view):
            self._console.print(line, highlight=False, markup=False, soft_wrap=True)
        now = view.progress
        if now is None:
            self._bar.update(self._task, description=str(view.state), total=None, figures="")
            return
        self._bar.update(
            self._task,
            description=title(now),
            completed=now.step,
            total=now.steps or None,
            figures=figures(now),
        )

    def notice(self, text: str) -> None:
        if text and text != self._last:
            self._console.print(text, highlight=False, markup=False, soft_wrap=True)
        self._last = text

    def close(self) -> None:
        if self._task is not None:
            self._bar.stop()


def title(now: request.Progress) -> str:
    """What is under way."""
    return f"epoch {now.epoch} of {now.epochs}" if now.epoch else now.stage


def figures(now: request.Progress) -> str:
    """The numbers that there are: how fast in one line, how well in the next."""
    pace, quality = [], []
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
    return "\n".join(", ".join(line) for line in (pace, quality) if line)
