"""Kombu's Redis transport, cut down to what hints need: its keys, its password, its faults.

A worker hears nothing but its queue, unless it may be looked at: then also what a monitor asks.

Messages are hints: one that is lost is sent again, so giving one up is always the right answer. Two
faults that would end a worker were seen with kombu 5.7.0; a test of each is in tests/.
"""

from __future__ import annotations

import logging
import time
from queue import Empty
from typing import Any, Self

from celery.app.amqp import AMQP
from kombu import Connection
from kombu.transport import redis, virtual
from kombu.utils.json import dumps
from redis.exceptions import RedisError

from shared import keys
from shared.broker.message_filter import QUEUES, sanitized
from shared.broker.remote_channel import RemoteChannel
from shared.broker.wrong_type import is_foreign, remove
from shared.errors import BadMessage
from shared.failpoints import failpoint
from shared.log_limit import LogLimit

#: The transport option that holds the credentials.
CREDENTIALS = "credentials"
#: The transport option that says what is heard beside hints: beginnings of names.
HEARS = "hears"
#: The others. One list for each queue: no hint is more urgent than another.
OPTIONS = {"fanout_prefix": keys.PREFIX + "{db}.", "priority_steps": [0]}
log = logging.getLogger(__name__)
_junk = LogLimit(log)
_heard_at = 0.0
_ANSWERS = keys.ANSWERS.encode()


class UnstartedHints(virtual.QoS):
    """What a worker has received and not begun, in its own memory alone.

    kombu's own keeps a copy of each message in Redis for an hour, to send it again: two round
    trips for each, a key that anybody may fill with rubbish, and none of it is needed.
    """

    def restore_unacked_once(self, stderr: Any = None) -> None:
        """A channel that closes gives its hints back; with the server away they are given up."""
        try:
            super().restore_unacked_once(stderr)
        except Exception as error:
            log.warning("hints in hand were not given back: %r", error)
            (self._delivered or {}).clear()

    def restore_unacked(self) -> None:
        """Put them back where they would be taken next."""
        self._flush()  # type: ignore[attr-defined]
        delivered: dict[str, Any] = self._delivered or {}
        for message in reversed(delivered.values()):
            self.channel._restore(message)
        delivered.clear()


class HintChannel(RemoteChannel):
    """A channel that survives whatever else was pushed into its queue."""

    QoS = UnstartedHints  # type: ignore[assignment]
    # Names of its own keys, below the prefix that all keys of Hangtag have.
    keyprefix_queue = keys.PREFIX + "binding:%s"
    keyprefix_binding_permanent = keys.PREFIX + "binding:permanent:%s"
    keyprefix_binding_deadlines = keys.PREFIX + "binding:deadlines"

    def _connparams(self, asynchronous: bool = False) -> dict[str, Any]:
        """As kombu's; the password comes from here and is in no URL, which would be shown."""
        params: dict[str, Any] = super()._connparams(asynchronous)  # type: ignore[misc]
        connection: Any = self.connection.client
        params["credential_provider"] = connection.transport_options[CREDENTIALS]
        return {k: v for k, v in params.items() if k not in ("username", "password")}

    def basic_consume(self, queue: str, *args: Any, **kwargs: Any) -> Any:
        """Not from what workers would tell each other, which anybody can tell them, too."""
        connection: Any = self.connection.client
        if queue in QUEUES or queue.startswith(connection.transport_options[HEARS]):
            return super().basic_consume(queue, *args, **kwargs)
        return None

    def _create_client(self, asynchronous: bool = False) -> Any:
        client = super()._create_client(asynchronous)  # type: ignore[misc]
        client.set_response_callback("BRPOP", _admitted)
        return client

    def _brpop_read(self, **options: Any) -> Any:
        """Where the queue is no list, make room for one; Celery would begin anew each time."""
        try:
            return super()._brpop_read(**options)  # type: ignore[misc]
        except RedisError as error:
            if not is_foreign(error):
                raise
            with self.conn_or_acquire() as client:
                gone = remove(client, dict.fromkeys(self.active_queues, "list"))
            log.error("deleted from Redis, as it was not Hangtag's: %s", ", ".join(gone))
            raise Empty from error

    def _restore(self, message: Any, leftmost: bool = False) -> None:
        queue = message.delivery_info["routing_key"]
        with self.conn_or_acquire() as client:
            client.rpush(queue, dumps(message._raw))
        failpoint("hint.given-back")


def hears(events: bool, monitors: bool) -> tuple[str, ...]:
    """For the option HEARS: a worker that may be looked at hears commands, a monitor all else."""
    if not events:
        return ()
    return (keys.EVENTS, keys.ANSWERS) if monitors else (keys.INBOX,)


def last_receipt() -> float:
    """When this process last took something from a queue (monotonic); 0.0 if it never has."""
    return _heard_at


def _admitted(answer: Any, **_: Any) -> tuple[bytes, bytes] | None:
    """What BRPOP has popped, if it is a hint. None is what it answers when there is nothing."""
    _junk.flush()
    if not answer:
        return None
    global _heard_at
    _heard_at = time.monotonic()
    source, raw = answer
    if source.startswith(_ANSWERS):  # which only a monitor takes
        return source, raw
    try:
        return source, sanitized(source, raw)
    except BadMessage as error:
        _junk.error(f"a message that is no hint was dropped: {error}")
        return None


def install() -> None:
    """Use it for every connection of this process."""
    redis.Transport.Channel = HintChannel


#: The first wait, and by how much each is longer than the one before.
STEP_S = 0.5
#: A look costs one refused connection.
LONGEST_S = 2.0


class HintConnection(Connection):
    """Looks every 2 s, however long the server is away."""

    def ensure_connection(self, *args: Any, **kwargs: Any) -> Self:
        """As kombu's, with other intervals unless the caller names some."""
        waits = {"interval_start": STEP_S, "interval_step": STEP_S, "interval_max": LONGEST_S}
        return super().ensure_connection(*args, **{**waits, **kwargs})


class HintAMQP(AMQP):
    """The part of a Celery application that makes its connections."""

    Connection = HintConnection
