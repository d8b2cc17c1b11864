"""Kombu's Redis transport, reduced to what hints need.

A worker consumes only its queues, and sends no events: nothing receives them.

Messages are hints: a lost hint is sent again, so dropping one is always safe. Two faults of kombu
5.7.0 would end a worker; tests/ has a test for each.
"""

from __future__ import annotations

import logging
import time
from typing import Any, Self

from celery.app.amqp import AMQP
from kombu import Connection
from kombu.transport import redis, virtual
from kombu.utils.json import dumps

from shared.broker.message_filter import QUEUES, sanitized
from shared.broker.stoppable import WAITS, stoppable
from shared.errors import BadMessage
from shared.failpoints import failpoint
from shared.logs import LogLimit

#: The transport option that holds the credentials.
CREDENTIALS = "credentials"
#: The other options. One list for each queue: all hints have the same priority.
OPTIONS = {"priority_steps": [0]}
log = logging.getLogger(__name__)
_junk = LogLimit(log, repeats=True)
_received_at = 0.0


class UnstartedHints(virtual.QoS):
    """The hints that a worker has received and not started, in its memory only.

    kombu's class stores a copy of each message in Redis for an hour, to send it again. That takes
    two round trips for each message and a key that other clients can corrupt, for no benefit.
    """

    def restore_unacked_once(self, stderr: Any = None) -> None:
        """Return the hints of a channel that closes; drop them if the server is unreachable."""
        try:
            super().restore_unacked_once(stderr)
        except Exception as error:
            log.warning("unstarted hints were not returned to the queue: %r", error)
            (self._delivered or {}).clear()

    def restore_unacked(self) -> None:
        """Return the hints to the end of the queue that is consumed next."""
        self._flush()  # type: ignore[attr-defined]
        delivered: dict[str, Any] = self._delivered or {}
        for message in reversed(delivered.values()):
            self.channel._restore(message)
        delivered.clear()


class HintChannel(redis.Channel):
    """A channel that survives foreign messages in its queue. It keeps no tables of queues in Redis,
    which another client could change: a hint goes to the queue that its exchange is named like."""

    QoS = UnstartedHints  # type: ignore[assignment]

    def _connparams(self, asynchronous: bool = False) -> dict[str, Any]:
        """Like kombu's, but without a password in the URL, which may be logged."""
        params: dict[str, Any] = super()._connparams(asynchronous)  # type: ignore[misc]
        connection: Any = self.connection.client
        options = connection.transport_options
        params["credential_provider"] = options[CREDENTIALS]
        if WAITS in options:
            params[WAITS] = options[WAITS]
            params["connection_class"] = stoppable(params["connection_class"])
        return {k: v for k, v in params.items() if k not in ("username", "password")}

    def basic_consume(self, queue: str, *args: Any, **kwargs: Any) -> Any:
        """Skip the channels between workers: any client could publish there."""
        return super().basic_consume(queue, *args, **kwargs) if queue in QUEUES else None

    def _queue_bind(self, *_: Any) -> None:
        """`_lookup` needs no table."""

    def _lookup(self, exchange: str, routing_key: str, default: Any = None) -> list[str]:
        return [exchange]  # Celery gives each queue an exchange of its name

    def _delete(self, *_: Any, **__: Any) -> None:
        """The queues of the channels between workers exist in memory only."""

    def _put_fanout(self, *_: Any, **__: Any) -> None:
        """Drop an event, which Celery's own command line sends."""

    def _create_client(self, asynchronous: bool = False) -> Any:
        client = super()._create_client(asynchronous)  # type: ignore[misc]
        client.set_response_callback("BRPOP", _admitted)
        return client

    def _size(self, queue: str) -> int:
        return super()._size(queue) if queue in QUEUES else 0

    def _restore(self, message: Any, leftmost: bool = False) -> None:
        queue = message.delivery_info["routing_key"]
        with self.conn_or_acquire() as client:
            client.rpush(queue, dumps(message._raw))
        failpoint("hint.given-back")


def last_receipt() -> float:
    """When this process last received a message from a queue (monotonic); 0.0 if never."""
    return _received_at


def _admitted(answer: Any, **_: Any) -> tuple[bytes, bytes] | None:
    """The reply to BRPOP, if it is a hint; None as for an empty queue."""
    _junk.flush()
    if not answer:
        return None
    global _received_at
    _received_at = time.monotonic()
    source, raw = answer
    try:
        return source, sanitized(source, raw)
    except BadMessage as error:
        _junk.error(f"dropped a message that is not a hint: {error}")
        return None


class HintTransport(redis.Transport):
    """The transport of a connection that is in none of kombu's pools."""

    Channel = HintChannel


def install() -> None:
    """Make kombu use HintChannel for every connection of this process, also in its pools."""
    redis.Transport.Channel = HintChannel


#: The first wait between attempts, and the increment for each further one.
STEP_S = 0.5
#: An attempt costs one refused connection.
LONGEST_S = 2.0


class HintConnection(Connection):
    """Retries every 2 s while the server is unreachable."""

    def get_transport_cls(self) -> type[HintTransport]:
        return HintTransport

    def ensure_connection(self, *args: Any, **kwargs: Any) -> Self:
        """Like kombu's, with other default intervals."""
        waits = {"interval_start": STEP_S, "interval_step": STEP_S, "interval_max": LONGEST_S}
        return super().ensure_connection(*args, **{**waits, **kwargs})


class HintAMQP(AMQP):
    """The part of a Celery application that opens its connections."""

    Connection = HintConnection
