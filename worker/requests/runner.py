"""Runs one request, up to its outcome. Handlers are imported when they are needed,
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

from shared.broker.access_errors import write_refusal
from shared.errors import BadMessage, BrokerRefuses, Unavailable
from shared.ledger.request_inbox import RequestInbox
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
    Remove,
    Request,
    Rollback,
    ShowData,
    Work,
    needed_packages,
)
from shared.messages.training import Train
from shared.registry import staging
from shared.registry.registry import Registry
from shared.settings import Settings
from worker.requests.attempt import FIRST_STAGE, Attempt, ShutdownNotice
from worker.requests.context import Context, Reply, RequestStopped
from worker.requests.outcomes import (
    exhausted,
    failed,
    full_disk,
    succeeded,
    unwritten,
    without_room,
)
from worker.requests.workspace import Workspace

log = logging.getLogger(__name__)
#: Kind of work -> module and function.
HANDLERS: dict[type[Work], tuple[str, str]] = {
    Train: ("worker.requests.train", "train"),
    Import: ("worker.requests.import_model", "import_model"),
    ImportNetwork: ("worker.requests.import_network", "import_network"),
    AddBackbone: ("worker.requests.import_network", "add_backbone"),
    ListBackbones: ("worker.requests.import_network", "list_backbones"),
    Calibrate: ("worker.requests.calibrate", "calibrate"),
    Evaluate: ("worker.requests.evaluate", "evaluate"),
    CheckDataset: ("worker.requests.check_dataset", "check"),
    ComputeFeatures: ("worker.requests.folder_features", "compute"),
    ShowData: ("worker.requests.describe_dataset", "show"),
    Promote: ("worker.requests.manage_versions", "move"),
    Rollback: ("worker.requests.manage_versions", "move"),
    Remove: ("worker.requests.manage_versions", "remove"),
}
#: Much of it would be lost by a failure, so it waits while a disk is full.
LEARNING = (Train, Import, CheckDataset, ComputeFeatures)
#: It takes 3 seconds of a processor.
IMPORTING = Progress(FIRST_STAGE, part="importing TensorFlow")
#: Redis is unreachable, a replica, or refuses access: the work is retried.
TRANSIENT = (redis.ConnectionError, redis.TimeoutError, ReadOnlyError, BrokerRefuses, Unavailable)
#: A second refusal, although Redis accepted a write in between, is not due to a password that was
#: just changed.
MAX_REFUSALS = 1
#: Between two attempts of work that found a disk full.
ROOM_S = 5.0
#: Interval between two attempts to reach Redis, or to write to the store.
RETRY_S = 0.5
LEFT, ANSWERED = "left", "answered"
Files = dict[str, bytes]  #: plots beside an outcome, by name


class Resources(NamedTuple):
    """Shared by all requests of one store."""

    settings: Settings
    client: redis.Redis
    inbox: RequestInbox
    registry: Registry
    shutdown: ShutdownNotice
    log_file: str  #: path; empty if unknown


class RequestRunner:
    """One attempt at one request, whose lock this process holds.

    Without `attempts_left` the request fails: too many trainers died at it.
    """

    def __init__(
        self,
        common: Resources,
        attempt: Attempt,
        folder: Workspace,
        request: Request,
        attempts_left: bool = True,
    ) -> None:
        self._common, self._attempt, self._folder = common, attempt, folder
        self._request, self._id, self._attempts_left = request, request.id, attempts_left
        log.info("request %s: %s, attempt %d", request.id, request.work, folder.attempts)

    def run(self) -> str:
        """ANSWERED, or LEFT if another attempt has to finish the request."""
        try:
            outcome = self._outcome()
        except (RequestStopped, Unavailable) as stopped:
            log.warning("request %s: this attempt stops: %s", self._id, stopped)
            self._leave()
            return LEFT
        self._publish()
        log.info("request %s is finished: %s", self._id, outcome.error or "ok")
        return ANSWERED

    def _outcome(self) -> Outcome:
        """The outcome, of this attempt or of an earlier one, once the request has ended with it.

        Raises:
            RequestStopped: another attempt has to finish the request, or it was cancelled.
        """
        outcome = self._folder.written_outcome()
        if outcome is None:
            outcome, files = self._run_handler()
            self._write(outcome, files)
        if not self._folder.answer():
            raise RequestStopped(f"request {self._id} is cancelled")
        return outcome

    def _write(self, outcome: Outcome, files: Files) -> None:
        """Write the outcome, so that it is durable before any command reports it. Waits while the
        store cannot be written. Raises RequestStopped."""
        while True:
            self._attempt.confirm()
            try:
                return self._folder.finish(outcome, files)
            except OSError as error:
                self._wait(unwritten(error), RETRY_S)

    def _run_handler(self) -> tuple[Outcome, Files]:
        """The outcome of the handler's reply or of its error. Raises RequestStopped."""
        if not self._attempts_left:
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
                    self._wait(without_room(full, self._common.registry.root), ROOM_S)
                    continue
                refusals += isinstance(error, BrokerRefuses)
                if refusals > MAX_REFUSALS or not _is_transient(error):
                    self._attempt.confirm()  # a cancelled one must not report an error
                    return failed(error, self._common.log_file), {}
                log.warning("request %s waits: %s", self._id, error)
                self._common.shutdown.wait(RETRY_S)
                self._await_redis()

    def _wait(self, progress: Progress, seconds: float) -> None:
        """Report what the work waits for before it is tried again. Raises RequestStopped."""
        end = time.monotonic() + seconds
        log.warning("request %s waits: %s", self._id, progress.fault)
        while time.monotonic() < end:
            self._attempt.report(progress)
            self._common.shutdown.wait(RETRY_S)
        self._attempt.confirm()

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
            input=folder.input(),
            started=folder.started,
            report=self._attempt.report,
            confirm=self._attempt.confirm,
        )
        if "tensorflow" in needed_packages(work) and "tensorflow" not in sys.modules:
            self._attempt.report(IMPORTING)
        return _handler(work)(context, work)

    def _await_redis(self) -> None:
        """Wait until Redis is reachable and accepts writes. Raises RequestStopped."""
        while True:
            self._attempt.confirm()
            try:
                self._common.inbox.withdraw(self._id)
                return
            except (RedisError, BrokerRefuses) as error:
                log.debug("request %s waits for Redis: %s", self._id, error)
                self._common.shutdown.wait(RETRY_S)

    def _publish(self) -> None:
        """Copy the end of the request to Redis; a round of maintenance repeats it."""
        try:
            self._common.inbox.publish(self._folder, bool(self._common.settings.redis_url))
        except (RedisError, BadMessage, BrokerRefuses) as error:
            log.warning("the end of request %s is copied to Redis later: %s", self._id, error)

    def _leave(self) -> None:
        if self._folder.is_open:
            self._folder.leave()
        else:
            self._folder.tidy()
            self._publish()


def _is_transient(error: Exception) -> bool:
    return isinstance(error, TRANSIENT) or bool(write_refusal(error))


def _handler(work: Work) -> Callable[[Context, Any], Reply]:
    module, function = HANDLERS[type(work)]
    handler: Callable[[Context, Any], Reply] = getattr(importlib.import_module(module), function)
    return handler
