"""Two faults of kombu's Redis transport that would end a worker, and what happens instead.

Messages are hints: one that is lost is sent again, so giving one up is always the right answer.
Seen with kombu 5.7.0; a test of each is in tests/.
"""

from __future__ import annotations

import logging
from queue import Empty
from typing import Any

from kombu.transport import redis

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

    def _brpop_read(self, **options: Any) -> Any:
        try:
            return super()._brpop_read(**options)  # type: ignore[misc]
        except _RUBBISH as error:
            log.error("a message that is no hint was dropped: %r", error)
            raise Empty from error


def install() -> None:
    """Use them for every connection of this process."""
    redis.Transport.Channel = HintChannel
