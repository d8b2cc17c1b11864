"""Where the events of a job go."""

from __future__ import annotations

from collections.abc import Callable

from hangtag.notebook.progress import notebook_progress, request_progress
from hangtag.notices import log_notice
from producer.present.events import Event, Notice
from producer.requests.wait import Viewed
from shared.messages.requests import Progress as RequestState

#: A function that gets the events of a job; True: a bar, if this is a notebook; False: none.
Progress = Callable[[Event], object] | bool
#: The same of a request: a function that gets each state of the work.
RequestProgress = Callable[[RequestState], object] | bool


class Reporter:
    """Passes each event to the caller's function, or to the bar of a notebook; without either,
    notices to the logger."""

    def __init__(self, progress: Progress | None) -> None:
        self._bar = notebook_progress() if progress is None or progress is True else None
        self._report = progress if callable(progress) else None

    def __call__(self, event: Event) -> None:
        if self._report is not None:
            self._report(event)
        elif self._bar is not None:
            self._bar.show(event)
        elif isinstance(event, Notice):
            log_notice(event.text)

    def close(self) -> None:
        """Display the last figures."""
        if self._bar is not None:
            self._bar.close()


class RequestReporter:
    """Passes each state of a request to the caller's function, or to the bar of a notebook, and
    notices to the logger."""

    def __init__(self, progress: RequestProgress | None) -> None:
        self._bar = request_progress() if progress is None or progress is True else None
        self._report = progress if callable(progress) else None

    def __call__(self, event: Event) -> None:
        if isinstance(event, Notice):
            log_notice(event.text)
        if not isinstance(event, Viewed):
            return
        if self._bar is not None:
            self._bar.show(event.view)
        if self._report is not None and event.view.progress is not None:
            self._report(event.view.progress)
