"""The lease on a request: a thread that renews it and detects when the work must stop."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable

from redis.exceptions import RedisError

from shared.errors import BadMessage, BrokerRefuses
from shared.ledger.request_ledger import RequestLedger
from shared.ledger.request_states import RenewalVerdict
from shared.messages.requests import Progress
from worker.handlers.context import RequestStopped
from worker.requests.shutdown import ShutdownNotice
from worker.requests.workspace import Workspace

log = logging.getLogger(__name__)
#: Interval between two renewals, and so between two displays of progress.
RENEW_S = 1.0
#: Renewals in the duration of a lease, which survives a few lost ones.
RENEWALS = 5
#: Interval between two checks for the shutdown notice.
POLL_S = 0.1
#: Work that must stop and has not reached its next step within this time is killed. Less than this
#: machine's stack waits for a trainer (producer/stack/service_group.py).
GRACE_S = 3.0
#: Interval between two attempts to reach Redis.
RETRY_S = 0.5
FIRST_STAGE = "starting"
SHUTDOWN = "the trainer is shutting down"


class Lease(threading.Thread):
    """Holds a request from `start` to `close`.

    `cut_short` ends this process, and with it work that does not stop in time.
    """

    def __init__(
        self,
        requests: RequestLedger,
        folder: Workspace,
        request_id: str,
        fence: int,
        lease_s: float,
        shutdown: ShutdownNotice,
        cut_short: Callable[[], None],
    ) -> None:
        super().__init__(name="hangtag-lease", daemon=True)
        self._requests, self._folder = requests, folder
        self._id, self._fence = request_id, fence
        self._interval_s = min(RENEW_S, lease_s / RENEWALS)
        self._shutdown, self._cut_short = shutdown, cut_short
        self._progress = Progress(FIRST_STAGE)
        self._closed = threading.Event()
        self.standing = RenewalVerdict.OK  #: of the last renewal
        self.why = ""  #: the reason why the work must stop; empty if it need not

    def report(self, progress: Progress) -> None:
        """Send progress with the next renewal.

        Raises:
            RequestStopped: the work must stop.
        """
        self._progress = progress
        self._poll_shutdown()
        self.check()

    def check(self) -> None:
        """Raises RequestStopped if the work must stop."""
        if self.why:
            raise RequestStopped(self.why)

    def confirm(self) -> None:
        """Check with Redis and the store that this lease still holds the request.

        Waits while Redis is unreachable, or refuses writes or access: nothing may become visible
        meanwhile.

        Raises:
            RequestStopped: it does not.
        """
        while True:
            self.check()
            if self._renew():
                break
            self._shutdown.wait(RETRY_S)
            self._poll_shutdown()
        if self.standing is RenewalVerdict.OK and not self._folder.holds(self._fence):
            self._end(RenewalVerdict.LOST)
        self.check()

    def run(self) -> None:
        due = time.monotonic()
        while not self._closed.wait(POLL_S) and not self.why:
            self._poll_shutdown()
            if time.monotonic() >= due:
                due = time.monotonic() + self._interval_s
                self._renew()
        if not self._closed.wait(GRACE_S):
            log.warning("request %s: the work did not stop in time and is killed", self._id)
            self.release()
            self._cut_short()

    def release(self) -> None:
        """Return the request to the queue, unless it was cancelled or taken over."""
        if self.standing is RenewalVerdict.OK:
            try:
                self._requests.release(self._id, self._fence)
            except (RedisError, BadMessage, BrokerRefuses) as error:
                log.debug("request %s is not released: %s", self._id, error)

    def close(self) -> None:
        """End the thread. The state of the request does not change."""
        self._closed.set()
        if self.is_alive():
            self.join()

    def _renew(self) -> bool:
        """Whether Redis replied."""
        try:
            standing = self._requests.renew(self._id, self._fence, self._progress)
        except (RedisError, BrokerRefuses) as error:  # the parent stops a refused trainer
            log.debug("request %s is not renewed: %s", self._id, error)
            return False
        except BadMessage as error:
            log.warning("%s", error)
            standing = RenewalVerdict.LOST
        if standing is not RenewalVerdict.OK:
            self._end(standing)
        return True

    def _end(self, standing: RenewalVerdict) -> None:
        self.standing = standing
        self.why = f"request {self._id} is {standing}"

    def _poll_shutdown(self) -> None:
        if not self.why and self._shutdown.is_sent():
            self.why = SHUTDOWN


def end_process() -> None:
    """End this process at once and without output; its parent starts a new one."""
    os._exit(0)
