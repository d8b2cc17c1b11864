"""Where the events of jobs and requests go."""

from __future__ import annotations

from collections.abc import Callable

from hangtag.notebook.progress import NotebookProgress, in_notebook
from hangtag.notices import log_notice
from producer.present.events import Event, Notice
from producer.present.progress import JobDisplay, Quiet
from producer.requests.request_display import RequestDisplay
from producer.requests.wait import Viewed
from shared.messages.requests import Progress as RequestState

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
