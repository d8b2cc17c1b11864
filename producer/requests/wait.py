"""Waits for the outcome of a request, through outages of Redis."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from redis.exceptions import RedisError

from producer.fleet.start_command import trainer_line
from producer.present.formatting import duration
from producer.present.outage import PAUSE_S, Outage
from producer.present.progress import ProgressDisplay, make_progress
from producer.requests.client import RequestClient, describe
from producer.requests.request_meter import RequestMeter
from producer.stack import stack
from shared.broker.runtime_paths import log_path
from shared.errors import RequestCancelled, StillOpen
from shared.ledger import cancelled_requests, request_store
from shared.ledger.request_states import RequestState, RequestView
from shared.messages.requests import Outcome, Request
from shared.settings import Settings

POLL_EVERY_S = 0.25
#: A request that waits for longer than this waits for another one; time between two checks.
QUEUED_S = 2.0
#: The time in which a trainer of this machine's stack starts; a missing one is reported later.
TRAINER_START_S = 15.0


class RequestWaiter:
    """Waits for the outcome of a submitted request."""

    def __init__(
        self,
        settings: Settings,
        client: RequestClient,
        request: Request,
        progress: ProgressDisplay,
        *,
        input: bytes | None = None,
        on_view: Callable[[RequestView], None] = lambda view: None,
        timeout_s: float | None = None,
    ) -> None:
        self._settings, self._client, self._progress = settings, client, progress
        self._request, self._input, self._on_view = request, input, on_view
        now = time.monotonic()
        self._deadline = float("inf") if timeout_s is None else now + timeout_s
        self._trainer_due = now + (0 if settings.redis_url else TRAINER_START_S)
        self._outage = Outage(progress.notice)
        self._reported = False  #: whether a missing trainer was reported
        self._queue_due = now + QUEUED_S
        self._meter, self._ahead = RequestMeter(), ""  #: the request ahead of this one

    def wait(self) -> Outcome:
        """The outcome, good or bad.

        Raises:
            RequestCancelled: it was cancelled.
            StillOpen: the time is over.
            UsageError: Redis lost it, and has other work with its id.
            SetupError: this machine's stack has stopped and does not start again.
        """
        while (outcome := self._poll()) is None:
            if time.monotonic() > self._deadline:
                raise StillOpen(
                    f"request {self._request.id} continues; {how_to_follow(self._request.id)}"
                )
            time.sleep(PAUSE_S if self._outage.lasts else POLL_EVERY_S)
        return outcome

    def _poll(self) -> Outcome | None:
        try:
            outcome = self._read()
        except RedisError as error:
            self._outage.report(error)
            stack.revive(self._settings)
            return None
        self._outage.over()
        return outcome

    def _read(self) -> Outcome | None:
        view = self._client.get(self._request.id)
        if view is None:
            return self._resubmit()
        self._display(view)
        self._on_view(view)
        if view.progress is not None and view.progress.fault:
            self._progress.notice(view.progress.fault)
        if view.state is RequestState.CANCELLED:
            self._store_cancellation()
            raise RequestCancelled(f"request {self._request.id} is cancelled")
        if view.state is RequestState.WAITING:
            self._check_trainer()
            self._report_ahead()
        else:
            self._wait_for("", "")
        return view.outcome

    def _display(self, view: RequestView) -> None:
        for line in self._meter.note(view):
            self._progress.event(line)
        if view.state in (RequestState.WAITING, RequestState.RUNNING):
            self._progress.show(self._meter)

    def _resubmit(self) -> Outcome | None:
        """Redis has lost the request: read its outcome from the store, or submit it again."""
        outcome = stored_outcome(self._settings, self._request.id)
        if outcome is None:
            self._client.submit(self._request, self._input)
            self._progress.notice("Redis has lost the request; submitted it again")
        return outcome

    def _store_cancellation(self) -> None:
        """The command that cancelled it may have died before it did so."""
        if not self._settings.redis_url:
            cancelled_requests.record(self._settings.store_path, self._request.id, self._request)

    def _check_trainer(self) -> None:
        if not self._reported and time.monotonic() > self._trainer_due:
            self._reported = not self._client.has_trainer()
            if self._reported:
                self._progress.notice(how_to_start_trainer(self._settings))

    def _report_ahead(self) -> None:
        """Report what this request waits for, with the time that is left now."""
        if time.monotonic() < self._queue_due:
            return
        self._queue_due = time.monotonic() + QUEUED_S
        view = next(self._client.running(), None)
        if view is None:
            self._wait_for("", "")
        elif view.request.id != self._request.id:
            self._wait_for(view.request.id, self._text_ahead(view))

    def _wait_for(self, request_id: str, text: str) -> None:
        """Display what the request waits for; where nothing is redrawn, once for each request."""
        if request_id != self._ahead and not self._progress.redraws:
            self._progress.notice(text)
        self._ahead, self._meter.ahead = request_id, text

    def _text_ahead(self, view: RequestView) -> str:
        left = view.progress.left_s if view.progress is not None else None
        how = "is running" if left is None else f"is running, {duration(left)} left"
        if view.request.is_trial and not self._request.is_trial:
            how = "makes way"
        return f"waiting: {describe(view.request.work)} {how} (request {view.request.id})"


@contextmanager
def watching(request_id: str, quiet: bool, how: str = "") -> Iterator[ProgressDisplay]:
    """A progress display. Ctrl-C ends the display, not the work, and prints how to follow it; by
    default with `hangtag train`."""
    progress = make_progress(quiet)
    try:
        yield progress
    except KeyboardInterrupt:
        progress.close()
        progress.notice(f"request {request_id} continues; {how or how_to_follow(request_id)}")
        raise
    finally:
        progress.close()


def how_to_follow(request_id: str) -> str:
    return f"follow it with: hangtag train --follow {request_id}"


def how_to_start_trainer(settings: Settings) -> str:
    """What to do if no trainer is alive."""
    if not settings.redis_url:
        return f"no trainer has started yet; see {log_path(settings)}"
    return f"no trainer is alive; start one with: {trainer_line(settings)}"


def stored_outcome(settings: Settings, request_id: str) -> Outcome | None:
    """The outcome of a request of this machine's stack, from the store; None if it has none."""
    if settings.redis_url:
        return None  # the store is on another machine
    return request_store.outcome(settings.store_path, request_id)
