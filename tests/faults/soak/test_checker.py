"""The nemesis' checker finds faults: tested with tables, keys and processes that are wrong on
purpose. A checker that finds nothing would let every round pass."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest

from shared import keys
from shared.errors import Exit
from tests.nemesis import checker
from tests.nemesis.checker import Rows
from tests.support.processes import procfs
from tests.support.servers.redis_server import RedisServer

ROWS = [f"pictures/{n:02}.png,bag,0.{n:04},ok,,,swap@1\n".encode() for n in range(9)]
HEAD = b"path,label,confidence,status,error,flag,model\n"
TABLE = HEAD + b"".join(ROWS)
VARIABLE = "HANGTAG_TEST_LEFTOVER"


def rows(*changed: bytes) -> bytes:
    return HEAD + b"".join(changed)


@pytest.mark.parametrize(
    ("table", "found"),
    [
        (rows(*ROWS[:4], *ROWS[5:]), Rows(lost=1, doubled=0, wrong=0, moved=0)),
        (rows(*ROWS[:-1]), Rows(lost=1, doubled=0, wrong=0, moved=0)),
        (rows(*ROWS[:4], ROWS[3], *ROWS[4:]), Rows(lost=0, doubled=1, wrong=0, moved=0)),
        (TABLE.replace(b"0.0004", b"0.0005"), Rows(lost=0, doubled=0, wrong=1, moved=0)),
        (rows(ROWS[1], ROWS[0], *ROWS[2:]), Rows(lost=0, doubled=0, wrong=0, moved=2)),
        (rows(*ROWS[:4], ROWS[3], *ROWS[5:]), Rows(lost=1, doubled=1, wrong=0, moved=0)),
        (TABLE[:-1], Rows(lost=0, doubled=0, wrong=1, moved=0)),
    ],
    ids=["dropped", "last dropped", "doubled", "a byte", "moved", "one for another", "cut short"],
)
def test_the_faults_of_a_broken_table_are_found_and_counted(table: bytes, found: Rows) -> None:
    assert checker.table_faults(TABLE, table) != []
    assert checker.compare(TABLE, table) == found


def test_a_leftover_key_is_found_in_redis(server: RedisServer) -> None:
    assert checker.key_faults(checker.left(server.client), expiring=False) == []
    server.client.set(keys.job("abcd", "owner"), "x", ex=100)
    (fault,) = checker.key_faults(checker.left(server.client), expiring=False)
    assert keys.job("abcd", "owner") in fault
    assert checker.key_faults(checker.left(server.client), expiring=True) == []
    server.client.persist(keys.job("abcd", "owner"))
    assert checker.key_faults(checker.left(server.client), expiring=True) != []


def test_a_leftover_hint_is_found(server: RedisServer) -> None:
    server.client.lpush(keys.CLASSIFY_QUEUE, "hint")
    assert checker.key_faults(checker.left(server.client), expiring=True) != []


def test_a_request_that_never_ends_is_found(server: RedisServer) -> None:
    server.client.hset(keys.request("one", "state"), "status", "open")
    assert checker.key_faults(checker.left(server.client), expiring=True) != []
    server.client.expire(keys.request("one", "state"), 100)
    assert checker.key_faults(checker.left(server.client), expiring=False) == []


@pytest.fixture
def leftover() -> Iterator[int]:
    """A process that was not ended."""
    sleep = [sys.executable, "-c", "import time; time.sleep(60)"]
    with subprocess.Popen(sleep, env={VARIABLE: "here"}) as process:
        yield process.pid
        process.kill()


def test_a_leftover_process_is_found(leftover: int) -> None:
    pids = procfs.with_variable(VARIABLE, "here")
    assert checker.process_faults(pids, [0, 0]) == [f"process {leftover} still runs"]
    assert checker.process_faults([], [0, -9]) == ["a worker ended with -9"]
    assert checker.process_faults([], [0, 0]) == []


@pytest.mark.parametrize(
    ("code", "said", "good"),
    [
        (Exit.SETUP, "hangtag: out.csv.hangtag: disk is full; free space, run again", True),
        (Exit.SETUP, "hangtag: Redis at unix:///x does not answer (gone); start it", True),
        (Exit.INTERRUPTED, "resume it with: hangtag classify", True),
        (-9, "", True),
        (
            Exit.SETUP,
            "hangtag: the journal was written by an incompatible version of Hangtag",
            False,
        ),
        (Exit.SETUP, "Traceback (most recent call last):\nfree space, run again", False),
        (Exit.SOME_FAILED, "job x: 9 images, 1 failed", False),
        (-11, "", False),
    ],
)
def test_an_unexplained_end_of_the_producer_is_found(code: int, said: str, good: bool) -> None:
    assert (checker.end_faults(code, said) == []) is good


@pytest.mark.parametrize(
    ("reported", "versions", "good"),
    [
        (["m@1"], ["m@1"], True),
        (["m@1"], ["m@1", "m@2"], False),
        (["m@1", "m@2"], ["m@1", "m@2"], False),
        ([], [], False),
        (["m@1"], [], False),
    ],
)
def test_a_training_with_two_versions_or_none_is_found(
    reported: list[str], versions: list[str], good: bool
) -> None:
    assert (checker.training_faults(reported, versions, "m") == []) is good
