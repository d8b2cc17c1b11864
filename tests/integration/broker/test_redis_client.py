"""The Redis client tells refusals from other errors by the error itself."""

from __future__ import annotations

from redis.exceptions import AuthenticationError

from shared.broker.redis_client import Client
from tests.support.servers.redis_server import RedisServer


def test_a_refusal_that_is_being_handled_says_nothing_about_the_next_command(
    server: RedisServer,
) -> None:
    """A script that the server does not know yet is loaded, also while something is cleaned up."""
    client = Client.from_url(server.url)
    script = client.register_script("return 7")
    try:
        raise AuthenticationError("WRONGPASS")
    except AuthenticationError:
        assert script() == 7
    client.close()
