"""A bar with the figures of a job or a training, below the cell of a notebook that runs it."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from typing import Any

from hangtag.notebook.markup import filled
from producer.present.events import Event, Found, Notice, Stage, Started, Stored, Waiting
from producer.present.formatting import one_line
from producer.present.meter import Figures, Meter
from producer.requests.request_meter import StageClock, progress_of
from producer.requests.request_meter import figures as request_figures
from shared.ledger.request_states import RequestView

#: More updates than this cannot be seen, and each is stored by the notebook's server.
EVERY_S = 0.25
#: A job reports few; the last ones are displayed.
_NOTICES = 10


def in_notebook() -> bool:
    """Whether this process is the kernel of a notebook. A terminal's shell is none."""
    ipython = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    return hasattr(shell, "kernel")


def notebook_progress() -> NotebookProgress | None:
    """The bar of a job, in a notebook."""
    return NotebookProgress() if in_notebook() else None


def request_progress() -> RequestProgress | None:
    """The same of a training."""
    return RequestProgress() if in_notebook() else None


class InPlace:
    """HTML below the cell, which replaces what was there."""

    def __init__(self) -> None:
        self._handle: Any = None
        self._shown = ""

    def show(self, figures: Figures, notices: Sequence[str] = ()) -> None:
        """Display figures below notices; without any of them nothing."""
        texts = [text for text in (figures.title, *figures.texts, *figures.below) if text]
        html = filled("progress.html", notices=notices, share=figures.share, texts=texts)
        if html == self._shown or not (notices or texts):
            return
        self._shown = html
        data = {"text/html": html, "text/plain": "\n".join([*notices, figures.plain()])}
        if self._handle is None:
            self._handle = _displayed(data)
        else:
            self._handle.update(data, raw=True)


class RequestProgress:
    """Displays the stages of one request."""

    def __init__(self) -> None:
        self._clock, self._place = StageClock(), InPlace()

    def show(self, view: RequestView) -> None:
        now, waited_s = self._clock.timed(progress_of(view), time.monotonic())
        self._place.show(request_figures(now, waited_s, view.silent_s))


class NotebookProgress:
    """Displays the events of one job in place."""

    def __init__(self) -> None:
        self._images = self._meter = Meter()  #: of the images, and what is displayed
        self._place = InPlace()
        self._notices = list[str]()
        self._found = 0
        self._total: int | None = None
        self._stage, self._drawn_s = "", float("-inf")
        self._has_figures = False

    def show(self, event: Event) -> None:
        """Display an event, if a moment has passed since the last one, or it is a notice."""
        if isinstance(event, Started):
            self._images = self._meter = Meter()
        elif isinstance(event, Found):
            self._found, self._total = event.images, event.total
        elif isinstance(event, Stored):
            self._images.note(event.done, self._total, self._found, event.failed)
            self._has_figures = True
        elif isinstance(event, Waiting):
            self._images.awaits(event.text)
            self._has_figures = True
        elif isinstance(event, Stage):
            self._pass(event)
        elif isinstance(event, Notice):
            self._notices = [*self._notices[1 - _NOTICES :], one_line(event.text)]
        if isinstance(event, Notice) or time.monotonic() - self._drawn_s >= EVERY_S:
            self._draw()

    def close(self) -> None:
        """Display the figures of the images, which stay."""
        self._meter = self._images
        self._draw()

    def _pass(self, event: Stage) -> None:
        if event.name != self._stage:
            self._stage, self._meter = event.name, Meter(event.name)
        self._meter.note(event.rows, event.total)

    def _draw(self) -> None:
        self._drawn_s = time.monotonic()
        now = self._meter.figures() if self._has_figures else Figures([])
        self._place.show(now, self._notices)


def _displayed(data: dict[str, str]) -> Any:
    from IPython.display import display

    return display(data, raw=True, display_id=True)
