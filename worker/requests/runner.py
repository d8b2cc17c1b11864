"""Runs one request, from the claim to its outcome. Handlers are imported when they are needed,
because a promotion needs no TensorFlow."""

from __future__ import annotations

import importlib
import logging
import sys
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import redis
from redis.exceptions import ReadOnlyError, RedisError

from shared import recipes
from shared.broker.access_errors import write_refusal
from shared.errors import BadMessage, BrokerRefuses, Unavailable, UsageError
from shared.ledger.request_ledger import RequestLedger
from shared.ledger.request_states import Grant, RenewalVerdict, RequestVerdict
from shared.messages.model_name import parse
from shared.messages.requests import (
    AddBackbone,
    Calibrate,
    CheckDataset,
    ComputeFeatures,
    Evaluate,
    Import,
    ImportNetwork,
    ListBackbones,
    Outcome,
    Progress,
    Promote,
    Prune,
    Remove,
    Request,
    Rollback,
    ShowData,
    Work,
)
from shared.messages.training import Train
from shared.registry import staging
from shared.registry.registry import Registry
from shared.settings import Settings
from worker.handlers.context import Context, Reply, RequestStopped
from worker.requests.lease import FIRST_STAGE, RETRY_S, Lease
from worker.requests.outcomes import (
    exhausted,
    failed,
    full_disk,
    succeeded,
    unwritten,
    without_room,
)
from worker.requests.shutdown import ShutdownNotice
from worker.requests.workspace import Workspace

log = logging.getLogger(__name__)
#: Kind of work -> module and function.
HANDLERS: dict[type[Work], tuple[str, str]] = {
    Train: ("worker.handlers.train", "train"),
    Import: ("worker.handlers.import_model", "import_model"),
    ImportNetwork: ("worker.handlers.import_network", "import_network"),
    AddBackbone: ("worker.handlers.backbones", "add"),
    ListBackbones: ("worker.handlers.backbones", "list_"),
    Calibrate: ("worker.handlers.calibrate", "calibrate"),
    Evaluate: ("worker.handlers.evaluate", "evaluate"),
    CheckDataset: ("worker.handlers.check_dataset", "check"),
    ComputeFeatures: ("worker.handlers.folder_features", "compute"),
    ShowData: ("worker.handlers.describe_dataset", "show"),
    Promote: ("worker.handlers.manage_versions", "promote"),
    Rollback: ("worker.handlers.manage_versions", "rollback"),
    Prune: ("worker.handlers.manage_versions", "prune"),
    Remove: ("worker.handlers.manage_versions", "remove"),
}
#: Much of it would be lost by a failure, so it waits while a disk is full.
LEARNING = (Train, Import, CheckDataset, ComputeFeatures)
#: It takes 3 seconds of a processor.
IMPORTING = Progress(FIRST_STAGE, part="importing TensorFlow")
#: Redis is unreachable, a replica, or refuses access, or the store is locked: the work is retried.
TRANSIENT = (redis.ConnectionError, redis.TimeoutError, ReadOnlyError, BrokerRefuses, Unavailable)
#: A second refusal, although the lease was renewed in between, is not due to a password that was
#: just changed.
MAX_REFUSALS = 1
#: Between two attempts of work that found a disk full.
ROOM_S = 5.0
LEFT, ANSWERED = "left", "answered"
Files = dict[str, bytes]  #: plots beside an outcome, by name


class Resources(NamedTuple):
    """Shared by all requests of one store."""

    settings: Settings
    client: redis.Redis
    requests: RequestLedger
    registry: Registry
    shutdown: ShutdownNotice
    log_file: str  #: path; empty if unknown


