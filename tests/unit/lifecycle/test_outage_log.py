"""A worker logs one line a minute on an outage of Redis, and one at its end."""

from __future__ import annotations

import logging

import pytest
from celery.worker.consumer import consumer
from redis.exceptions import ConnectionError as ServerAway

from worker.lifecycle.worker_log import CELERY, OutageLog

URL = "redis://:secret@127.0.0.1:17398"


REFUSED = "Error 111 connecting to 127.0.0.1:17398. Connection refused."


def attempt(log: OutageLog, reason: str = REFUSED) -> None:
    """Celery has a line on an attempt to connect, which is not logged."""
    why = ServerAway(reason)
    record = logging.LogRecord(
        CELERY.name,
        logging.ERROR,
        "consumer.py",
        1,
        vars(consumer)["CONNECTION_ERROR"],
        ("redis://:**@127.0.0.1:17398//", why, "Trying again in 2.00 seconds... (1/None)"),
        None,
    )
    assert not log.filter(record)


def test_an_outage_is_one_line_a_minute_with_a_remedy_and_one_at_its_end(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("HANGTAG_REDIS_URL", URL)
    log, now = OutageLog(), 1000.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    log.log_end()
    assert caplog.messages == []
    attempt(log)
    line = (
        "Redis at redis://127.0.0.1:17398 does not answer (Error 111 connecting to "
        "127.0.0.1:17398. Connection refused), and this worker waits for it; start it, or correct "
        "HANGTAG_REDIS_URL"
    )
    assert caplog.messages == [line]
    attempt(log, "Connection reset by peer")
    now += 59
    attempt(log)
    assert caplog.messages == [line]
    now += 2
    attempt(log)
    assert caplog.messages == [line, line]
    log.log_end()
    log.log_end()
    assert caplog.messages == [line, line, "Redis is back after 61 s"]
    levels = [record.levelno for record in caplog.records]
    assert levels == [logging.ERROR, logging.ERROR, logging.INFO]
    attempt(log)
    assert caplog.messages[3:] == [line], "the next outage"
