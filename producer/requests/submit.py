"""Asking the owner of the store for work that only it can do, and waiting for the answer."""

from __future__ import annotations

import os
from collections.abc import Callable

from producer.fleet import commands
from producer.output.request_progress import NoticesOnly
from producer.requests.client import RequestClient, broker_errors, open_client
from producer.requests.wait import RequestWaiter, how_to_start_trainer, stored_outcome, watching
from producer.stack import other_stacks
from shared.broker.location import stack_name
from shared.errors import RequestCancelled, SetupError, UsageError
from shared.ledger import request_store
from shared.ledger.request_states import RequestState, RequestView
from shared.messages.requests import FASHION_MNIST, Outcome, Request
from shared.settings import Settings


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
    """Have a request answered well, once: with the same id it is the same request. The outcome of
    one that is not waited for is empty.

    Progress is shown on standard error unless `quiet`. `input` are bytes that travel along.
    Without `wait_for_trainer` nothing is asked of a broker that no trainer serves.

    Raises:
        UsageError: what was typed is at fault; other work has this id.
        SetupError: the work failed, or cannot be asked for; the message names the cure.
        RequestCancelled: somebody cancelled it.
        StillOpen: it was not finished in `timeout_s`; it goes on.
        KeyboardInterrupt: it goes on.
    """
    _check_kept(settings, request)
    outcome = stored_outcome(settings, request.id)
    if outcome is not None:
        _check_well(request.id, outcome)
        return outcome
    settings = other_stacks.taken(settings, request)
    desk = _hand_in(settings, request, input, wait_for_trainer, wait)
    if not wait:
        return Outcome(ok=True)
    with watching(request.id, quiet) as watch:
        follow = RequestWaiter(
            settings, desk, request, watch, input=input, on_view=on_view, timeout_s=timeout_s
        )
        return check_outcome(follow.wait())


def check_outcome(outcome: Outcome) -> Outcome:
    """The same outcome. Raises UsageError or SetupError for a bad one."""
    if not outcome.ok:
        raise (UsageError if outcome.usage else SetupError)(outcome.error)
    return outcome


def picture(settings: Settings, request_id: str, name: str) -> bytes:
    """A picture beside the answer to a request. Raises SetupError if it is gone."""
    settings = other_stacks.holder(settings, request_id)
    with broker_errors(settings):
        return RequestClient(settings).requests.file(request_id, name)


def _hand_in(
    settings: Settings, request: Request, input: bytes | None, wait_for_trainer: bool, wait: bool
) -> RequestClient:
    if not settings.redis_url:
        commands.check_can(request.work)
        request_store.keep(settings.store_path, request, input, stack_name(settings))
    desk = open_client(settings)
    with broker_errors(settings):
        served = not settings.redis_url or desk.has_trainer()
        if not served and not wait_for_trainer:
            raise SetupError(how_to_start_trainer(settings))
        if not desk.submit(request, input):
            _check_before(desk.get(request.id), request.id)
    if not served and not wait:
        NoticesOnly().notice(how_to_start_trainer(settings))  # who waits is told while waiting
    return desk


def _check_before(view: RequestView | None, request_id: str) -> None:
    """What was asked for before is answered once, and not tried again."""
    if view is not None and view.state is RequestState.CANCELLED:
        raise RequestCancelled(
            f"request {request_id} was cancelled before; choose another --request-id"
        )
    if view is not None and view.outcome is not None:
        _check_well(request_id, view.outcome)


def _check_well(request_id: str, outcome: Outcome) -> None:
    if not outcome.ok:
        raise (UsageError if outcome.usage else SetupError)(
            f"request {request_id} failed before: {outcome.error}; choose another --request-id"
        )


def _check_kept(settings: Settings, request: Request) -> None:
    """Redis may have forgotten what the store has not."""
    if settings.redis_url:
        return
    kept = request_store.load(settings.store_path, request.id)
    if kept is not None and kept.work != request.work:
        raise UsageError(f"request {request.id} exists with other work; choose another id")


def data_place(typed: str, settings: Settings) -> str:
    """As a request has it: `fashion-mnist`, or an absolute path.

    The trainer has another current folder, and may have another disk.

    Raises:
        UsageError: the path is empty or no text, or this machine's stack would not find the folder.
        SetupError: this machine's stack may not read the folder.
    """
    if typed == FASHION_MNIST:
        return typed
    if not typed:  # a variable of a script that is not set, and not the current folder
        raise UsageError(f"--data is empty; name a folder, or {FASHION_MNIST}")
    path = os.path.abspath(typed)
    if not path.isprintable():
        raise UsageError("the path of --data has bytes that are no text; choose another")
    if not settings.redis_url:
        _check_here(path)
    return path


def _check_here(path: str) -> None:
    """The stack's trainer runs as this user."""
    try:
        with os.scandir(path):
            return
    except (FileNotFoundError, NotADirectoryError):
        raise UsageError(
            f"{path} is no folder; name one with a subfolder for each class, or {FASHION_MNIST}"
        ) from None
    except OSError as error:
        raise SetupError(
            f"{path} cannot be read ({error.strerror}); "
            "give this user the right to read it, or name another folder"
        ) from error
