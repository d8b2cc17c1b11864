"""Takes requests of one store, and runs each under a lease."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import redis

from shared.broker.runtime_paths import log_path
from shared.errors import Unavailable
from shared.ledger.request_ledger import RequestLedger
from shared.messages.requests import Request
from shared.registry.registry import Registry
from shared.settings import Settings
from worker.requests.lease import Lease
from worker.requests.long_work import LongWork, is_long
from worker.requests.outcomes import unwritten
from worker.requests.runner import LEFT, RequestRunner, Resources
from worker.requests.shutdown import ShutdownNotice
from worker.requests.workspace import Workspace

log = logging.getLogger(__name__)


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
        self._requests = RequestLedger(client, settings.lease_s)
        # A trainer at a broker logs to its standard error, whose file is unknown.
        log_file = "" if settings.redis_url else str(log_path(settings))
        registry = Registry(settings.store_path)
        self._common = Resources(settings, client, self._requests, registry, shutdown, log_file)

    def take(self, request_id: str) -> str:
        """Run the request of a hint, if it is claimable. Returns LEFT, ANSWERED or the verdict.

        Long work is left if another process of this trainer has some; its hint is repeated.

        Raises:
            BadMessage: the id, or its value in Redis, does not have the agreed form.
            redis.exceptions.RedisError: the server is unreachable; no work was started.
        """
        view = self._requests.get(request_id)
        if view is None or not is_long(view.request.work):
            return self._take(request_id)
        if not self._long_work.begin():
            return LEFT
        try:
            return self._take(request_id)
        finally:
            self._long_work.end()

    def _take(self, request_id: str) -> str:
        folder = Workspace(self._common.settings.store_path, request_id)
        grant = self._requests.claim(request_id, self._owner, folder.fence)
        if grant.request is None:
            return grant.verdict
        try:
            if not folder.enter(grant):
                raise Unavailable(f"request {request_id} was taken over by another trainer")
        except Unavailable as error:
            log.warning("%s", error)
            self._requests.release(request_id, grant.fence)
            return LEFT
        except OSError as error:
            # No outcome: the store would start the request again once it can be read.
            progress = unwritten(error)
            log.warning("request %s waits: %s", request_id, progress.fault)
            self._requests.renew(request_id, grant.fence, progress)
            self._requests.release(request_id, grant.fence)
            return LEFT
        with self._lease(folder, grant.request, grant.fence) as lease:
            return RequestRunner(self._common, lease, folder, grant, grant.request).run()

    @contextmanager
    def _lease(self, folder: Workspace, request: Request, fence: int) -> Iterator[Lease]:
        lease = Lease(
            self._requests,
            folder,
            request.id,
            fence,
            self._common.settings.lease_s,
            self._common.shutdown,
            self._cut_short,
        )
        lease.start()
        try:
            yield lease
        except SystemExit:  # only this process ends, not the trainer
            lease.release()
            raise
        finally:
            lease.close()
