"""One request, from the claim to its outcome. What does the work is imported when it is needed:
a promotion needs no TensorFlow."""

from __future__ import annotations

import importlib
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import redis
from redis.exceptions import OutOfMemoryError, RedisError

from shared.broker.location import log_path
from shared.errors import BadMessage, Unavailable, UsageError
from shared.ledger.request_states import Grant, RenewalVerdict, RequestVerdict
from shared.ledger.requests import RequestLedger
from shared.messages.requests import (
    Evaluate,
    Import,
    Outcome,
    Promote,
    Prune,
    Request,
    Rollback,
    ShowData,
    Train,
    Work,
)
from shared.registry import staging
from shared.registry.registry import Registry
from shared.settings import Settings
from worker.handlers.context import Context, Reply, RequestStopped
from worker.requests.lease import RETRY_S, Lease
from worker.requests.outcomes import failed, unwritten, well
from worker.requests.shutdown import ShutdownNotice
from worker.requests.workspace import Workspace

log = logging.getLogger(__name__)
#: Kind of work -> module and function.
HANDLERS: dict[type[Work], tuple[str, str]] = {
    Train: ("worker.handlers.train", "train"),
    Import: ("worker.handlers.import_model", "import_model"),
    Evaluate: ("worker.handlers.evaluate", "evaluate"),
    ShowData: ("worker.handlers.describe_dataset", "show"),
    Promote: ("worker.handlers.manage_versions", "promote"),
    Rollback: ("worker.handlers.manage_versions", "rollback"),
    Prune: ("worker.handlers.manage_versions", "prune"),
}
#: Redis is away or full: that passes.
PASSING = (redis.ConnectionError, redis.TimeoutError, OutOfMemoryError, Unavailable)
LEFT, ANSWERED = "left", "answered"
Files = dict[str, bytes]  #: pictures beside an outcome, by name


class Resources(NamedTuple):
    """What all requests of one store have in common."""

    settings: Settings
    client: redis.Redis
    requests: RequestLedger
    registry: Registry
    ending: ShutdownNotice
    log_file: str  #: where it is known


class RequestConsumer:
    """Takes requests of one store, one after the other."""

    def __init__(
        self,
        settings: Settings,
        client: redis.Redis,
        owner: str,
        ending: ShutdownNotice,
        cut_short: Callable[[], None],
    ) -> None:
        self._owner, self._cut_short = owner, cut_short
        self._requests = RequestLedger(client, settings.lease_s)
        # A trainer at a broker writes to its standard error, which may be anything.
        log_file = "" if settings.redis_url else str(log_path(settings))
        registry = Registry(settings.store_path)
        self._common = Resources(settings, client, self._requests, registry, ending, log_file)

    def take(self, request_id: str) -> str:
        """Do what a hint is about, if there is something to do; what became of it, in a word.

        Raises:
            BadMessage: the id, or what Redis holds under it, is not ours.
            redis.exceptions.RedisError: the server is away; nothing was begun.
        """
        folder = Workspace(self._common.settings.store_path, request_id)
        grant = self._requests.claim(request_id, self._owner, folder.fence)
        if grant.verdict is not RequestVerdict.GRANTED or grant.request is None:
            return grant.verdict
        try:
            if not folder.enter(grant):
                raise Unavailable(f"request {request_id} is somebody else's by now")
        except Unavailable as error:
            log.warning("%s", error)
            self._requests.release(request_id, grant.fence)
            return LEFT
        except OSError as error:
            told = self._requests.finish(request_id, grant.fence, unwritten(error))
            return ANSWERED if told else LEFT
        with self._lease(folder, grant.request.id, grant.fence) as lease:
            return RequestRunner(self._common, lease, folder, grant, grant.request).run()

    @contextmanager
    def _lease(self, folder: Workspace, request_id: str, fence: int) -> Iterator[Lease]:
        lease = Lease(
            self._requests,
            folder,
            request_id,
            fence,
            self._common.settings.lease_s,
            self._common.ending,
            self._cut_short,
        )
        lease.start()
        try:
            yield lease
        except SystemExit:  # this process alone was told to end
            lease.release()
            raise
        finally:
            lease.close()


