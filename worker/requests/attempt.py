"""An attempt at a request: a thread that reports its progress and detects when it must stop."""

from __future__ import annotations

import logging
import os
import threading
import time

from redis.exceptions import RedisError

from shared.errors import BadMessage, BrokerRefuses, SetupError
from shared.ledger.request_inbox import RequestInbox
from shared.messages.requests import Progress
from worker.requests.context import RequestStopped
from worker.requests.trainer_state import ShutdownNotice
from worker.requests.workspace import Workspace

log = logging.getLogger(__name__)
#: Interval between two reports.
REPORT_S = 1.0
#: Interval between two checks for a cancellation and the shutdown notice.
POLL_S = 0.1
#: Work that must stop and has not reached its next step within this time is killed. Less than this
#: machine's stack waits for a trainer (producer/machine/service.py).
GRACE_S = 3.0
FIRST_STAGE = "starting"
SHUTDOWN = "the trainer is shutting down"


class Attempt(threading.Thread):
    """From `start` to `close`, in a process that holds the request's lock, and that ends with work
    that does not stop in time."""

    def __init__(
        self,
        inbox: RequestInbox,
        folder: Workspace,
        owner: str,
        shutdown: ShutdownNotice,
    ) -> None:
        super().__init__(name="hangtag-attempt", daemon=True)
        self._inbox, self._folder, self._owner = inbox, folder, owner
        self._shutdown, self._progress = shutdown, Progress(FIRST_STAGE)
        self._closed = threading.Event()
        self.why = ""  #: the reason why the work must stop; empty if it need not

    def report(self, progress: Progress) -> None:
        """Send progress with the next report.

        Raises:
            RequestStopped: the work must stop.
        """
        self._progress = progress
        self.confirm()

    def confirm(self) -> None:
        """Raises RequestStopped if the work must stop, now."""
        self._poll()
        if self.why:
            raise RequestStopped(self.why)

    def run(self) -> None:
        due = time.monotonic()
        while not self._closed.wait(POLL_S) and not self.why:
            self._poll()
            if time.monotonic() >= due:
                due = time.monotonic() + REPORT_S
                self._report()
        if not self._closed.wait(GRACE_S):
            log.warning("request %s: the work did not stop in time and is killed", self._folder.id)
            self._folder.leave()
            end_process()

    def close(self) -> None:
        """End the thread. The state of the request does not change."""
        self._closed.set()
        if self.is_alive():
            self.join()
        try:
            self._inbox.withdraw(self._folder.id)
        except (RedisError, BadMessage, BrokerRefuses) as error:
            log.debug("request %s counts as running for a while: %s", self._folder.id, error)

    def _report(self) -> None:
        progress = self._progress
        self._folder.note(progress)
        try:
            if self._inbox.report(self._folder.id, self._owner, progress):
                self._folder.cancel()
        except (RedisError, BadMessage, SetupError) as error:  # the parent stops a refused trainer
            log.debug("the progress of request %s is not reported: %s", self._folder.id, error)

    def _poll(self) -> None:
        if not self.why and self._folder.is_cancelled:
            self.why = f"request {self._folder.id} is cancelled"
        if not self.why and self._shutdown.is_sent():
            self.why = SHUTDOWN


def end_process() -> None:
    """End this process at once and without output; its parent starts a new one."""
    os._exit(0)
