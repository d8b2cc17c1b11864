"""Submits requests to the owner of the store, and waits for their outcomes."""

from __future__ import annotations

import os
from contextlib import closing

from producer.fleet.broker_access import broker_errors
from producer.present.events import Events
from producer.requests.client import RequestClient, opened, read, stored
from producer.requests.wait import RequestWaiter, how_to_start_trainer
from producer.sources.remote.address import shown_address
from producer.sources.source import is_address
from producer.stack import stack
from shared.errors import RequestCancelled, SetupError, UsageError
from shared.ledger.request_store import RequestState, RequestView, other_work
from shared.messages.requests import Outcome, Request
from shared.messages.training import FASHION_MNIST
from shared.settings import Settings
from shared.stop import Stop, Waits

#: What errors about the folder of a data set ask for.
CLASS_FOLDERS = f"name one with a subfolder for each class, or {FASHION_MNIST}"


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
    if view is not None and view.outcome is not None:
        _check_succeeded(request_id, view.outcome)


def _check_succeeded(request_id: str, outcome: Outcome) -> None:
    if not outcome.ok:
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
