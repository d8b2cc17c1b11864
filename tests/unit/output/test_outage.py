"""An outage is told once when it begins, with the moment of the last answer, and once when over."""

from __future__ import annotations

import re
import time

import pytest
from redis.exceptions import ConnectionError

from producer.output.outage import Outage


def test_it_is_told_once_and_so_is_its_end() -> None:
    told: list[str] = []
    outage = Outage(told.append)
    outage.over()
    assert told == []
    for _ in range(3):
        outage.goes_on(ConnectionError("refused"))
        assert outage.lasts
    outage.over()
    outage.over()
    assert not outage.lasts
    assert [line[:13] for line in told] == ["Redis is away", "Redis is back"]
    assert "(refused)" in told[0]


def test_it_lasts_since_the_last_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    outage = Outage(told.append)
    now = time.time()
    with monkeypatch.context() as at:
        at.setattr(time, "time", lambda: now - 7_205)
        outage.over()
    outage.goes_on(ConnectionError("silence"))
    since = re.search(r"since (\S+)", told[0])
    assert since is not None
    assert since[1] == time.strftime("%H:%M:%S", time.localtime(now - 7_205))
