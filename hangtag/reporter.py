"""Where the events of jobs and requests go."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable
from typing import Any

from producer.present.events import Event, Notice
from producer.present.progress import NARROW, Figures, JobDisplay, Quiet
from producer.trainer.request_display import RequestDisplay
from producer.trainer.submit import Viewed
from shared.messages.requests import Progress as RequestState

_LOG = logging.getLogger("hangtag")
#: More updates than this cannot be seen, and each is stored by the notebook's server.
EVERY_S = 0.25


def log_notice(text: str) -> None:
    """Log a sentence, which may be empty."""
    if text:
        _LOG.warning("%s", text)


def in_notebook() -> bool:
    """Whether this process is the kernel of a notebook. A terminal's shell is none."""
    ipython = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    return hasattr(shell, "kernel")


class NotebookProgress(Quiet):
    """Draws figures in place, and prints notices and events. The last figures stay."""

    redraws = True

    def __init__(self) -> None:
        super().__init__(sys.stdout)
        self._handle: Any = None

    def event(self, text: str) -> None:
        self._print(text)

    def show(self, figures: Callable[[], Figures]) -> None:
        if self._is_due(figures):
            self._draw(figures)

    def close(self) -> None:
        """Draw figures that are displayed once more; later ones come below them."""
        if self._figures is not None and self._handle is not None:
            self._draw(self._figures)
        self._figures = self._handle = None

    def _draw(self, figures: Callable[[], Figures]) -> None:
        from IPython.display import display

        self._drawn_s = time.monotonic()
        data = {"text/plain": "\n".join(figures().live(NARROW))}
        if self._handle is None:
            self._handle = display(data, raw=True, display_id=True)
        else:
            self._handle.update(data, raw=True)

    def _pause_s(self, lasts_s: float) -> float:
        return EVERY_S


#: A function that gets the events of a job; True: the terminal's progress, if this is a notebook;
#: False: none.
Progress = Callable[[Event], object] | bool
#: The same of a request: a function that gets each state of the work.
RequestProgress = Callable[[RequestState], object] | bool


class Reporter:
    """Passes each event to the caller's function, or else to the display of a notebook; outside of
    one, notices to the logger."""

    def __init__(
        self,
        progress: Progress | None,
        display: Callable[[Quiet], JobDisplay | RequestDisplay] = JobDisplay,
    ) -> None:
        self._report = progress if callable(progress) else None
        is_displayed = progress in (None, True) and in_notebook()
        self._display = display(NotebookProgress()) if is_displayed else None

    def __call__(self, event: Event) -> None:
        if self._report is not None:
            self._report(event)
        elif self._display is not None:
            self._display.show(event)
        elif isinstance(event, Notice):
            log_notice(event.text)

    def close(self) -> None:
        """Display the last figures."""
        if self._display is not None:
            self._display.close()


def request_reporter(progress: RequestProgress | None) -> Reporter:
    """Passes each state of a request to the caller's function, with notices to the logger; without
    one as `Reporter`."""
    if not callable(progress):
        return Reporter(progress, RequestDisplay)
    report = progress

    def state(event: Event) -> None:
        if isinstance(event, Notice):
            log_notice(event.text)
        elif isinstance(event, Viewed) and event.view.progress is not None:
            report(event.view.progress)

    return Reporter(state)
