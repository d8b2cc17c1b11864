"""Fixtures of all unit tests."""

from __future__ import annotations

import pytest
from redis.backoff import NoBackoff

from shared.broker import redis_client


@pytest.fixture(autouse=True)
def _attempts_without_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """A command connects three times, after 0.1 and 0.2 s. Where there is no server by intention,
    the pauses change nothing but the time of a test."""
    monkeypatch.setattr(redis_client, "ExponentialBackoff", lambda **_: NoBackoff())
