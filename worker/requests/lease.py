"""The lease on a request: a thread that renews it and learns when the work must stop."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable

from redis.exceptions import RedisError

from shared.errors import BadMessage, BrokerRefuses
from shared.ledger.request_states import RenewalVerdict
from shared.ledger.requests import RequestLedger
from shared.messages.requests import Progress
from worker.handlers.context import RequestStopped
from worker.requests.shutdown import ShutdownNotice
from worker.requests.workspace import Workspace

log = logging.getLogger(__name__)
#: Between two renewals: progress is shown as often.
RENEW_S = 1.0
#: Renewals in the time that a lease lasts: that many may be lost.
RENEWALS = 5
#: The ending is looked for this often.
LOOK_S = 0.1
#: Work that must stop and has not reached its next step after so long is cut short. Less than
#: this machine's stack waits for a trainer (producer/stack/service_group.py).
GRACE_S = 3.0
#: Between two attempts to reach a Redis that is away.
RETRY_S = 0.5
FIRST_STAGE = "starting"
ENDING = "the trainer ends"


class Lease(threading.Thread):
    """Holds a request from `start` to `close`.

    `cut_short` ends this process, and with it work that does not stop by itself.
    """

    def __init__(
        self,
        requests: RequestLedger,
        folder: Workspace,
        request_id: str,
        fence: int,
        lease_s: float,
        ending: ShutdownNotice,
        cut_short: Callable[[], None],
    ) -> None:
        super().__init__(name="hangtag-lease", daemon=True)
        self._requests, self._folder = requests, folder
        self._id, self._fence = request_id, fence
        self._interval_s = min(RENEW_S, lease_s / RENEWALS)
        self._ending, self._cut_short = ending, cut_short
        self._progress = Progress(FIRST_STAGE)
        self._closed = threading.Event()
        self.standing = RenewalVerdict.OK  #: as last heard
        self.why = ""  #: the work must stop, if it must

    def tell(self, progress: Progress) -> None:
        """Say how far the work is, with the next renewal. Raises Stopped if it must end."""
        self._progress = progress
        self._look_for_ending()
        self.check()

    def check(self) -> None:
        """Raises Stopped if the work must end."""
        if self.why:
            raise RequestStopped(self.why)

    def confirm(self) -> None:
        """Raises Stopped unless Redis and the store say at this moment that the request is ours.

        While Redis is away it waits: without it nothing may become visible.
        """
        while True:
            self.check()
            if self._renew():
                break
            self._ending.is_sent(RETRY_S)
            self._look_for_ending()
        if self.standing is RenewalVerdict.OK and not self._folder.holds(self._fence):
            self._end(RenewalVerdict.LOST)
        self.check()

    def run(self) -> None:
        due = time.monotonic()
        while not self._closed.wait(LOOK_S) and not self.why:
            self._look_for_ending()
            if time.monotonic() >= due:
                due = time.monotonic() + self._interval_s
                self._renew()
        if not self._closed.wait(GRACE_S):
            log.warning("request %s: the work does not stop by itself", self._id)
            self.release()
            self._cut_short()

    def release(self) -> None:
        """Give the request back, if it is only that this trainer ends."""
        if self.standing is RenewalVerdict.OK:
            try:
                self._requests.release(self._id, self._fence)
            except (RedisError, BadMessage, BrokerRefuses) as error:
                log.debug("request %s is not given back: %s", self._id, error)

    def close(self) -> None:
        """End the thread. What became of the request is told by others."""
        self._closed.set()
        if self.is_alive():
            self.join()

    def _renew(self) -> bool:
        """Whether Redis has answered."""
        try:
            standing = self._requests.renew(self._id, self._fence, self._progress)
        except (RedisError, BrokerRefuses) as error:  # who is refused its parent ends
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

    def _look_for_ending(self) -> None:
        if not self.why and self._ending.is_sent():
            self.why = ENDING


def end_process() -> None:
    """End this process without a word to anybody; its parent makes a new one."""
    os._exit(0)
