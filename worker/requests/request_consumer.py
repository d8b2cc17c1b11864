"""Takes requests of one store, and runs each under its lock."""

from __future__ import annotations

import fcntl
import logging
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import redis

from shared.broker.runtime_paths import is_in_charge, log_path
from shared.errors import BadMessage, SetupError, UsageError
from shared.ledger.request_inbox import RequestInbox
from shared.ledger.request_store import LOCK_WAIT_S, RequestFolder
from shared.messages.requests import Import, Request, Work, decode_request
from shared.messages.training import Train
from shared.registry.registry import Registry
from shared.settings import Settings
from worker.requests.attempt import Attempt, ShutdownNotice
from worker.requests.outcomes import unwritten
from worker.requests.runner import LEFT, RequestRunner, Resources
from worker.requests.workspace import Workspace

log = logging.getLogger(__name__)
#: Work that takes minutes of all cores, and the memory of a training. CheckDataset takes less.
_LONG = (Train, Import)


def is_long(work: Work) -> bool:
    """Whether this work runs alone of its kind."""
    return isinstance(work, _LONG)


class LongWork:
    """One long request at a time in a trainer: two would share its cores, and need twice the
    memory. A trainer with two processes does short work beside it.

    Created in the parent before it forks. The lock belongs to a process and ends with it.
    """

    def __init__(self) -> None:
        self._fd, path = tempfile.mkstemp()
        os.unlink(path)

    def begin(self) -> bool:
        """Take the lock; False if another process has it."""
        try:
            fcntl.lockf(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True

    def end(self) -> None:
        """Release the lock."""
        fcntl.lockf(self._fd, fcntl.LOCK_UN)

    @property
    def busy(self) -> bool:
        """Whether another process has the lock."""
        if not self.begin():
            return True
        self.end()
        return False


class RequestConsumer:
    """Takes requests of one store in one process of a trainer."""

    def __init__(
        self,
        settings: Settings,
        client: redis.Redis,
        owner: str,
        shutdown: ShutdownNotice,
        cut_short: Callable[[], None],
        long_work: LongWork | None = None,
    ) -> None:
        self._owner, self._cut_short = owner, cut_short
        self._long_work = long_work or LongWork()
        self._inbox = RequestInbox(client)
        # A trainer at a broker logs to its standard error, whose file is unknown.
        log_file = "" if settings.redis_url else str(log_path(settings))
        registry = Registry(settings.store_path)
        self._common = Resources(settings, client, self._inbox, registry, shutdown, log_file)

    def take(self, request_id: str) -> str:
        """Run the request of a hint, if no process works on it. Returns LEFT, ANSWERED or its
        state.

        Long work is left if another process of this trainer has some; its hint is repeated.

        Raises:
            BadMessage: the id, or what is stored under it, does not have the agreed form.
            redis.exceptions.RedisError: the server is unreachable; no work was started.
        """
        folder = Workspace(self._common.settings.store_path, request_id)
        try:
            store_sent(self._inbox, folder)
            request = folder.request()
            if request is None or not is_in_charge(self._common.settings, request.stack):
                return LEFT
            with self._alone(request) as may_start, folder.locked(LOCK_WAIT_S) as is_mine:
                if not (may_start and is_mine and folder.is_open):
                    return LEFT
                attempts_left = folder.enter()
                return self._work(folder, request, attempts_left)
        except (OSError, SetupError) as error:
            # No outcome: the store would start the request again once it can be read.
            cause = error.__cause__ if isinstance(error, SetupError) else error
            if not isinstance(cause, OSError):
                raise
            progress = unwritten(cause)
            log.warning("request %s waits: %s", request_id, progress.fault)
            self._inbox.report(request_id, self._owner, progress)
            self._inbox.withdraw(request_id)
            return LEFT

    def _work(self, folder: Workspace, request: Request, attempts_left: bool) -> str:
        common = self._common
        attempt = Attempt(self._inbox, folder, self._owner, common.shutdown, self._cut_short)
        attempt.start()
        try:
            return RequestRunner(common, attempt, folder, request, attempts_left).run()
        except SystemExit:  # only this process ends, not the trainer
            folder.leave()
            raise
        finally:
            attempt.close()

    @contextmanager
    def _alone(self, request: Request) -> Iterator[bool]:
        """Whether long work may start; others run beside it."""
        if not is_long(request.work):
            yield True
            return
        may_start = self._long_work.begin()
        try:
            yield may_start
        finally:
            if may_start:
                self._long_work.end()


def store_sent(inbox: RequestInbox, folder: RequestFolder) -> None:
    """Store what clients have sent of a request, and copy to Redis what the store has of it.

    Raises:
        BadMessage: it cannot be read.
        SetupError: the store cannot be written.
        redis.exceptions.RedisError: the server is unreachable.
    """
    sent = inbox.sent(folder.id)
    try:
        if sent.request is not None:
            with suppress(UsageError):  # the copy says which other work has its id
                folder.submit(decode_request(sent.request), sent.input)
    except BadMessage:
        if not sent.is_cancelled:
            raise
    if sent.is_cancelled:
        folder.cancel()
    if folder.state is None:  # it was cancelled before, or the folder was deleted
        inbox.forget(folder.id)
    elif sent.request is not None or not folder.is_open:
        inbox.publish(folder)
