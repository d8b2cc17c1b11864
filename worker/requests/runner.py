"""Runs the requests of one store, each under its lock, up to its outcome. Handlers are imported
when they are needed, because a promotion needs no TensorFlow."""

from __future__ import annotations

import importlib
import logging
import sys
from collections.abc import Callable
from contextlib import closing
from functools import partial
from typing import Any, TypeVar

import redis
from redis.exceptions import RedisError

from shared.broker.runtime_paths import is_in_charge, log_path
from shared.errors import BadMessage, BrokerRefuses, SetupError
from shared.ledger.request_inbox import RequestInbox
from shared.ledger.request_store import LOCK_WAIT_S
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
from shared.registry.registry import Registry
from shared.settings import Settings
from worker.requests.attempt import FIRST_STAGE, Attempt
from worker.requests.context import Context, Reply, RequestStopped
from worker.requests.outcomes import Waits, exhausted, failed, succeeded, unwritten, waits_for
from worker.requests.trainer_state import LongWork, ShutdownNotice
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
#: It takes 3 seconds of a processor.
IMPORTING = Progress(FIRST_STAGE, part="importing TensorFlow")
WAITING = "waiting"  #: the stage of work that is tried again
#: Between two tries. Work that must stop ends within attempt.GRACE_S.
RETRY_S = 2.0
LEFT, ANSWERED = "left", "answered"
Files = dict[str, bytes]  #: plots beside an outcome, by name
Result = TypeVar("Result")


class RequestRunner:
    """Takes requests of one store in one process of a trainer."""

    def __init__(
        self,
        settings: Settings,
        client: redis.Redis,
        owner: str,
        shutdown: ShutdownNotice,
        long_work: LongWork,
    ) -> None:
        self._settings, self._client, self._owner = settings, client, owner
        self._shutdown, self._long_work = shutdown, long_work
        self._inbox, self._registry = RequestInbox(client), Registry(settings.store_path)

    def take(self, request_id: str) -> str:
        """Run the request of a hint, if no process works on it. Returns ANSWERED, or LEFT if
        another attempt has to finish the request, or it has ended otherwise.

        Raises:
            BadMessage: it cannot be read.
            redis.exceptions.RedisError: the server is unreachable; no work was started.
        """
        folder = Workspace(self._settings.store_path, request_id)
        try:
            self._inbox.store(folder)
            request = folder.request()
            if request is None or not is_in_charge(self._settings, request.stack):
                return LEFT
            alone, locked = self._long_work.alone(request.work), folder.locked(LOCK_WAIT_S)
            with alone as may_start, locked as is_mine:
                if may_start and is_mine and folder.is_open:
                    return self._run(folder, request)
        except (OSError, SetupError) as error:
            # The request gets no outcome: its work starts again once the store can be read.
            cause = error.__cause__ if isinstance(error, SetupError) else error
            if not isinstance(cause, OSError):
                raise
            fault = unwritten(cause)
            log.warning("request %s waits: %s", request_id, fault)
            self._inbox.report(request_id, self._owner, Progress(WAITING, fault=fault))
            self._inbox.withdraw(request_id)
        return LEFT

    def _run(self, folder: Workspace, request: Request) -> str:
        attempts_left = folder.enter()
        log.info("request %s: %s, attempt %d", request.id, request.work, folder.attempts)
        attempt = Attempt(self._inbox, folder, self._owner, self._shutdown)
        attempt.start()
        with closing(attempt):
            try:
                outcome = self._outcome(attempt, folder, request, attempts_left)
                log.info("request %s is finished: %s", request.id, outcome.error or "ok")
                return ANSWERED
            except RequestStopped as stopped:
                log.warning("request %s: this attempt stops: %s", request.id, stopped)
                folder.leave()
                return LEFT
            except SystemExit:  # only this process ends, not the trainer
                folder.leave()
                raise
            finally:
                if not folder.is_open:
                    self._publish(folder)

    def _outcome(
        self, attempt: Attempt, folder: Workspace, request: Request, attempts_left: bool
    ) -> Outcome:
        """The outcome, of this attempt or of an earlier one, once the request has ended with it.

        Raises:
            RequestStopped: another attempt has to finish the request, or it was cancelled.
        """
        outcome = folder.written_outcome()
        if outcome is None:
            outcome, files = exhausted(request.id), Files()
            if attempts_left:
                handled = partial(self._handled, attempt, folder, request)
                outcome, files = self._tried(attempt, handled)
            self._tried(attempt, partial(_write, folder, outcome, files))
        if not folder.answer():
            raise RequestStopped(f"request {request.id} is cancelled")
        return outcome

    def _tried(self, attempt: Attempt, act: Callable[[], Result]) -> Result:
        """What this returns, tried again as long as it waits. Raises RequestStopped."""
        while True:
            attempt.confirm()
            try:
                return act()
            except Waits as waits:
                log.warning("the work waits: %s", waits)
                attempt.report(Progress(WAITING, fault=str(waits)))
                self._shutdown.wait(RETRY_S)

    def _handled(
        self, attempt: Attempt, folder: Workspace, request: Request
    ) -> tuple[Outcome, Files]:
        """The outcome of the handler's reply or of its error. Raises RequestStopped, Waits."""
        context = Context(
            request=request,
            registry=self._registry,
            client=self._client,
            folder=folder.work,
            input=folder.input(),
            report=attempt.report,
            confirm=attempt.confirm,
        )
        try:
            if "tensorflow" in needed_packages(request.work) and "tensorflow" not in sys.modules:
                attempt.report(IMPORTING)
            reply = _handler(request.work)(context, request.work)
        except RequestStopped:
            raise
        except Exception as error:
            if fault := waits_for(error, request.work, self._registry.root):
                raise Waits(fault) from error
            attempt.confirm()  # a cancelled one must not report an error
            # A trainer at a broker logs to its standard error, whose file is unknown.
            return failed(error, "" if self._settings.redis_url else log_path(self._settings)), {}
        return succeeded(reply), reply.files

    def _publish(self, folder: Workspace) -> None:
        """Copy the end of the request to Redis; a round of maintenance repeats it."""
        try:
            self._inbox.publish(folder, bool(self._settings.redis_url))
        except (RedisError, BadMessage, BrokerRefuses) as error:
            log.warning("the end of request %s is copied to Redis later: %s", folder.id, error)


def _write(folder: Workspace, outcome: Outcome, files: Files) -> None:
    """Write an outcome, so that it is durable before any command reports it. Raises Waits."""
    try:
        folder.finish(outcome, files)
    except OSError as error:
        raise Waits(unwritten(error)) from error


def _handler(work: Work) -> Callable[[Context, Any], Reply]:
    module, function = HANDLERS[type(work)]
    handler: Callable[[Context, Any], Reply] = getattr(importlib.import_module(module), function)
    return handler
