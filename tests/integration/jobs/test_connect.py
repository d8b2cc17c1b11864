"""How a job that waits for its connection ends."""

from __future__ import annotations

from typing import Any
from unittest import mock

import pytest

from producer.dispatch.attempt import Attempt
from producer.jobs.connect import Connector
from producer.present.events import Events
from producer.stack.stack import BrokerSession
from shared.errors import StillOpen
from shared.settings import Settings
from shared.stop import unstoppable
from tests.support.servers.redis_server import RedisServer


def test_a_job_whose_stack_was_stopped_meanwhile_can_be_resumed(server: RedisServer) -> None:
    """As one that runs already: no error of the set-up."""
    server.client.config_set("maxmemory", 1)  # it replies, and is not ready
    session = mock.Mock(spec=BrokerSession, over=True)
    attempt = Attempt(Settings(redis_url=server.url), Events(), unstoppable(), session)
    job: Any = mock.Mock(has_started=False, replaced=["an-earlier-job"])
    with (
        mock.patch("producer.jobs.connect.pin", side_effect=lambda c, *_: c.set("a", "b")),
        pytest.raises(StillOpen, match="stopped with hangtag down; run the same command"),
    ):
        Connector(attempt, job).queue()
