"""How often a worker looks for a server that is away.

Celery leaves it to kombu, which waits 2 s longer each time, up to 30, and has no setting for it.
So a server that was away for a minute would be missed for another half.
"""

from __future__ import annotations

from typing import Any, Self

from celery.app.amqp import AMQP
from kombu import Connection

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
