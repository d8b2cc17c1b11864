"""The client that submits requests to the owner of the store, through Redis."""

from __future__ import annotations

import getpass
import os
import socket
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress

import redis
from redis.exceptions import RedisError

from producer.stack import stack
from shared import keys
from shared.broker import address
from shared.broker.message_filter import TRAIN_TASK
from shared.broker.redis_client import connect
from shared.broker.runtime_paths import broker_url
from shared.errors import BadMessage, BrokerAway, UsageError
from shared.ledger import heartbeats
from shared.ledger.request_ledger import RequestLedger
from shared.ledger.request_states import RequestState, RequestView
from shared.messages.batch import new_id
from shared.messages.model_name import NAME
from shared.messages.requests import REQUEST_ID, Request, Work, decode_request, encode_request
from shared.messages.training import FASHION_MNIST
from shared.settings import Settings
from shared.stop import Waits, unstoppable

ROLE = "producer"


class RequestClient:
    """Every method raises redis.exceptions.RedisError when the server is unreachable or full, and
    Stopped as `waits` say."""

    def __init__(self, settings: Settings, waits: Waits | None = None) -> None:
        from shared.broker.celery_app import make_app  # slow to import, and readers need none

        url, waits = broker_url(settings), waits or unstoppable()
        self.client = connect(url, ROLE, waits=waits)
        self._app = make_app(url, ROLE, waits=waits)
        # Its own: those of Celery's pools are shared by all applications of a process.
        self._connection = self._app.connection_for_write()
        self._producer = self._app.amqp.Producer(self._connection)
        self.requests = RequestLedger(self.client, settings.lease_s)

    def submit(self, request: Request, input: bytes | None = None) -> bool:
        """Submit a request and send its hint; False if Redis had it already.

        Raises:
            UsageError: other work has this id.
        """
        from shared.broker.celery_app import send_hint

        new = self.requests.submit(request, input)
        send_hint(self._app, TRAIN_TASK, keys.TRAIN_QUEUE, request.id, producer=self._producer)
        return new

    def get(self, request_id: str) -> RequestView | None:
        """The current state of a request; None if Redis does not have it."""
        return self.requests.get(request_id)

    def running(self) -> Iterator[RequestView]:
        """The requests that a trainer works on, oldest first."""
        for request_id in self.requests.open():
            with suppress(BadMessage):  # damaged
                view = self.get(request_id)
                if view is not None and view.state is RequestState.RUNNING:
                    yield view

    def has_trainer(self) -> bool:
        """Whether a trainer is alive."""
        return has_trainer(self.client)

    def close(self) -> None:
        """Close its connections."""
        self._connection.release()
        self.client.close()


def has_trainer(client: redis.Redis) -> bool:
    """Whether a trainer is alive. Raises RedisError."""
    return any(beat.queue == keys.TRAIN_QUEUE for beat in heartbeats.alive(client))


@contextmanager
def opened(settings: Settings, waits: Waits | None = None) -> Iterator[RequestClient]:
    """A client of the configured broker, or of this machine's stack, which is started if needed.

    Raises:
        SetupError: the stack does not start.
        Stopped: as `waits` say.
    """
    stack.ensure(settings, waits)
    with closing(RequestClient(settings, waits)) as client:
        yield client


@contextmanager
def broker_errors(settings: Settings) -> Iterator[None]:
    """Raise BrokerAway, with what to do, if Redis is unreachable."""
    try:
        yield
    except RedisError as error:
        url = address.redacted(settings.redis_url)
        line = f"Redis at {url} does not answer ({error}); start it, or unset HANGTAG_REDIS_URL"
        if not url:
            line = f"this machine's stack does not answer ({error}); remove it with: hangtag down"
        raise BrokerAway(line) from error


def make_request(work: Work, request_id: str = "") -> Request:
    """A request by this user, with a new id if none is given.

    Raises:
        UsageError: the id or a field of the work is invalid.
    """
    request = Request(request_id or new_id(), work, user_name(), time.time())
    if not REQUEST_ID.fullmatch(request.id):
        line = f"{request.id!r:.80} cannot be the id of a request; use letters, digits and -._"
        raise UsageError(line)
    name = getattr(work, "name", FASHION_MNIST)
    if not NAME.fullmatch(name):
        raise UsageError(f"{name!r:.80} cannot be a model; use small letters and digits")
    try:
        return decode_request(encode_request(request))  # as every trainer does
    except BadMessage as error:
        raise UsageError(f"{error}; check its value") from None


def user_name() -> str:
    """This user, for the history, as user@host."""
    try:
        user = getpass.getuser()
    except (OSError, KeyError):  # a container may run as a number without a name
        user = str(os.getuid())
    return f"{user}@{socket.gethostname()}"
