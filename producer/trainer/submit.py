"""Submits requests to the owner of the store, and waits for their outcomes."""

from __future__ import annotations

import os
import time
from contextlib import closing, suppress

from redis.exceptions import RedisError

from producer.machine import stack
from producer.machine.commands import trainer_line
from producer.machine.workers import broker_errors
from producer.present.events import PAUSE_S, Event, Events, Outage
from producer.present.formatting import one_line
from producer.sources.remote.address import shown_address
from producer.sources.source import is_address
from producer.trainer.client import RequestClient, opened, read, stored
from shared.broker.redis_client import GLANCE_TIMEOUT_S
from shared.broker.runtime_paths import is_in_charge, log_path
from shared.errors import BrokerAway, RequestCancelled, SetupError, StillOpen, Stopped, UsageError
from shared.ledger.request_store import RequestState, RequestView, other_work
from shared.messages.requests import CheckDataset, ComputeFeatures, Outcome, Request
from shared.messages.training import FASHION_MNIST
from shared.settings import Settings
from shared.stop import Stop, Waits

#: What errors about the folder of a data set ask for.
CLASS_FOLDERS = f"name one with a subfolder for each class, or {FASHION_MNIST}"
#: Of a request's state.
POLL_EVERY_S = 0.25
#: A request that waits for longer than this waits for another one; time between two checks.
QUEUED_S = 2.0
#: The time in which a trainer of this machine's stack starts; a missing one is reported later.
TRAINER_START_S = 15.0


class Viewed(Event, frozen=True):
    """The state of a request, and that of the one that it waits for."""

    view: RequestView
    ahead: RequestView | None


class RequestWaiter:
    """Waits for the outcome of a submitted request."""

    def __init__(
        self,
        settings: Settings,
        client: RequestClient,
        request: Request,
        events: Events,
        waits: Waits,
        *,
        input: bytes | None = None,
        timeout_s: float | None = None,
    ) -> None:
        self._settings, self._client, self._request = settings, client, request
        self._events, self._waits, self._input = events, waits, input
        now = time.monotonic()
        self._deadline = float("inf") if timeout_s is None else now + timeout_s
        self._trainer_due = now + (0 if settings.redis_url else TRAINER_START_S)
        self._outage = Outage(events.notice)
        self._until_stored = False
        self._queue_due = now + QUEUED_S
        self._ahead: RequestView | None = None  #: the request that this one waits for

    def wait_until_stored(self) -> None:
        """Wait until a trainer has stored the request. Raises as `wait`."""
        self._until_stored = True
        self.wait()

    def wait(self) -> Outcome:
        """The outcome, good or bad.

        Raises:
            RequestCancelled: it was cancelled.
            StillOpen: the time is over.
            UsageError: the trainer has stored other work with its id.
            SetupError: this machine's stack has stopped and does not start again.
            Stopped: the caller has stopped the wait; the request continues, which is reported.
        """
        # A slow server gets at least this time, even with a shorter limit.
        patience_s = max(self._deadline - time.monotonic(), GLANCE_TIMEOUT_S)
        try:
            with self._waits.within(patience_s):
                return self._outcome()
        except Stopped:
            if self._waits.late:
                raise StillOpen(continues(self._request)) from None
            self._events.notice(continues(self._request))
            raise Stopped(_how_to_go_on(self._request)) from None

    def _outcome(self) -> Outcome:
        while (outcome := self._poll()) is None:
            if time.monotonic() > self._deadline:
                raise StillOpen(continues(self._request))
            self._waits.sleep(PAUSE_S if self._outage.lasts else POLL_EVERY_S)
        return outcome

    def _poll(self) -> Outcome | None:
        try:
            outcome = self._read()
        except RedisError as error:
            self._outage.report(error)
            with suppress(BrokerAway):  # it may still start
                stack.ensure(self._settings, self._waits)
            return None
        self._outage.over()
        return outcome

    def _read(self) -> Outcome | None:
        view = self._client.get(self._request.id)
        if not self._settings.redis_url and (view is None or view.is_open):
            self._client.client.ping()  # no trainer works without this machine's server
        if view is None:
            self._client.submit(self._request, self._input)
            self._events.notice("Redis has lost the request; submitted it again")
            return None
        if view.request.work != self._request.work:
            raise other_work(self._request.id)
        self._note_ahead(view)
        self._events.report(Viewed(view, self._ahead))
        if view.progress is not None and view.progress.fault:
            self._events.notice(view.progress.fault)
        if view.state is RequestState.CANCELLED:
            raise RequestCancelled(f"request {self._request.id} is cancelled")
        if view.state is RequestState.WAITING:
            self._check_trainer(view.request.stack)
        return Outcome(ok=True) if self._until_stored and view.is_stored else view.outcome

    def _check_trainer(self, stack: str) -> None:
        if time.monotonic() <= self._trainer_due:
            return
        if not is_in_charge(self._settings, stack):
            self._events.notice(_how_to_have_it_here(self._request.id, stack))
        elif not self._client.has_trainer():
            self._events.notice(how_to_start_trainer(self._settings))
        else:
            return
        self._trainer_due = float("inf")  # it is reported once

    def _note_ahead(self, view: RequestView) -> None:
        """Note what this request waits for, with the time that is left now."""
        if view.state is not RequestState.WAITING:
            self._ahead = None
        elif time.monotonic() >= self._queue_due:
            self._queue_due = time.monotonic() + QUEUED_S
            stack = view.request.stack
            running = (one for one in self._client.running() if one.request.stack == stack)
            ahead = next(running, None)
            if ahead is None or ahead.request.id != self._request.id:
                self._ahead = ahead


