"""A Redis client that tells a server that refuses us from one that is away.

Everywhere in Hangtag a `redis.exceptions.RedisError` is something to wait for. What waiting does
not change is a `BrokerRefuses` instead, so that it comes through to whoever ends.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import redis
from redis.client import Pipeline
from redis.credentials import CredentialProvider
from redis.exceptions import AuthenticationError, RedisError

from shared.access import Address
from shared.errors import SetupError
from shared.refusal import refused


class Credentials(CredentialProvider):
    """User and password, for each connection anew; neither is in anything that is shown."""

    def __init__(self, address: Address) -> None:
        self._address = address

    def get_credentials(self) -> Any:
        """What AUTH is given; nothing where there is no password."""
        try:
            return self._address.credentials()
        except SetupError as error:  # it was there at the start
            raise AuthenticationError(str(error)) from error

    def __repr__(self) -> str:
        return f"Credentials({self._address})"

    def __json__(self) -> str:
        """What a worker tells a monitor, among its connection's options."""
        return repr(self)


class Client(redis.Redis):
    """As redis.Redis. Every command may raise BrokerRefuses."""

    def execute_command(self, *args: Any, **options: Any) -> Any:
        with _told_apart():
            return super().execute_command(*args, **options)  # type: ignore[no-untyped-call]

    def pipeline(self, transaction: bool = True, shard_hint: str | None = None) -> Pipeline:
        return _Pipeline(self.connection_pool, self.response_callbacks, transaction, shard_hint)


class _Pipeline(Pipeline):
    def immediate_execute_command(self, *args: Any, **options: Any) -> Any:
        with _told_apart():
            return super().immediate_execute_command(  # type: ignore[no-untyped-call]
                *args, **options
            )

    def execute(self, raise_on_error: bool = True) -> Any:
        with _told_apart():
            return super().execute(raise_on_error)

    def annotate_exception(self, exception: Any, number: Any, command: Any) -> None:
        # Command and key only: the original converts all arguments to text before it cuts it to
        # 100 characters, which takes 8 s and 1 GB for 50 MiB of images.
        super().annotate_exception(exception, number, command[:2])  # type: ignore[no-untyped-call]


@contextmanager
def _told_apart() -> Iterator[None]:
    handled = sys.exception()  # it says nothing about the command that follows
    try:
        yield
    except RedisError as error:
        found = refused(error, handled)
        if found is None:
            raise
        raise found from error
