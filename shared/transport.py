"""Kombu's Redis transport as Hangtag uses it: its keys, its password, its faults.

Messages are hints: one that is lost is sent again, so giving one up is always the right answer. Two
faults that would end a worker were seen with kombu 5.7.0; a test of each is in tests/.
"""

from __future__ import annotations

import logging
from queue import Empty
from typing import Any

from kombu.transport import redis

from shared import keys

#: The transport option that holds the credentials.
CREDENTIALS = "credentials"
log = logging.getLogger(__name__)
#: What parsing and handing on a message that is none raises, of any form.
_RUBBISH = (ValueError, KeyError, TypeError, AttributeError, IndexError)


class HintsInHand(redis.QoS):
    """What a worker has received and not begun. A channel that closes gives it back.

    With the server away kombu fails to, with an AssertionError or AttributeError.
    """

    def restore_unacked_once(self, stderr: Any = None) -> None:
        try:
            super().restore_unacked_once(stderr)
        except Exception as error:
            log.warning("hints in hand were not given back: %r", error)
            (self._delivered or {}).clear()


class HintChannel(redis.Channel):
    """A channel that survives whatever else was pushed into its queue."""

    QoS = HintsInHand
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

    def _brpop_read(self, **options: Any) -> Any:
        try:
            return super()._brpop_read(**options)  # type: ignore[misc]
        except _RUBBISH as error:
            log.error("a message that is no hint was dropped: %r", error)
            raise Empty from error


def names(role: str) -> dict[str, Any]:
    """Transport options: the keys of one kind of process, which others need not touch."""
    unacked = f"{keys.PREFIX}unacked:{role}"
    return {
        "unacked_key": unacked,
        "unacked_index_key": unacked + ":index",
        "unacked_mutex_key": unacked + ":mutex",
        "fanout_prefix": keys.PREFIX + "{db}.",
        "priority_steps": [0],  # one list for each queue: no hint is more urgent than another
    }


def install() -> None:
    """Use them for every connection of this process."""
    redis.Transport.Channel = HintChannel
