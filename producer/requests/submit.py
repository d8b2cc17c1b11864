"""Submits requests to the owner of the store, and waits for their outcomes."""

from __future__ import annotations

import os
from collections.abc import Callable

from producer.fleet import commands
from producer.present.progress import Quiet
from producer.requests.client import RequestClient, broker_errors, open_client
from producer.requests.wait import RequestWaiter, how_to_start_trainer, stored_outcome, watching
from producer.stack import other_stacks
from shared.broker.runtime_paths import stack_id
from shared.errors import BadMessage, SetupError, UsageError
from shared.ledger import cancelled_requests, request_store
from shared.ledger.request_states import RequestState, RequestView
from shared.messages.requests import CheckDataset, Outcome, Request
from shared.messages.training import FASHION_MNIST
from shared.settings import Settings

#: How to get the table and the page of a check, which only its command writes.
_SAME_COMMAND = "the same command follows it until it is done"


def submit(
    settings: Settings,
    request: Request,
    *,
    input: bytes | None = None,
    wait: bool = True,
    on_view: Callable[[RequestView], None] = lambda view: None,
    quiet: bool = False,
    timeout_s: float | None = None,
    wait_for_trainer: bool = True,
) -> Outcome:
    """Submit a request and return its good outcome. The same id is the same request. Without `wait`
    the outcome is empty.

    Progress is displayed on standard error unless `quiet`. `input` are bytes that are sent along.
    Without `wait_for_trainer` nothing is submitted if no trainer is alive.

    Raises:
        UsageError: an argument is invalid, or other work has this id.
        SetupError: the work failed, or cannot be submitted; the message says what to do.
        RequestCancelled: it was cancelled.
        BadMessage: another version of Hangtag submitted a request with this id, or stored it.
        StillOpen: it did not finish in `timeout_s`, and continues.
        KeyboardInterrupt: it continues.
    """
    if not settings.redis_url:
        request_store.check_id(settings.store_path, request)
    outcome = stored_outcome(settings, request.id)
    if outcome is not None:
        _check_succeeded(request.id, outcome)
        return outcome
    if not settings.redis_url:
        _check_readable(settings, request.id)
        cancelled_requests.check(settings.store_path, request)
    settings = other_stacks.taken(settings, request)
    client = _submit(settings, request, input, wait_for_trainer, wait)
    if not wait:
        return Outcome(ok=True)
    how = _SAME_COMMAND if isinstance(request.work, CheckDataset) else ""
    with watching(request.id, quiet, how) as display:
        waiter = RequestWaiter(
            settings, client, request, display, input=input, on_view=on_view, timeout_s=timeout_s
        )
        return check_outcome(waiter.wait())


def check_outcome(outcome: Outcome) -> Outcome:
    """Return a good outcome. Raises UsageError or SetupError for a bad one."""
    if not outcome.ok:
        raise (UsageError if outcome.usage else SetupError)(outcome.error)
    return outcome


def answer_file(settings: Settings, request_id: str, name: str) -> bytes:
    """A file that belongs to a request's outcome. Raises SetupError if it no longer exists."""
    settings = other_stacks.holder(settings, request_id)
    with broker_errors(settings):
        return RequestClient(settings).requests.file(request_id, name)


def _submit(
    settings: Settings, request: Request, input: bytes | None, wait_for_trainer: bool, wait: bool
) -> RequestClient:
    if not settings.redis_url:
        commands.check_can(request.work)
    client = open_client(settings)
    with broker_errors(settings):
        served = not settings.redis_url or client.has_trainer()
        if not served and not wait_for_trainer:
            raise SetupError(how_to_start_trainer(settings))
        # A stack runs by now, so no other one adopts its request; in a new store, after a poll.
        stack = None if settings.redis_url else stack_id(settings)
        with request_store.kept(settings.store_path, request, input, stack):
            if not client.submit(request, input):
                _check_before(client.get(request.id), request.id)
    if not served and not wait:
        Quiet().notice(how_to_start_trainer(settings))  # the waiter reports it otherwise
    return client


def _check_readable(settings: Settings, request_id: str) -> None:
    """Raises BadMessage if a stored request, which this one would replace, cannot be read."""
    store = settings.store_path
    file = request_store.folder(store, request_id) / request_store.REQUEST_FILE
    if os.path.exists(file) and request_store.load(store, request_id) is None:
        raise BadMessage(
            f"request {request_id} is stored already and cannot be read: another version of "
            "Hangtag wrote it, or it is damaged; choose another --request-id"
        )


def _check_before(view: RequestView | None, request_id: str) -> None:
    """An existing request is not retried, also if it failed."""
    if view is not None and view.state is RequestState.CANCELLED:
        raise cancelled_requests.cancelled_before(request_id)
    if view is not None and view.outcome is not None:
        _check_succeeded(request_id, view.outcome)


def _check_succeeded(request_id: str, outcome: Outcome) -> None:
    if not outcome.ok:
        fix = "" if "another --request-id" in outcome.error else "; choose another --request-id"
        raise (UsageError if outcome.usage else SetupError)(
            f"request {request_id} failed before: {outcome.error}{fix}"
        )


def data_place(typed: str, settings: Settings, *, check: bool = True) -> str:
    """The place of data in a request: `fashion-mnist`, or an absolute path.

    The trainer has another current folder, and may have another disk. Without `check` the folder
    may be missing.

    Raises:
        UsageError: the path is empty or not text, or the folder does not exist for this machine's
            stack.
        SetupError: this machine's stack may not read the folder.
    """
    if typed == FASHION_MNIST:
        return typed
    if not typed:  # probably an unset variable of a script, not the current folder
        raise UsageError(f"--data is empty; name a folder, or {FASHION_MNIST}")
    path = os.path.abspath(typed)
    if not path.isprintable():
        raise UsageError("the path of --data is not printable text; choose another")
    if check and not settings.redis_url:
        _check_here(path)
    return path


def _check_here(path: str) -> None:
    """The stack's trainer runs as this user."""
    try:
        with os.scandir(path):
            return
    except (FileNotFoundError, NotADirectoryError):
        raise UsageError(
            f"{path} is not a folder; name one with a subfolder for each class, or {FASHION_MNIST}"
        ) from None
    except OSError as error:
        raise SetupError(
            f"{path} cannot be read ({error.strerror}); "
            "give this user the right to read it, or name another folder"
        ) from error
