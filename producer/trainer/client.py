"""The client that submits requests to the owner of the store."""

from __future__ import annotations

import getpass
import os
import socket
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress

import redis
from redis.exceptions import RedisError

from producer.machine import stack
from producer.machine.workers import ROLE, broker_errors, has_trainer
from shared import keys
from shared.broker.message_filter import TRAIN_TASK
from shared.broker.redis_client import GLANCE_TIMEOUT_S, connect
from shared.broker.runtime_paths import broker_url, socket_path, stack_id
from shared.errors import BadMessage, UsageError
from shared.ledger.request_inbox import RequestInbox
from shared.ledger.request_store import RequestFolder, RequestState, RequestView, folders
from shared.messages import model_name
from shared.messages.batch import new_id
from shared.messages.requests import REQUEST_ID, Request, Work, decode_request, encode_request
from shared.messages.training import FASHION_MNIST
from shared.settings import Settings
from shared.stop import Waits, unstoppable


class Requests:
    """The requests of the broker in use, or of this machine's store.

    At a broker every method raises redis.exceptions.RedisError when it is unreachable or full. Each
    raises BadMessage for a request that cannot be read.
    """

    def __init__(self, settings: Settings, client: redis.Redis) -> None:
        self.client, self._settings = client, settings
        self._inbox = RequestInbox(client)

    def get(self, request_id: str) -> RequestView | None:
        """The current state of a request; None if there is none. Without a server the state of one
        of this machine lacks the progress."""
        if self._settings.redis_url:
            return self._inbox.get(request_id)
        view = stored(self._settings, request_id).view()
        if view is not None and view.is_open and socket_path(self._settings).exists():
            with suppress(RedisError):
                return self._inbox.reported(view)
        return view

    def ids(self) -> list[str]:
        """Ids of the open requests, in any order."""
        if self._settings.redis_url:
            return self._inbox.ids()
        return [folder.id for folder in folders(self._settings.store_path) if folder.is_open]

    def running(self) -> Iterator[RequestView]:
        """The requests that a trainer works on."""
        for request_id in self.ids():
            with suppress(BadMessage):  # damaged
                view = self.get(request_id)
                if view is not None and view.state is RequestState.RUNNING:
                    yield view

    def cancel(self, request_id: str) -> None:
        """Cancel an open request. Raises SetupError: the store cannot be written."""
        if self._settings.redis_url:
            self._inbox.cancel(request_id)
        else:
            stored(self._settings, request_id).cancel()

    def file(self, request_id: str, name: str) -> bytes:
        """A plot of an outcome. Raises SetupError: it has expired."""
        if self._settings.redis_url:
            return self._inbox.file(request_id, name)
        return stored(self._settings, request_id).file(name)


class RequestClient(Requests):
    """Submits requests, too. Every method raises Stopped as `waits` say."""

    def __init__(self, settings: Settings, waits: Waits | None = None) -> None:
        from shared.broker.celery_app import make_app  # slow to import, and readers need none

        url, waits = broker_url(settings), waits or unstoppable()
        super().__init__(settings, connect(url, ROLE, waits=waits))
        self._app = make_app(url, ROLE, waits=waits)
        # Its own: those of Celery's pools are shared by all applications of a process.
        self._connection = self._app.connection_for_write()
        self._producer = self._app.amqp.Producer(self._connection)

    def submit(self, request: Request, input: bytes | None = None) -> bool:
        """Submit a request and send its hint; False if there was one with this id and work.

        Raises:
            UsageError: other work has this id.
            SetupError, Unavailable: the store cannot be written.
        """
        from shared.broker.celery_app import send_hint

        if self._settings.redis_url:
            new = self._inbox.submit(request, input)
        else:
            given_to = stack_id(self._settings)
            new = stored(self._settings, request.id).submit(request, input, given_to)
        send_hint(self._app, TRAIN_TASK, keys.TRAIN_QUEUE, request.id, producer=self._producer)
        return new

    def has_trainer(self) -> bool:
        """Whether a trainer is alive."""
        return has_trainer(self.client)

    def close(self) -> None:
        """Close its connections."""
        self._connection.release()
        self.client.close()


def stored(settings: Settings, request_id: str) -> RequestFolder:
    """A request of this machine's store. Raises BadMessage: the id is invalid."""
    return RequestFolder(settings.store_path, request_id)


@contextmanager
def read(settings: Settings, waits: Waits | None = None) -> Iterator[Requests]:
    """The requests, without starting this machine's stack.

    Raises:
        BrokerAway: the broker does not answer.
        Stopped: as `waits` say.
    """
    with (
        broker_errors(settings),
        connect(broker_url(settings), "status", GLANCE_TIMEOUT_S, waits) as client,
    ):
        yield Requests(settings, client)


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


def make_request(work: Work, request_id: str = "") -> Request:
    """A request by this user, with a new id if none is given.

    Raises:
        UsageError: the id or a field of the work is invalid.
    """
    request = Request(request_id or new_id(), work, user_name(), time.time())
    if not REQUEST_ID.fullmatch(request.id):
        line = f"{request.id!r:.80} cannot be the id of a request; use letters, digits and -._"
        raise UsageError(line)
    model_name.checked(getattr(work, "name", FASHION_MNIST))
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
