"""The Redis client recognises refusals by the error itself, not by its context."""

from __future__ import annotations

from redis.exceptions import AuthenticationError

from shared.broker.redis_client import Client
from tests.support.servers.redis_server import RedisServer


def test_a_refusal_being_handled_does_not_affect_the_next_command(
    server: RedisServer,
) -> None:
    """An unknown script is loaded, also during cleanup after a refusal."""
    client = Client.from_url(server.url)
    script = client.register_script("return 7")
    try:
        raise AuthenticationError("WRONGPASS")
    except AuthenticationError:
        assert script() == 7
    client.close()
