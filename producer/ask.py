"""Asking the owner of the store for work that only it can do, and waiting for the answer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from redis.exceptions import RedisError

from producer import crew, stack
from producer.desk import Desk, make_request
from producer.follow import Follow, again, cure, kept_outcome
from producer.watch import Watch, make_watch
from shared import kept_requests
from shared.errors import BrokerAway, SetupError, UsageError
from shared.request import Outcome, Request, Work
from shared.requests import View
from shared.settings import Settings


class Asked(NamedTuple):
    """A request that was answered well. `files(name)` fetches a picture; SetupError if gone."""

    id: str
    outcome: Outcome  #: of a request that was not waited for: an empty one
    files: Callable[[str], bytes]


def ask(
    settings: Settings,
    work: Work,
    *,
    request_id: str = "",
    input: bytes | None = None,
    wait: bool = True,
    on_view: Callable[[View], None] = lambda view: None,
    quiet: bool = False,
    timeout_s: float | None = None,
    wait_for_trainer: bool = True,
) -> Asked:
    """Have this work done, once: with the same id it is the same request.

    Progress is shown on standard error unless `quiet`. `input` are bytes that travel along.
    Without `wait_for_trainer` nothing is asked of a broker that no trainer serves.

    Raises:
        UsageError: what was typed is at fault; other work has this id.
        SetupError: the work failed, or cannot be asked for; the message names the cure.
        RequestCancelled: somebody cancelled it.
        StillOpen: it was not finished in `timeout_s`; it goes on.
        KeyboardInterrupt: it goes on.
    """
    request = make_request(work, request_id)
    _check_kept(settings, request)
    outcome = kept_outcome(settings, request.id)
    if outcome is not None:
        return _settle(settings, request.id, outcome)
    desk = _hand_in(settings, request, input, wait_for_trainer)
    if not wait:
        return Asked(request.id, Outcome(ok=True), _fetch(settings, request.id))
    with _watching(request.id, quiet) as watch:
        follow = Follow(
            settings, desk, request, watch, input=input, on_view=on_view, timeout_s=timeout_s
        )
        return _settle(settings, request.id, follow.wait())


def follow(
    settings: Settings, request_id: str, *, quiet: bool = False, timeout_s: float | None = None
) -> tuple[Work, Asked]:
    """Wait for a request that was made before; answers what it was, too.

    Raises:
        UsageError: nobody knows such a request.
        SetupError, RequestCancelled, StillOpen, KeyboardInterrupt: as `ask`.
    """
    request = find(settings, request_id)
    outcome = kept_outcome(settings, request_id)
    if outcome is None:
        desk = _open(settings)
        with _watching(request_id, quiet) as watch:
            outcome = Follow(settings, desk, request, watch, timeout_s=timeout_s).wait()
    return request.work, _settle(settings, request_id, outcome)


def find(settings: Settings, request_id: str) -> Request:
    """A request by its id: from Redis, or from the store of this machine's stack.

    Raises:
        UsageError: there is none.
        BrokerAway: the broker that is configured does not answer.
    """
    kept = None
    if not settings.redis_url:
        kept = kept_requests.load(settings.store_path, request_id)
    if kept is not None:
        return kept
    with _reaching(settings):
        view = _open(settings).look(request_id)
    if view is None:
        raise UsageError(f"there is no request {request_id}; see: hangtag train --list")
    return view.request


def _open(settings: Settings) -> Desk:
    stack.ensure(settings)
    return Desk(settings)


def _hand_in(
    settings: Settings, request: Request, input: bytes | None, wait_for_trainer: bool
) -> Desk:
    if not settings.redis_url:
        crew.check_can(request.work)
    desk = _open(settings)
    with _reaching(settings):
        if settings.redis_url and not wait_for_trainer and not desk.has_trainer():
            raise SetupError(cure(settings))
        desk.submit(request, input)
    return desk


def _check_kept(settings: Settings, request: Request) -> None:
    if settings.redis_url:
        return
    kept = kept_requests.load(settings.store_path, request.id)
    if kept is not None and kept.work != request.work:
        raise UsageError(f"request {request.id} asks for other work; choose another --request-id")


def _settle(settings: Settings, request_id: str, outcome: Outcome) -> Asked:
    if not outcome.ok:
        raise (UsageError if outcome.usage else SetupError)(outcome.error)
    return Asked(request_id, outcome, _fetch(settings, request_id))


def _fetch(settings: Settings, request_id: str) -> Callable[[str], bytes]:
    def fetch(name: str) -> bytes:
        with _reaching(settings):
            return Desk(settings).requests.file(request_id, name)

    return fetch


@contextmanager
def _watching(request_id: str, quiet: bool) -> Iterator[Watch]:
    """Ctrl-C ends the watching, not the work; how to come back is said."""
    watch = make_watch(quiet)
    try:
        yield watch
    except KeyboardInterrupt:
        watch.close()
        watch.notice(f"request {request_id} goes on; {again(request_id)}")
        raise
    finally:
        watch.close()


@contextmanager
def _reaching(settings: Settings) -> Iterator[None]:
    try:
        yield
    except RedisError as error:
        url = stack.shown(settings.redis_url) or "this machine's stack"
        raise BrokerAway(f"Redis at {url} does not answer ({error}); start it") from error