class RequestRunner:
    """One attempt at one request, under a lease."""

    def __init__(
        self, common: Resources, lease: Lease, folder: Workspace, grant: Grant, request: Request
    ) -> None:
        self._common, self._lease, self._folder = common, lease, folder
        self._grant, self._id = grant, request.id
        kept = folder.request()
        self._request = kept or request  # as it was when an earlier attempt published
        #: The store keeps other work under this id: not for us to end or to forget.
        self._is_other = kept is not None and kept.work != request.work
        log.info("request %s: %s, attempt %d", request.id, request.work, grant.attempts)

    def run(self) -> str:
        """ANSWERED, or LEFT where another attempt has to answer."""
        try:
            outcome, files = self._ended()
            self._finish(outcome, files)
        except (RequestStopped, Unavailable) as stopped:
            log.warning("request %s is left: %s", self._id, stopped)
            self._leave()
            return LEFT
        log.info("request %s is answered: %s", self._id, outcome.error or "well")
        return ANSWERED

    def _ended(self) -> tuple[Outcome, Files]:
        """How it ends, or has ended before; the store has it first. Raises Stopped."""
        if self._is_other:
            return failed(UsageError(f"{self._id} was other work before; choose another id")), {}
        known = self._folder.outcome()
        if known is not None:
            outcome, files = known, self._folder.files(known)
        else:
            outcome, files = self._handled()
            self._lease.confirm()
            try:
                if not self._folder.answer(self._grant.fence, outcome, files):
                    raise RequestStopped("somebody else has it, or has answered it")
            except OSError as error:
                return unwritten(error), {}
        self._folder.tidy()
        return outcome, files

    def _handled(self) -> tuple[Outcome, Files]:
        """What the handler answers, or what its error comes to. Raises Stopped."""
        while True:
            try:
                answered = self._handle(self._request.work)
                return well(answered), answered.files
            except RequestStopped:
                raise
            except PASSING as error:
                log.warning("request %s waits: %s", self._id, error)
                self._common.ending.is_sent(RETRY_S)
                self._lease.confirm()  # which waits until Redis is back
            except Exception as error:
                # One whose files were taken away fails, and has nothing to say.
                self._lease.confirm()
                return failed(error, self._common.log_file), {}

    def _handle(self, work: Work) -> Reply:
        common, folder = self._common, self._folder
        if isinstance(work, Train | Import):
            staging.sweep(common.registry, work.name, self._request.mark)
        context = Context(
            request=self._request,
            registry=common.registry,
            client=common.client,
            settings=common.settings,
            folder=folder.work,
            input=self._grant.input if self._grant.input is not None else folder.input(),
            began=folder.began,
            lease=self._lease,
        )
        return _handler(work)(context, work)

    def _finish(self, outcome: Outcome, files: Files) -> None:
        """Hand in what the store has by now. Raises Stopped: the next attempt hands it in."""
        while True:
            try:
                if self._common.requests.finish(self._id, self._grant.fence, outcome, files):
                    return
                self._lease.confirm()  # which knows why not
                raise RequestStopped("Redis takes no outcome from here")
            except BadMessage as error:
                raise RequestStopped(str(error)) from error
            except RedisError as error:
                log.warning("the outcome of %s waits for Redis: %s", self._id, error)
            self._common.ending.is_sent(RETRY_S)
            self._lease.check()

    def _leave(self) -> None:
        if self._lease.standing is RenewalVerdict.CANCELLED and not self._is_other:
            self._folder.forget()
        elif self._folder.outcome() is not None:
            self._folder.tidy()  # one that slept may have begun anew what was tidied up
        self._lease.release()


def _handler(work: Work) -> Callable[[Context, Any], Reply]:
    module, function = HANDLERS[type(work)]
    handler: Callable[[Context, Any], Reply] = getattr(importlib.import_module(module), function)
    return handler
