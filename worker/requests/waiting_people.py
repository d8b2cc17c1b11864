"""The requests of people go first: a trial stops while one of them waits."""

from __future__ import annotations

import logging

from redis.exceptions import RedisError

from shared.errors import BadMessage, BrokerRefuses
from shared.ledger.request_ledger import RequestLedger

log = logging.getLogger(__name__)


class WaitingPeople:
    """Polled by a trial in progress, about once a second."""

    def __init__(self, requests: RequestLedger) -> None:
        self._requests, self._seen = requests, ""

    def have_waited(self) -> bool:
        """Whether a person's request has waited since the poll before, so that no idle process of
        a trainer takes it."""
        before, self._seen = self._seen, self._waiting()
        return bool(self._seen) and self._seen == before

    def _waiting(self) -> str:
        try:
            return self._requests.waiting_for_a_person()
        except (RedisError, BadMessage, BrokerRefuses) as error:
            log.debug("whether people wait is unknown: %s", error)
            return ""
