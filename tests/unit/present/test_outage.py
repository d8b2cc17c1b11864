"""An outage is reported once at its start, with the time of the last reply, and once at its end."""

from __future__ import annotations

from redis.exceptions import ConnectionError

from producer.present.events import Outage


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