def continues(request: Request) -> str:
    """A line for the end of a wait, which is not that of the request."""
    return f"request {request.id} continues; {_how_to_go_on(request)}"


def _how_to_go_on(request: Request) -> str:
    if isinstance(request.work, CheckDataset | ComputeFeatures):  # only its command shows a result
        return "the same command follows it until it is done"
    return f"{how_to_follow(request.id)} (or stop it with: hangtag cancel {request.id})"


def how_to_follow(request_id: str) -> str:
    return f"follow it with: hangtag train --follow {request_id}"


def _how_to_have_it_here(request_id: str, stack: str) -> str:
    """The line for a request of another stack that runs, of another machine or of a broker."""
    host, _, folder = one_line(stack).partition(":")
    who = f"the stack in {folder} on {host}" if stack else "a trainer of its broker"
    return (
        f"request {request_id} waits for {who}; to have it done here: hangtag cancel {request_id}, "
        "then the command again"
    )


def how_to_start_trainer(settings: Settings) -> str:
    """What to do if no trainer is alive."""
    if not settings.redis_url:
        return f"no trainer has started yet; see {log_path(settings)}"
    return f"no trainer is alive; start one with: {trainer_line(settings)}"


def submit(
    settings: Settings,
    request: Request,
    *,
    input: bytes | None = None,
    wait: bool = True,
    timeout_s: float | None = None,
    wait_for_trainer: bool = True,
    events: Events | None = None,
    stop: Stop | None = None,
) -> Outcome:
    """Submit a request and return its good outcome. The same id is the same request. Without `wait`
    the outcome is empty, and at a broker a trainer has stored the request.

    `input` are bytes that are sent along. Without `wait_for_trainer` nothing is submitted if no
    trainer is alive. Notices are reported, and the state of the request at each poll (Viewed).

    Raises:
        UsageError: an argument is invalid, or other work has this id.
        SetupError: the work failed, or cannot be submitted; the message says what to do.
        RequestCancelled: it was cancelled.
        BadMessage: another version of Hangtag submitted a request with this id, or stored it.
        StillOpen: it did not finish in `timeout_s`, and continues.
        Stopped: the caller has stopped it; a submitted request continues, which is reported.
    """
    events = events or Events()
    if not settings.redis_url:
        view = stored(settings, request.id).view()
        if view is not None and view.request.work != request.work:
            raise other_work(request.id)
        _check_before(view, request.id)
        if view is not None and view.outcome is not None:
            return view.outcome
        stack.check_can(settings, request.work)
    with closing(Waits(stop or Stop())) as waits, opened(settings, waits) as client:
        _submit(settings, client, request, input, wait_for_trainer)
        waiter = RequestWaiter(
            settings, client, request, events, waits, input=input, timeout_s=timeout_s
        )
        if wait:
            return check_outcome(waiter.wait())
        if settings.redis_url:
            waiter.wait_until_stored()
    return Outcome(ok=True)


