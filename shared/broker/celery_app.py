"""Hangtag's configuration of Celery, and the sending of hints.

Messages are hints that may be lost or duplicated (the ledger and the reconciler recover), so they
are acknowledged early and Celery's redelivery is off.
"""

from __future__ import annotations

from typing import Any, cast
from urllib.parse import quote

import redis
from celery import Celery
from kombu import Producer, Queue
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from shared import keys
from shared.broker import transport
from shared.broker.access_errors import access_error
from shared.broker.address import SOCKET, Address, address_of
from shared.broker.redis_client import CONNECT_TIMEOUT_S, TIMEOUT_S, Credentials, client_name
from shared.broker.stoppable import WAITS
from shared.errors import ForeignKey, is_foreign
from shared.failpoints import failpoint
from shared.stop import Waits

_AMQP = "shared.broker.transport:HintAMQP"  # by name, since it is loaded with the first connection

_CONFIG: dict[str, object] = {
    "task_ignore_result": True,  # results travel in the job's stream
    "result_backend": None,  # would cost one key and one subscription for each task
    "task_acks_late": False,
    "task_serializer": "json",
    "accept_content": ["json"],  # never pickle
    "task_default_queue": keys.CLASSIFY_QUEUE,
    "task_queues": [Queue(keys.CLASSIFY_QUEUE)],  # `celery -A worker.app worker`: classify only
    "task_create_missing_queues": True,
    "task_publish_retry_policy": {"max_retries": 3, "interval_step": 0.2, "interval_max": 1},
    "worker_prefetch_multiplier": 2,
    "worker_enable_remote_control": False,  # write access to Redis must not control workers
    "worker_send_task_events": False,  # no consumer
    "worker_proc_alive_timeout": 120,  # the default of 4 s kills children that load slowly
    "worker_soft_shutdown_timeout": 60,
    # The last result of a dead child was read before its death was noticed. The default waits 10 s
    # for it; by then another worker holds the batch and the death is blamed on no image.
    "worker_lost_wait": 0.1,
    "worker_cancel_long_running_tasks_on_connection_loss": False,
    "worker_hijack_root_logger": True,
    "broker_connection_retry_on_startup": True,  # Redis may start after the worker
    "broker_connection_max_retries": None,  # the default gives up after 100
    "broker_channel_error_retry": True,  # a full Redis must not end the worker
}


def make_app(broker: Address | str, role: str, waits: Waits | None = None) -> Celery:
    """A Celery application; `role` names its connections on the server.

    With `waits` the work that sends hints may be stopped; its process may belong to another
    application, whose connections stay as they are.

    Raises:
        SetupError: the broker's URL cannot be used.
    """
    address = address_of(broker)
    if waits is None:
        transport.install()
    app = Celery("hangtag", broker=_celery_url(address), set_as_current=False, amqp=_AMQP)
    app.conf.update(_CONFIG)
    if tls := address.tls():
        # Without this, Celery accepts any certificate.
        app.conf.broker_use_ssl = tls
    app.conf.broker_transport_options = {
        "socket_timeout": TIMEOUT_S,
        "socket_connect_timeout": CONNECT_TIMEOUT_S,
        "socket_keepalive": address.scheme != SOCKET,
        "health_check_interval": 10,
        "client_name": client_name(role),
        **transport.OPTIONS,
        transport.CREDENTIALS: Credentials(address),
    }
    if waits is not None:
        # Without retries: they would be waits, and the caller retries.
        app.conf.broker_transport_options |= {WAITS: waits, "max_retries": 0}
    return app


def _celery_url(address: Address) -> str:
    """Without user and password: Celery writes its URL to its banner, its report and its log."""
    if address.scheme == SOCKET:
        return f"redis+socket://{quote(address.path)}?virtual_host={address.db}"
    return str(address)


class _NoResult:
    """Stands for a result, whose modules of Celery take 10 ms to import: nothing stores one."""

    ignored = True

    def __init__(self, task_id: str) -> None:
        """Nothing is known of the task."""


def send_hint(
    app: Celery, task: str, queue: str, *args: object, producer: Producer | None = None
) -> None:
    """Announce work, through this producer or one of Celery's. A lost hint causes a delay, a
    duplicate has no effect.

    Raises:
        redis.exceptions.RedisError: the server is unreachable or full.
        BrokerRefuses: it denies access.
    """
    try:
        app.send_task(
            task, args=args, queue=queue, retry=False, producer=producer, ignore_result=True,
            result_cls=cast(Any, _NoResult),
        )  # fmt: skip
        failpoint("hint.sent")
    except OperationalError as error:  # Celery wraps every server error in it
        if refusal := access_error(error):
            raise refusal from error
        if is_foreign(error.__cause__):
            raise ForeignKey(queue) from error
        if isinstance(error.__cause__, RedisError):
            raise error.__cause__ from None
        raise redis.exceptions.ConnectionError(str(error)) from error
