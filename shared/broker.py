"""Everything Hangtag sets in Celery and in Redis clients, each with its reason.

Messages are hints that may be lost or doubled (the ledger and the reconciler recover), so they
are acked early and none of Celery's redelivery is in play.
"""

from __future__ import annotations

import os
import socket
import ssl
from urllib.parse import urlsplit

import redis
from celery import Celery
from kombu import Queue
from redis.backoff import ExponentialBackoff
from redis.retry import Retry

from shared import keys, transport
from shared.admission import CLASSIFY_TASK as CLASSIFY_TASK
from shared.admission import TRAIN_TASK as TRAIN_TASK
from shared.errors import SetupError

TIMEOUT_S = 15.0  #: a reply that takes longer means a dead connection
CONNECT_TIMEOUT_S = 5.0
_AMQP = "shared.reconnect:HintAMQP"  # by name, since it is loaded with the first connection
_SCHEMES = ("redis", "rediss", "unix")

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
    "worker_send_task_events": False,
    "worker_proc_alive_timeout": 120,  # the default of 4 s kills children that load slowly
    "worker_soft_shutdown_timeout": 60,
    "worker_cancel_long_running_tasks_on_connection_loss": False,
    "worker_hijack_root_logger": True,
    "broker_connection_retry_on_startup": True,  # Redis may start after the worker
    "broker_connection_max_retries": None,  # the default gives up after 100
    "broker_channel_error_retry": True,  # a full Redis must not end the worker
}


def make_app(url: str, role: str) -> Celery:
    """The Celery application of this process; `role` names its connections on the server.

    Raises:
        SetupError: `url` is not one of redis://, rediss://, unix://.
    """
    check_url(url)
    transport.install()
    app = Celery("hangtag", broker=_celery_url(url), set_as_current=False, amqp=_AMQP)
    app.conf.update(_CONFIG)
    if url.startswith("rediss://"):
        # Without this Celery would accept any certificate.
        app.conf.broker_use_ssl = {"ssl_cert_reqs": ssl.CERT_REQUIRED}
    app.conf.broker_transport_options = {
        "socket_timeout": TIMEOUT_S,
        "socket_connect_timeout": CONNECT_TIMEOUT_S,
        "socket_keepalive": not url.startswith("unix://"),
        "health_check_interval": 10,
        "client_name": client_name(role),
    }
    return app


def connect(url: str, role: str) -> redis.Redis:
    """A client for the ledger. A dead connection is noticed after TIMEOUT_S.

    Raises:
        SetupError: `url` is not one of redis://, rediss://, unix://.
    """
    check_url(url)
    return redis.Redis.from_url(
        url,
        socket_timeout=TIMEOUT_S,
        socket_connect_timeout=CONNECT_TIMEOUT_S,
        client_name=client_name(role),
        # Enough for a reset connection; callers see an outage soon and say so.
        retry=Retry(ExponentialBackoff(cap=0.2, base=0.05), 2),
    )


def client_name(role: str) -> str:
    """How a connection is named on the server: hangtag-ROLE-HOST-PID, without spaces."""
    return f"hangtag-{role}-{socket.gethostname()}-{os.getpid()}".replace(" ", "_")


def check_url(url: str) -> None:
    """Raises SetupError for a broker URL that cannot be used."""
    if urlsplit(url).scheme not in _SCHEMES:
        raise SetupError("HANGTAG_REDIS_URL must begin with redis://, rediss:// or unix://")


def _celery_url(url: str) -> str:
    return url.replace("unix://", "redis+socket://", 1)
