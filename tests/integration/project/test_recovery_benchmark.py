"""The benchmark of recovery does not count a failure as a success."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import recovery
from shared import keys
from tests.support.processes.fleet import Fleet
from tests.support.servers.redis_server import RedisServer

ROWS = [f"pictures/{n}.png,Bag\n".encode() for n in range(4)]


@pytest.mark.parametrize(
    ("rows", "faulty"),
    [(ROWS, 0), (ROWS[1:], 1), ([*ROWS, ROWS[3]], 1), ([*ROWS[:3], b"pictures/3.png,Coat\n"], 1)],
    ids=["right", "lost", "doubled", "wrong"],
)
def test_each_row_that_is_not_right_is_counted(rows: list[bytes], faulty: int) -> None:
    assert recovery.faulty(b"".join(ROWS), b"".join(rows)) == faulty


def test_a_producer_that_ended_has_not_recovered(server: RedisServer, tmp_path: Path) -> None:
    with Fleet(server) as fleet:
        producer = fleet.producer("classify", "no-such-folder", cwd=tmp_path)
        assert producer.wait() != 0
        fleet.client.set(keys.job("abcdefgh", "done"), "x")
        with pytest.raises(AssertionError, match="the producer ended"):
            recovery.wait_for_work(fleet.client, producer)
