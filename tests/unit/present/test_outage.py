"""An outage is reported once at its start, with the time of the last reply, and once at its end."""

from __future__ import annotations

import re
import time

import pytest
from redis.exceptions import ConnectionError

from producer.present.outage import Outage


def test_start_and_end_are_reported_once() -> None:
    reported: list[str] = []
    outage = Outage(reported.append)
    outage.over()
    assert reported == []
    for _ in range(3):
        outage.report(ConnectionError("refused"))
        assert outage.lasts
    outage.over()
    outage.over()
    assert not outage.lasts
    assert [line.split(" since ")[0] for line in reported] == [
        "Redis has been unreachable",
        "Redis is back",
    ]
    assert "(refused)" in reported[0]


def test_an_outage_lasts_since_the_last_reply(monkeypatch: pytest.MonkeyPatch) -> None:
    reported: list[str] = []
    outage = Outage(reported.append)
    now = time.time()
    with monkeypatch.context() as at:
        at.setattr(time, "time", lambda: now - 7_205)
        outage.over()
    outage.report(ConnectionError("silence"))
    since = re.search(r"since (\S+)", reported[0])
    assert since is not None
    assert since[1] == time.strftime("%H:%M:%S", time.localtime(now - 7_205))