class RequestRunner:
    """One attempt at one request, under a lease."""

    def __init__(
        self, common: Resources, lease: Lease, folder: Workspace, grant: Grant, request: Request
    ) -> None:
        self._common, self._lease, self._folder = common, lease, folder
        self._grant, self._id = grant, request.id
        stored = folder.request()
        self._request = stored or request  # as in an earlier attempt, which may have published
        #: The store has other work under this id, which must be neither finished nor deleted.
        self._is_other = stored is not None and stored.work != request.work
        log.info("request %s: %s, attempt %d", request.id, request.work, grant.fence)

    def run(self) -> str:
        """ANSWERED, or LEFT if another attempt has to finish the request."""
        try:
            outcome, files = self._outcome()
            self._finish(outcome, files)
        except (RequestStopped, Unavailable) as stopped:
            log.warning("request %s: this attempt stops: %s", self._id, stopped)
            self._leave()
            return LEFT
        log.info("request %s is finished: %s", self._id, outcome.error or "ok")
        return ANSWERED

    def _outcome(self) -> tuple[Outcome, Files]:
        """The outcome, of this attempt or of an earlier one; it is stored before Redis gets it.

        Raises:
            RequestStopped: another attempt has to finish the request.
        """
        if self._is_other:
            line = f"{self._id} is the id of earlier, other work; choose another id"
            return failed(UsageError(line)), {}
        known = self._folder.outcome()
        if known is not None:
            outcome, files = known, self._folder.files(known)
        else:
            outcome, files = self._run_handler()
            self._store(outcome, files)
        self._folder.tidy()
        return outcome, files

    def _store(self, outcome: Outcome, files: Files) -> None:
        """Store the outcome, so that it is durable before any command reports it. Waits while the
        store cannot be written. Raises RequestStopped."""
        while True:
            self._lease.confirm()
            try:
                stored = self._folder.finish(self._grant.fence, outcome, files)
            except OSError as error:
                progress = unwritten(error)
                log.warning("the outcome of %s waits: %s", self._id, progress.fault)
                self._lease.report(progress)
                self._common.shutdown.wait(RETRY_S)
                continue
            if stored:
                return
            raise RequestStopped("another trainer has taken it over, or finished it")

    def _run_handler(self) -> tuple[Outcome, Files]:
        """The outcome of the handler's reply or of its error. Raises RequestStopped."""
        if self._grant.verdict is RequestVerdict.EXHAUSTED:
            return exhausted(self._id), {}
        refusals = 0
        while True:
            try:
                reply = self._handle(self._request.work)
                return succeeded(reply), reply.files
            except RequestStopped:
                raise
            except Exception as error:
                if isinstance(self._request.work, LEARNING) and (full := full_disk(error)):
                    self._wait_for_room(full)
                    continue
                refusals += isinstance(error, BrokerRefuses)
                if refusals > MAX_REFUSALS or not _is_transient(error):
                    # An attempt that lost its request, and so its files, must not report an error.
                    self._lease.confirm()
                    return failed(error, self._common.log_file), {}
                log.warning("request %s waits: %s", self._id, error)
                self._common.shutdown.wait(RETRY_S)
                self._lease.confirm()  # waits until Redis is reachable and accepts writes

    def _wait_for_room(self, error: OSError) -> None:
        """Wait before work starts again from its checkpoint. Raises RequestStopped."""
        progress, end = without_room(error, self._common.registry.root), time.monotonic() + ROOM_S
        log.warning("request %s waits: %s", self._id, progress.fault)
        while time.monotonic() < end:
            self._lease.report(progress)
            self._common.shutdown.wait(RETRY_S)
        self._lease.confirm()

    def _handle(self, work: Work) -> Reply:
        common, folder = self._common, self._folder
        if isinstance(work, Train | Import | ImportNetwork):
            staging.sweep(common.registry, work.name, self._request.mark)
        if isinstance(work, Calibrate):
            staging.sweep(common.registry, parse(work.model).name, self._request.mark)
        context = Context(
            request=self._request,
            registry=common.registry,
            client=common.client,
            settings=common.settings,
            folder=folder.work,
            input=self._grant.input if self._grant.input is not None else folder.input(),
            started=folder.started,
            lease=self._lease,
        )
        if _needs_tensorflow(work) and "tensorflow" not in sys.modules:
            self._lease.report(IMPORTING)
        return _handler(work)(context, work)

    def _finish(self, outcome: Outcome, files: Files) -> None:
        """Send the stored outcome to Redis. Raises RequestStopped: the next attempt sends it."""
        refusals = 0
        while True:
            try:
                if self._common.requests.finish(self._id, self._grant.fence, outcome, files):
                    return
                self._lease.confirm()  # raises with the reason, if it knows one
                raise RequestStopped("Redis does not accept the outcome of this attempt")
            except BadMessage as error:
                raise RequestStopped(str(error)) from error
            except BrokerRefuses as error:
                refusals += 1
                if refusals > MAX_REFUSALS:
                    raise RequestStopped(str(error)) from error
                self._pause(error)
                self._lease.confirm()  # waits until Redis accepts renewals
            except RedisError as error:
                self._pause(error)
                self._lease.check()  # no renewal: Redis may already have the outcome

    def _pause(self, error: Exception) -> None:
        log.warning("the outcome of %s waits for Redis: %s", self._id, error)
        self._common.shutdown.wait(RETRY_S)

    def _leave(self) -> None:
        if self._lease.standing is RenewalVerdict.CANCELLED and not self._is_other:
            self._folder.cancel()
        elif self._folder.outcome() is not None:
            self._folder.tidy()  # a suspended attempt may have written files again
        self._lease.release()


def _is_transient(error: Exception) -> bool:
    if isinstance(error, RedisError) and write_refusal(error):
        return True
    return isinstance(error, TRANSIENT)


def _needs_tensorflow(work: Work) -> bool:
    if isinstance(work, Train):
        return not recipes.is_for_photos(work.recipe)
    return isinstance(work, Import)


def _handler(work: Work) -> Callable[[Context, Any], Reply]:
    module, function = HANDLERS[type(work)]
    handler: Callable[[Context, Any], Reply] = getattr(importlib.import_module(module), function)
    return handler
