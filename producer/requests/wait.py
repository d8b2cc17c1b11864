"""Following a request to its outcome, whatever Redis does in between."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from redis.exceptions import RedisError

from producer.fleet.start_command import trainer_line
from producer.output.outage import PAUSE_S, Outage
from producer.output.request_progress import RequestProgress, make_progress
from producer.requests.client import RequestClient
from producer.stack import stack
from shared.broker.location import log_path
from shared.errors import RequestCancelled, StillOpen
from shared.ledger import request_store
from shared.ledger.request_states import RequestState, RequestView
from shared.messages.requests import Outcome, Request
from shared.settings import Settings

LOOK_EVERY_S = 0.25
#: A trainer of this machine's stack is there within seconds: until then nothing is amiss.
TRAINER_SOON_S = 15.0


class RequestWaiter:
    """One attempt at waiting for the outcome of a request that was handed in."""

    def __init__(
        self,
        settings: Settings,
        desk: RequestClient,
        request: Request,
        watch: RequestProgress,
        *,
        input: bytes | None = None,
        on_view: Callable[[RequestView], None] = lambda view: None,
        timeout_s: float | None = None,
    ) -> None:
        self._settings, self._desk, self._watch = settings, desk, watch
        self._request, self._input, self._on_view = request, input, on_view
        now = time.monotonic()
        self._deadline = now + timeout_s if timeout_s else float("inf")
        self._trainer_due = now + (0 if settings.redis_url else TRAINER_SOON_S)
        self._outage = Outage(watch.notice)
        self._told = False

    def wait(self) -> Outcome:
        """The outcome, good or bad.

        Raises:
            RequestCancelled: somebody cancelled it.
            StillOpen: the time is over.
            UsageError: Redis has forgotten it and knows other work under its id.
            SetupError: this machine's stack has ended and does not start again.
        """
        while (outcome := self._look()) is None:
            if time.monotonic() > self._deadline:
                raise StillOpen(
                    f"request {self._request.id} goes on; {how_to_follow(self._request.id)}"
                )
            time.sleep(PAUSE_S if self._outage.lasts else LOOK_EVERY_S)
        return outcome

    def _look(self) -> Outcome | None:
        try:
            outcome = self._turn()
        except RedisError as error:
            self._outage.report(error)
            stack.revive(self._settings)
            return None
        self._outage.over()
        return outcome

    def _turn(self) -> Outcome | None:
        view = self._desk.get(self._request.id)
        if view is None:
            return self._hand_in_again()
        self._watch.view(view)
        self._on_view(view)
        if view.state is RequestState.CANCELLED:
            raise RequestCancelled(f"request {self._request.id} is cancelled")
        if view.state is RequestState.WAITING:
            self._look_for_trainer()
        return view.outcome

    def _hand_in_again(self) -> Outcome | None:
        """Redis has lost everything: this side has the record, and the store may have more."""
        outcome = stored_outcome(self._settings, self._request.id)
        if outcome is None:
            self._desk.submit(self._request, self._input)
            self._watch.notice("Redis has forgotten the request; it is handed in again")
        return outcome

    def _look_for_trainer(self) -> None:
        if not self._told and time.monotonic() > self._trainer_due:
            self._told = not self._desk.has_trainer()
            if self._told:
                self._watch.notice(how_to_start_trainer(self._settings))


@contextmanager
def watching(request_id: str, quiet: bool) -> Iterator[RequestProgress]:
    """Ctrl-C ends the watching, not the work; how to come back is said."""
    watch = make_progress(quiet)
    try:
        yield watch
    except KeyboardInterrupt:
        watch.close()
        watch.notice(f"request {request_id} goes on; {how_to_follow(request_id)}")
        raise
    finally:
        watch.close()


def how_to_follow(request_id: str) -> str:
    """How to follow a request again."""
    return f"follow it with: hangtag train --follow {request_id}"


def how_to_start_trainer(settings: Settings) -> str:
    """What to do where no trainer is alive."""
    if not settings.redis_url:
        return f"no trainer has started yet; see {log_path(settings)}"
    return f"no trainer is alive; start one with: {trainer_line(settings)}"


def stored_outcome(settings: Settings, request_id: str) -> Outcome | None:
    """How a request of this machine's stack ended, from the store; None if that is not known."""
    if settings.redis_url:
        return None  # the store is elsewhere
    return request_store.outcome(settings.store_path, request_id)
