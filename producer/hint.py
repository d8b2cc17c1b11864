"""Sending a hint: a Celery message that says that there may be work."""

from __future__ import annotations

import redis
from celery import Celery
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from shared.crash_point import passed
from shared.refusal import refused


def send_hint(app: Celery, task: str, queue: str, *args: object) -> None:
    """Say that there is work. Lost, it is a delay; doubled, nothing happens.

    Raises:
        redis.exceptions.RedisError: the server is away or full.
        BrokerRefuses: it does not let us in.
    """
    try:
        app.send_task(task, args=args, queue=queue, retry=False)
        passed("hint.sent")
    except OperationalError as error:  # what Celery makes of any error of the server
        if found := refused(error):
            raise found from error
        if isinstance(error.__cause__, RedisError):
            raise error.__cause__ from None
        raise redis.exceptions.ConnectionError(str(error)) from error
