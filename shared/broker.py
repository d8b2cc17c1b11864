"""Everything Hangtag sets in Celery and in Redis clients, each with its reason.

Messages are hints that may be lost or doubled (the ledger and the reconciler recover), so they
are acked early and none of Celery's redelivery is in play.
"""

from __future__ import annotations

import os
import socket
from typing import Any
from urllib.parse import quote

import redis
from celery import Celery
from kombu import Queue
from redis.backoff import ExponentialBackoff
from redis.retry import Retry

from shared import keys, remote, transport
from shared.access import SOCKET, Address, address_of
from shared.admission import CLASSIFY_TASK as CLASSIFY_TASK
from shared.admission import TRAIN_TASK as TRAIN_TASK
from shared.client import Client, Credentials

TIMEOUT_S = 15.0  #: a reply that takes longer means a dead connection
CONNECT_TIMEOUT_S = 5.0
GLANCE_TIMEOUT_S = 3.0  #: a person waits for the answer
_AMQP = "shared.reconnect:HintAMQP"  # by name, since it is loaded with the first connection

_CONFIG: dict[str, object] = {
    "task_ignore_result": True,  # results travel in the job's stream
    "result_backend": None,  # one key and one subscription a task would be its price
    "task_acks_late": False,
    "task_serializer": "json",
    "accept_content": ["json"],  # never pickle
    "task_default_queue": keys.CLASSIFY_QUEUE,
    "task_queues": [Queue(keys.CLASSIFY_QUEUE)],  # `celery -A worker.app worker`: classify only
    "task_create_missing_queues": True,
    "task_publish_retry_policy": {"max_retries": 3, "interval_step": 0.2, "interval_max": 1},
    "worker_prefetch_multiplier": 2,
    "worker_enable_remote_control": False,  # whoever can write to Redis must not steer workers
    "worker_send_task_events": False,  # nobody listens
    "event_queue_prefix": keys.EVENTS,
    "worker_proc_alive_timeout": 120,  # the default of 4 s kills children that load slowly
    "worker_soft_shutdown_timeout": 60,
    # A dead child's last answer was read when it was found dead: the default waits 10 s for it, and
    # by then the batch is in other hands and the death convicts nobody.
    "worker_lost_wait": 0.1,
    "worker_cancel_long_running_tasks_on_connection_loss": False,
    "worker_hijack_root_logger": True,
    "broker_connection_retry_on_startup": True,  # Redis may start after the worker
    "broker_connection_max_retries": None,  # the default gives up after 100
    "broker_channel_error_retry": True,  # a full Redis must not end the worker
}


#: With HANGTAG_CELERY_EVENTS=1. What may be asked of a worker is in shared/remote.py.
_WATCHED = {"worker_enable_remote_control": True, "worker_send_task_events": True}
#: The role of a process that looks at workers.
MONITOR = "monitor"


def make_app(broker: Address | str, role: str, events: bool = False) -> Celery:
    """The Celery application of this process; `role` names its connections on the server.

    With `events` a worker says what it does and answers a monitor.

    Raises:
        SetupError: the broker's URL cannot be used.
    """
    address = address_of(broker)
    transport.install()
    app = Celery(
        "hangtag",
        broker=_celery_url(address),
        set_as_current=False,
        amqp=_AMQP,
        control=remote.CONTROL,
    )
    app.conf.update(_CONFIG | (_WATCHED if events else {}))
    if tls := address.tls():
        # Without this Celery would accept any certificate.
        app.conf.broker_use_ssl = tls
    app.conf.broker_transport_options = {
        "socket_timeout": TIMEOUT_S,
        "socket_connect_timeout": CONNECT_TIMEOUT_S,
        "socket_keepalive": address.scheme != SOCKET,
        "health_check_interval": 10,
        "client_name": client_name(role),
        **transport.OPTIONS,
        transport.CREDENTIALS: Credentials(address),
        transport.HEARS: transport.hears(events, monitors=role == MONITOR),
    }
    return app


def connect(broker: Address | str, role: str, timeout_s: float = TIMEOUT_S) -> redis.Redis:
    """A client for the ledger. A dead connection is noticed after `timeout_s`.

    Every command raises redis.exceptions.RedisError where the server is away or full, and
    BrokerRefuses where it does not let us in.

    Raises:
        SetupError: the broker's URL cannot be used.
    """
    address = address_of(broker)
    where: dict[str, Any] = {"host": address.host, "port": address.port}
    if address.scheme == SOCKET:
        where = {"unix_socket_path": address.path}
    elif tls := address.tls():
        where |= {"ssl": True, **tls}
    return Client(
        **where,
        db=address.db,
        credential_provider=Credentials(address),
        socket_timeout=timeout_s,
        socket_connect_timeout=min(timeout_s, CONNECT_TIMEOUT_S),
        client_name=client_name(role),
        # Enough for a reset connection; callers see an outage soon and say so. What took too long
        # is not tried again here: three times as long would pass before anybody heard of it.
        retry=Retry(ExponentialBackoff(cap=0.2, base=0.05), 2, (redis.ConnectionError,)),
    )


def glance(broker: Address | str, role: str) -> redis.Redis:
    """A client for a look that a person waits for: a server that sleeps is soon told."""
    return connect(broker, role, GLANCE_TIMEOUT_S)


def client_name(role: str) -> str:
    """How a connection is named on the server: hangtag-ROLE-HOST-PID, without spaces."""
    return f"hangtag-{role}-{socket.gethostname()}-{os.getpid()}".replace(" ", "_")


def _celery_url(address: Address) -> str:
    """Without user and password: Celery shows its URL in its banner, its report and its log."""
    if address.scheme == SOCKET:
        return f"redis+socket://{quote(address.path)}?virtual_host={address.db}"
    return str(address)
