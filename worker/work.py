"""One request, from the claim to its outcome. What does the work is imported when it is needed:
a promotion needs no TensorFlow."""

from __future__ import annotations

import importlib
import logging
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import msgspec
import redis
from redis.exceptions import OutOfMemoryError, RedisError

from shared import attempts, installation
from shared.errors import BadMessage, HangtagError, SetupError, Unavailable, UsageError
from shared.grant import Grant
from shared.installation import TRAIN_PACKAGES, WORKER_PACKAGES
from shared.place import log_path
from shared.registry import Registry
from shared.request import (
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
from shared.requests import Requests, Standing, Verdict
from shared.settings import Settings
from worker.context import Answered, Context, Stopped
from worker.ending import Ending
from worker.lease import RETRY_S, Lease
from worker.request_folder import RequestFolder

log = logging.getLogger(__name__)
#: Kind of work -> module and function.
HANDLERS: dict[type[Work], tuple[str, str]] = {
    Train: ("worker.retrain", "train"),
    Import: ("worker.adopt", "import_model"),
    Evaluate: ("worker.measure", "evaluate"),
    ShowData: ("worker.show_data", "show"),
    Promote: ("worker.moves", "promote"),
    Rollback: ("worker.moves", "rollback"),
    Prune: ("worker.moves", "prune"),
}
#: Redis is away or full: that passes.
PASSING = (redis.ConnectionError, redis.TimeoutError, OutOfMemoryError, Unavailable)
#: Packages that a trainer may lack.
NEEDED = WORKER_PACKAGES | TRAIN_PACKAGES
#: How TensorFlow says that a GPU is too small.
OUT_OF_MEMORY = ("ResourceExhaustedError", "MemoryError")
SUMMARY_CHARS = 200
LEFT, ANSWERED = "left", "answered"


class Desk:
    """Takes requests of one store, one after the other."""

    def __init__(
        self,
        settings: Settings,
        client: redis.Redis,
        owner: str,
        ending: Ending,
        cut_short: Callable[[], None],
    ) -> None:
        self._settings, self._client, self._owner = settings, client, owner
        self._ending, self._cut_short = ending, cut_short
        self._requests = Requests(client, settings.lease_s)
        self._registry = Registry(settings.store_path)
        # A trainer at a broker writes to its standard error, which may be anything.
        self._log_file = "" if settings.redis_url else str(log_path(settings))

    def take(self, request_id: str) -> str:
        """Do what a hint is about, if there is something to do; what became of it, in a word.

        Raises:
            BadMessage: the id, or what Redis holds under it, is not ours.
            redis.exceptions.RedisError: the server is away; nothing was begun.
        """
        folder = RequestFolder(self._settings.store_path, request_id)
        grant = self._requests.claim(request_id, self._owner, folder.fence)
        if grant.verdict is not Verdict.GRANTED or grant.request is None:
            return grant.verdict
        try:
            if not folder.enter(grant):
                raise Unavailable(f"request {request_id} is somebody else's by now")
        except Unavailable as error:
            log.warning("%s", error)
            self._requests.release(request_id, grant.fence)
            return LEFT
        except OSError as error:
            told = self._requests.finish(request_id, grant.fence, _unwritten(error))
            return ANSWERED if told else LEFT
        with self._lease(folder, grant) as lease:
            return self._hold(lease, folder, grant, grant.request)

    @contextmanager
    def _lease(self, folder: RequestFolder, grant: Grant) -> Iterator[Lease]:
        assert grant.request is not None
        lease = Lease(
            self._requests,
            folder,
            grant.request.id,
            grant.fence,
            self._settings.lease_s,
            self._ending,
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

    def _hold(self, lease: Lease, folder: RequestFolder, grant: Grant, request: Request) -> str:
        log.info("request %s: %s, attempt %d", request.id, request.work, grant.attempts)
        kept = folder.request()
        other = kept is not None and kept.work != request.work  # not for us to end or to forget
        try:
            if other:
                error = UsageError(f"{request.id} was other work before; choose another id")
                outcome, files = failed(error), dict[str, bytes]()
            else:
                first = kept or request  # as it was when an earlier attempt published
                outcome, files = self._ended(lease, folder, grant, first)
            self._finish(lease, grant.fence, request.id, outcome, files)
        except (Stopped, Unavailable) as stopped:
            log.warning("request %s is left: %s", request.id, stopped)
            if lease.standing is Standing.CANCELLED and not other:
                folder.forget()
            elif folder.outcome() is not None:
                folder.tidy()  # one that slept may have begun anew what was tidied up
            lease.release()
            return LEFT
        log.info("request %s is answered: %s", request.id, outcome.error or "well")
        return ANSWERED

    def _ended(
        self, lease: Lease, folder: RequestFolder, grant: Grant, request: Request
    ) -> tuple[Outcome, dict[str, bytes]]:
        """How it ends, or has ended before; the store has it first. Raises Stopped."""
        known = folder.outcome()
        if known is not None:
            outcome, files = known, folder.files(known)
        else:
            outcome, files = self._handled(lease, folder, grant, request)
            lease.confirm()
            try:
                if not folder.answer(grant.fence, outcome, files):
                    raise Stopped("somebody else has it, or has answered it")
            except OSError as error:
                return _unwritten(error), {}
        folder.tidy()
        return outcome, files

    def _handled(
        self, lease: Lease, folder: RequestFolder, grant: Grant, request: Request
    ) -> tuple[Outcome, dict[str, bytes]]:
        """What the handler answers, or what its error comes to. Raises Stopped."""
        while True:
            try:
                answered = self._run(lease, folder, grant, request)
                return _well(answered), answered.files
            except Stopped:
                raise
            except PASSING as error:
                log.warning("request %s waits: %s", request.id, error)
                self._ending.told(RETRY_S)
                lease.confirm()  # which waits until Redis is back
            except Exception as error:
                lease.confirm()  # one whose files were taken away fails, and has nothing to say
                return failed(error, self._log_file), {}

    def _run(self, lease: Lease, folder: RequestFolder, grant: Grant, request: Request) -> Answered:
        if isinstance(request.work, Train | Import):
            attempts.sweep(self._registry, request.work.name, request.mark)
        context = Context(
            request=request,
            registry=self._registry,
            client=self._client,
            settings=self._settings,
            folder=folder.work,
            input=grant.input if grant.input is not None else folder.input(),
            began=folder.began,
            holder=lease,
        )
        return _handler(request.work)(context, request.work)

    def _finish(
        self, lease: Lease, fence: int, request_id: str, outcome: Outcome, files: dict[str, bytes]
    ) -> None:
        """Hand in what the store has by now. Raises Stopped: the next attempt hands it in."""
        while True:
            try:
                if self._requests.finish(request_id, fence, outcome, files):
                    return
                lease.confirm()  # which knows why not
                raise Stopped("Redis takes no outcome from here")
            except BadMessage as error:
                raise Stopped(str(error)) from error
            except RedisError as error:
                log.warning("the outcome of %s waits for Redis: %s", request_id, error)
            self._ending.told(RETRY_S)
            lease.check()


def _handler(work: Work) -> Callable[[Context, Any], Answered]:
    module, function = HANDLERS[type(work)]
    handler: Callable[[Context, Any], Answered] = getattr(importlib.import_module(module), function)
    return handler


def _well(answered: Answered) -> Outcome:
    answer = msgspec.Raw(msgspec.json.encode(answered.answer))
    return Outcome(ok=True, answer=answer, files=tuple(answered.files))


def _unwritten(error: OSError) -> Outcome:
    cure = f"the store cannot be written ({error}); free the disk, or set HANGTAG_STORE"
    return failed(SetupError(cure))


def failed(error: Exception, log_file: str = "") -> Outcome:
    """One line for the command that requested it; an unexpected error is in the log with its trace.

    `log_file` is the file of that log, where it is known.
    """
    if isinstance(error, HangtagError):
        return Outcome(ok=False, error=str(error), usage=isinstance(error, UsageError))
    package = (error.name or "").partition(".")[0] if isinstance(error, ImportError) else ""
    if package in NEEDED:
        lack = installation.lacks([NEEDED[package]], "all")
        return failed(SetupError(f"the trainer on {socket.gethostname()} cannot do that: {lack}"))
    log.error("a request failed", exc_info=error)
    where = f"see {log_file}" if log_file else f"see the trainer's log on {socket.gethostname()}"
    if type(error).__name__ in OUT_OF_MEMORY:
        line = "the trainer has too little memory; use smaller pictures, or a larger machine"
        return Outcome(ok=False, error=f"{line} ({where})")
    what = " ".join(f"{type(error).__name__}: {error}".split())[:SUMMARY_CHARS]
    return Outcome(ok=False, error=f"the work failed ({what}); {where}")