def check_outcome(outcome: Outcome) -> Outcome:
    """Return a good outcome. Raises UsageError or SetupError for a bad one."""
    if not outcome.ok:
        raise (UsageError if outcome.usage else SetupError)(outcome.error)
    return outcome


def answer_file(settings: Settings, request_id: str, name: str, stop: Stop | None = None) -> bytes:
    """A file that belongs to a request's outcome.

    Raises:
        SetupError: it no longer exists.
        Stopped: the caller has stopped it.
    """
    with closing(Waits(stop or Stop())) as waits, read(settings, waits) as requests:
        return requests.file(request_id, name)


def _submit(
    settings: Settings,
    client: RequestClient,
    request: Request,
    input: bytes | None,
    wait_for_trainer: bool,
) -> None:
    with broker_errors(settings):
        if settings.redis_url and not wait_for_trainer and not client.has_trainer():
            raise SetupError(how_to_start_trainer(settings))
        if not client.submit(request, input):
            _check_before(client.get(request.id), request.id)


def _check_before(view: RequestView | None, request_id: str) -> None:
    """An existing request is not retried, also if it failed."""
    if view is not None and view.state is RequestState.CANCELLED:
        raise RequestCancelled(
            f"request {request_id} was cancelled before; choose another --request-id"
        )
    outcome = None if view is None else view.outcome
    if outcome is not None and not outcome.ok:
        fix = "" if "another --request-id" in outcome.error else "; choose another --request-id"
        raise (UsageError if outcome.usage else SetupError)(
            f"request {request_id} failed before: {outcome.error}{fix}"
        )


def data_place(
    typed: str, settings: Settings, *, check: bool = True, wanted: str = CLASS_FOLDERS
) -> str:
    """The place of data in a request: `fashion-mnist`, or an absolute path.

    The trainer has another current folder, and may have another disk. Without `check` the folder
    may be missing. `wanted` is what errors ask for.

    Raises:
        UsageError: the path is empty or not text, or the folder does not exist for this machine's
            stack.
        SetupError: this machine's stack may not read the folder.
    """
    if typed == FASHION_MNIST:
        return typed
    if not typed:  # probably an unset variable of a script, not the current folder
        raise UsageError(f"--data is empty; name a folder, or {FASHION_MNIST}")
    if is_address(os.fsencode(typed), os.fsencode(typed)):
        shown = shown_address(os.fsencode(typed))
        raise UsageError(f"{shown:.300} is an address, and a data set is a folder; {wanted}")
    path = os.path.abspath(typed)
    if not path.isprintable():
        raise UsageError("the path of --data is not printable text; choose another")
    if check and not settings.redis_url:
        _check_here(path, wanted)
    return path


def _check_here(path: str, wanted: str) -> None:
    """The stack's trainer runs as this user."""
    try:
        with os.scandir(path):
            return
    except (FileNotFoundError, NotADirectoryError):
        raise UsageError(f"{path} is not a folder; {wanted}") from None
    except OSError as error:
        raise SetupError(
            f"{path} cannot be read ({error.strerror}); "
            "give this user the right to read it, or name another folder"
        ) from error
