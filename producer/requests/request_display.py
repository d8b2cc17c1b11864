"""The display of a request: stages, figures and notices."""

from __future__ import annotations

from collections.abc import Callable

from producer.present.events import Event, Notice, Waiting
from producer.present.progress import Figures, Meter, Quiet
from producer.requests.request_meter import RequestMeter, ahead_text
from producer.requests.wait import Viewed


class RequestDisplay:
    """Shows the check of a folder, and then the request."""

    def __init__(self, progress: Quiet) -> None:
        self._progress = progress
        self._check, self._request = Meter(), RequestMeter()
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
        self._show_ahead(seen)
        for line in self._request.note(seen.view):
            self._progress.event(line)
        self._show(self._request.figures if seen.view.is_open else None)

    def _show(self, figures: Callable[[], Figures] | None) -> None:
        if figures is None:
            self._progress.close()
        else:
            self._progress.show(figures)

    def _show_ahead(self, seen: Viewed) -> None:
        """Where nothing is redrawn, once for each request ahead."""
        ahead = seen.ahead
        text = "" if ahead is None else ahead_text(ahead)
        request_id = "" if ahead is None else ahead.request.id
        if text and request_id != self._ahead and not self._progress.redraws:
            self._progress.notice(text)
        self._ahead, self._request.ahead = request_id, text
