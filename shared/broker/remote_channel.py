"""Messages between a monitor and workers: publish-subscribe channels, and reply lists that expire.

kombu would keep a table of queues for each exchange, under keys of its own, and a script that
cleans it up. Neither is needed: Redis knows a channel's subscribers, a reply goes to one list, and
a hint to the queue that its exchange is named like.
"""

from __future__ import annotations

import logging
from typing import Any

from kombu.transport import redis
from kombu.utils.encoding import bytes_to_str
from kombu.utils.json import dumps, loads

from shared import keys
from shared.broker import remote_control
from shared.broker.message_filter import QUEUES
from shared.errors import BadMessage, bounded
from shared.log_limit import LogLimit

log = logging.getLogger(__name__)
_junk = LogLimit(log)
_UNFIT = (BadMessage, KeyError, ValueError, TypeError, RecursionError)


class RemoteChannel(redis.Channel):
    """A channel without tables in Redis, which another client could change, that validates
    commands."""

    # kombu's attributes, which have no types.
    connection_errors: tuple[type[Exception], ...]
    _fanout_queues: dict[str, tuple[str, str]]
    _fanout_to_queue: dict[str, str]

    def _new_queue(self, queue: str, **kwargs: Any) -> None:
        if queue.startswith(keys.REMOTE):
            kwargs = {"auto_delete": kwargs.get("auto_delete", False)}
        super()._new_queue(queue, **kwargs)

    def _queue_bind(self, exchange: str, routing_key: str, pattern: str, queue: str) -> None:
        if not queue.startswith(keys.REMOTE):
            return  # `_lookup` knows where hints go
        if exchange != remote_control.ANSWERS:  # an answer has a list of its own
            # The pattern of a channel of Redis, where a star stands for any words.
            self._fanout_queues[queue] = (exchange, routing_key.replace("#", "*"))

    def _lookup(self, exchange: str, routing_key: str, default: Any = None) -> Any:
        if exchange == remote_control.ANSWERS:
            return [keys.ANSWERS + routing_key]
        if exchange in QUEUES:
            return [exchange]  # Celery gives each queue an exchange of its name
        return super()._lookup(exchange, routing_key, default)

    def _put(self, queue: str, message: Any, **kwargs: Any) -> None:
        if not queue.startswith(keys.ANSWERS):
            super()._put(queue, message, **kwargs)
            return
        # Atomic: a worker that dies in between would leave the list for ever.
        with self.conn_or_acquire() as client, client.pipeline(transaction=True) as pipe:
            pipe.lpush(queue, dumps(message))
            pipe.pexpire(queue, remote_control.ANSWER_TTL_MS)
            pipe.execute()

    def _size(self, queue: str) -> int:
        return 0 if queue.startswith(keys.REMOTE) else super()._size(queue)

    def _delete(self, queue: str, *args: Any, **kwargs: Any) -> None:
        if not queue.startswith(keys.REMOTE):
            super()._delete(queue, *args, **kwargs)
        elif queue.startswith(keys.ANSWERS):
            with self.conn_or_acquire(kwargs.get("client")) as client:
                client.delete(queue)

    def _receive_one(self, c: Any) -> bool:
        """Like kombu's, for channels with other names."""
        try:
            response = c.parse_response()
        except self.connection_errors:
            self._in_listen = None
            raise
        if not isinstance(response, list | tuple):
            return False
        received = self._handle_message(c, response)  # type: ignore[attr-defined]
        if not bytes_to_str(received["type"]).endswith("message"):
            return False
        channel = bytes_to_str(received["channel"]).removeprefix(self.keyprefix_fanout)
        return self._deliver_checked(channel.partition("/")[0], received["data"])

    def _deliver_checked(self, exchange: str, data: bytes) -> bool:
        """Validate a command before kombu parses it. Only a monitor receives anything else."""
        try:
            message = (
                remote_control.sanitized(data)
                if exchange == remote_control.COMMANDS
                else loads(data)
            )
            queue = self._fanout_to_queue[exchange]
        except _UNFIT as error:
            _junk.error(f"a command or an event was dropped: {bounded(str(error))}")
            return False
        self.connection._deliver(message, queue)
        return True
