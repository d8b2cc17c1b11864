"""A Redis client that raises BrokerRefuses for refusals of access, and RedisError for outages.

Callers retry a `redis.exceptions.RedisError`. Authentication, permission and TLS errors do not pass
by waiting, so they propagate to the top of the command.
"""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import redis
from redis.backoff import ExponentialBackoff
from redis.client import Pipeline
from redis.credentials import CredentialProvider
from redis.exceptions import AuthenticationError, RedisError
from redis.retry import Retry

from shared.broker.access_errors import access_error
from shared.broker.address import SOCKET, Address, address_of
from shared.broker.stoppable import WAITS, stoppable
from shared.errors import ForeignKey, SetupError, is_foreign
from shared.stop import Waits


class Credentials(CredentialProvider):
    """User and password, read again for each connection; neither appears in any text form."""

    def __init__(self, address: Address) -> None:
        self._address = address

    def get_credentials(self) -> Any:
        """The arguments of AUTH; empty without a password."""
        try:
            return self._address.credentials()
        except SetupError as error:  # the file was readable at the start
            raise AuthenticationError(str(error)) from error

    def __repr__(self) -> str:
        return f"Credentials({self._address})"


class Client(redis.Redis):
    """Like redis.Redis, but every command may raise BrokerRefuses."""

    def execute_command(self, *args: Any, **options: Any) -> Any:
        with _refusals_translated(args):
            return super().execute_command(*args, **options)  # type: ignore[no-untyped-call]

    def pipeline(self, transaction: bool = True, shard_hint: str | None = None) -> Pipeline:
        return _Pipeline(self.connection_pool, self.response_callbacks, transaction, shard_hint)


class _Pipeline(Pipeline):
    def immediate_execute_command(self, *args: Any, **options: Any) -> Any:
        with _refusals_translated(args):
            return super().immediate_execute_command(  # type: ignore[no-untyped-call]
                *args, **options
            )

    def execute(self, raise_on_error: bool = True) -> Any:
        with _refusals_translated():
            return super().execute(raise_on_error)

    def annotate_exception(self, exception: Any, number: Any, command: Any) -> None:
        # Command and key only: redis-py converts all arguments to text before it truncates to 100
        # characters, which takes 8 s and 1 GB for 50 MiB of images.
        super().annotate_exception(exception, number, command[:2])  # type: ignore[no-untyped-call]
        if is_foreign(exception):
            raise ForeignKey(_key(command)) from exception


def _key(command: Sequence[Any]) -> str:
    """The key of a command that has one."""
    key = command[-2] if command[0] == "XREAD" else command[1]  # XREAD ... STREAMS key id
    return key.decode(errors="replace") if isinstance(key, bytes) else str(key)


@contextmanager
def _refusals_translated(command: Sequence[Any] = ()) -> Iterator[None]:
    """Raise BrokerRefuses for refusals. The keys of scripts are named by the ledgers."""
    handled = sys.exception()  # not caused by the command that follows
    try:
        yield
    except RedisError as error:
        if is_foreign(error) and command and command[0] != "EVALSHA":
            raise ForeignKey(_key(command)) from error
        refusal = access_error(error, handled)
        if refusal is None:
            raise
        raise refusal from error


def answers(pipe: Pipeline) -> list[Any]:
    """The replies of a pipeline; None for a key of the wrong type. Raises every other error."""
    replies: list[Any] = pipe.execute(raise_on_error=False)
    for answer in replies:
        if isinstance(answer, Exception) and not is_foreign(answer):
            raise access_error(answer) or answer
    return [None if isinstance(answer, Exception) else answer for answer in replies]


def check_server(client: redis.Redis) -> None:
    """Refuse a server that evicts keys.

    Raises:
        SetupError: its eviction policy is not noeviction.
    """
    check_policy(client.info("memory"))


def check_policy(info: Mapping[str, object]) -> None:
    """Refuse a server whose `info` says that it evicts keys. Raises as `check_server`."""
    policy = info.get("maxmemory_policy", "noeviction")
    if policy != "noeviction":
        raise SetupError(
            f"Redis evicts keys (maxmemory-policy {policy}), which would lose work; "
            "set it to noeviction, with: CONFIG SET maxmemory-policy noeviction"
        )


TIMEOUT_S = 15.0  #: for a reply; after that the connection counts as dead
CONNECT_TIMEOUT_S = 5.0
GLANCE_TIMEOUT_S = 3.0  #: for interactive commands


def connect(
    broker: Address | str, role: str, timeout_s: float = TIMEOUT_S, waits: Waits | None = None
) -> redis.Redis:
    """A client for the ledger. A dead connection is noticed after `timeout_s`; each of its commands
    may be one of `waits`.

    Every command raises redis.exceptions.RedisError if the server is unreachable or full, and
    BrokerRefuses if it denies access, and Stopped if its work is to end.

    Raises:
        SetupError: the broker's URL cannot be used.
    """
    address = address_of(broker)
    endpoint: dict[str, Any] = {"host": address.host, "port": address.port}
    if address.scheme == SOCKET:
        endpoint = {"unix_socket_path": address.path}
    elif tls := address.tls():
        endpoint |= {"ssl": True, **tls}
    client = Client(
        **endpoint,
        db=address.db,
        credential_provider=Credentials(address),
        socket_timeout=timeout_s,
        socket_connect_timeout=min(timeout_s, CONNECT_TIMEOUT_S),
        client_name=client_name(role),
        # Enough for a reset connection; callers report an outage soon. Timeouts are not retried
        # here: that would triple the time until the caller learns of the outage.
        retry=Retry(ExponentialBackoff(cap=0.2, base=0.05), 2, (redis.ConnectionError,)),
    )
    if waits is not None:
        pool = client.connection_pool
        pool.connection_class = stoppable(pool.connection_class)
        pool.connection_kwargs[WAITS] = waits
    return client


def connect_briefly(broker: Address | str, role: str) -> redis.Redis:
    """A client for an interactive command, which reports an unresponsive server soon."""
    return connect(broker, role, GLANCE_TIMEOUT_S)


def client_name(role: str) -> str:
    """The name of a connection on the server: hangtag-ROLE-HOST-PID, without spaces."""
    return f"hangtag-{role}-{socket.gethostname()}-{os.getpid()}".replace(" ", "_")
