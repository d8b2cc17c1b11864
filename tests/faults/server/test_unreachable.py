"""Redis is down or frozen: every command reports it in one line, and can be stopped at any time."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from shared.errors import Exit
from tests.support.images import gallery
from tests.support.images.gallery import FOLDER, Gallery
from tests.support.jobs.scenario import Scenario
from tests.support.processes.fleet import Producer, wait_for

IMAGES = 200
#: A client waits 15 s for a reply, and retries twice: a command that ends sooner did not wait.
SOON_S = 10.0
TIMEOUT_S = 4.0
#: The time in the message may differ this much from that of the kill on a busy machine.
CLOSE_S = 10
DAY_S = 86_400
NO_ANSWER = "does not answer"


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Gallery:
    return gallery.make(tmp_path_factory.mktemp("few"), IMAGES)


def _start(stage: Scenario, *options: str) -> Producer:
    """Start a job that has messages under way, without a worker."""
    producer = stage.classify(*options)
    producer.wait_until_sent()
    return producer


def _interrupt_server(stage: Scenario, how: str) -> None:
    if how == "down":
        stage.fleet.server.kill()
    else:
        stage.fleet.server.freeze()
    time.sleep(1.5)  # the producer is then waiting for a reply


def _restore_server(stage: Scenario, how: str) -> None:
    if how == "down":
        stage.fleet.server.start()
    else:
        stage.fleet.server.thaw()


@pytest.mark.parametrize("how", ["down", "frozen"])
def test_ctrl_c_ends_the_wait_at_once_and_the_same_command_resumes(
    stage: Scenario, how: str
) -> None:
    producer = _start(stage)
    _interrupt_server(stage, how)
    started = time.monotonic()
    assert producer.interrupt() == Exit.INTERRUPTED, producer.story
    assert time.monotonic() - started < SOON_S
    assert "resume it with: hangtag classify " in producer.log
    _restore_server(stage, how)
    worker = stage.fleet.worker()
    stage.check_finished(stage.classify())
    stage.check_nothing_runs(worker)


@pytest.mark.parametrize("how", ["down", "frozen"])
def test_a_time_limit_holds_while_redis_is_unreachable(stage: Scenario, how: str) -> None:
    started = time.monotonic()
    producer = _start(stage, "--timeout", str(TIMEOUT_S))
    _interrupt_server(stage, how)
    assert producer.wait() == Exit.INTERRUPTED, producer.story
    assert time.monotonic() - started < TIMEOUT_S + SOON_S
    again = stage.classify("--timeout", "1") if how == "frozen" else None
    assert again is None or again.wait(SOON_S) == Exit.INTERRUPTED, again.story
    _restore_server(stage, how)
    worker = stage.fleet.worker()
    stage.check_finished(stage.classify())
    stage.check_nothing_runs(worker)


def test_the_start_of_an_outage_is_reported_and_progress_continues(stage: Scenario) -> None:
    producer = _start(stage)
    killed = time.strftime("%H:%M:%S")
    stage.fleet.server.kill()
    producer.wait_for_log("Redis has been unreachable since ")
    since = producer.log.partition("Redis has been unreachable since ")[2][: len(killed)]
    assert abs(_apart(since, killed)) <= CLOSE_S
    lines = producer.log.count("waiting for a worker, ")
    wait_for(
        "another line of progress", lambda: producer.log.count("waiting for a worker, ") > lines
    )
    assert producer.log.count("Redis has been unreachable") == 1
    stage.fleet.server.start()
    producer.wait_for_log("Redis is back")
    worker = stage.fleet.worker()
    stage.check_finished(producer)
    stage.check_nothing_runs(worker)


@pytest.mark.parametrize("how", ["down", "frozen"])
def test_each_command_reports_it_in_one_line_and_soon(stage: Scenario, how: str) -> None:
    _start(stage).interrupt()
    _interrupt_server(stage, how)
    output = str(stage.output)
    expected = {
        ("workers",): Exit.SETUP,
        ("cancel", "abcdefgh"): Exit.SETUP,
        ("status",): Exit.OK,
        ("status", output): Exit.OK,
    }
    if how == "down":
        expected[("collect", output)] = Exit.SETUP
        expected[("classify", FOLDER, "-o", str(Path(stage.folder, "new.csv")))] = Exit.SETUP
    expected[("cancel", output)] = Exit.OK  # last: of a cancelled job collect needs no server
    for command, code in expected.items():
        started = time.monotonic()
        ended = stage.hangtag(*command)
        assert ended.wait() == code, ended.story
        assert time.monotonic() - started < SOON_S, command
        if code is Exit.SETUP or command == ("status",):
            (line,) = ended.log.splitlines()
            assert NO_ANSWER in line
            assert line.isprintable()
    assert not Path(stage.folder, "new.csv.hangtag").exists()
    _restore_server(stage, how)


def _apart(one: str, other: str) -> int:
    """The seconds from one time of day to another, also across midnight."""
    return (_seconds(other) - _seconds(one) + DAY_S // 2) % DAY_S - DAY_S // 2


def _seconds(clock: str) -> int:
    hours, minutes, seconds = map(int, clock.split(":"))
    return (hours * 60 + minutes) * 60 + seconds
