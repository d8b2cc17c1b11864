"""Redis is away or asleep: every command says so in one line, and can be ended at any moment."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from shared.errors import Exit
from tests.support.images import gallery
from tests.support.images.gallery import FOLDER, Gallery
from tests.support.jobs.scenario import Scenario
from tests.support.processes.fleet import Producer, wait_for

PICTURES = 200
#: A client gives a reply 15 s, and asks twice more: what ends sooner did not wait for it.
SOON_S = 10.0
TIMEOUT_S = 4.0
SAYS = "does not answer"


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Gallery:
    return gallery.make(tmp_path_factory.mktemp("few"), PICTURES)


def _begin(stage: Scenario, *options: str) -> Producer:
    """A job with messages under way, and no worker."""
    producer = stage.classify(*options)
    producer.wait_until_sent()
    return producer


def _lose(stage: Scenario, how: str) -> None:
    if how == "away":
        stage.fleet.server.kill()
    else:
        stage.fleet.server.freeze()
    time.sleep(1.5)  # into a wait for its answer


def _find(stage: Scenario, how: str) -> None:
    if how == "away":
        stage.fleet.server.start()
    else:
        stage.fleet.server.thaw()


@pytest.mark.parametrize("how", ["away", "asleep"])
def test_ctrl_c_ends_the_wait_at_once_and_the_same_command_resumes(
    stage: Scenario, how: str
) -> None:
    producer = _begin(stage)
    _lose(stage, how)
    begun = time.monotonic()
    assert producer.interrupt() == Exit.INTERRUPTED, producer.story
    assert time.monotonic() - begun < SOON_S
    assert "resume it with: hangtag classify pictures" in producer.log
    _find(stage, how)
    worker = stage.fleet.worker()
    stage.check_finished(stage.classify())
    stage.check_nothing_runs(worker)


@pytest.mark.parametrize("how", ["away", "asleep"])
def test_a_time_limit_is_kept_while_redis_is_lost(stage: Scenario, how: str) -> None:
    begun = time.monotonic()
    producer = _begin(stage, "--timeout", str(TIMEOUT_S))
    _lose(stage, how)
    assert producer.wait() == Exit.INTERRUPTED, producer.story
    assert time.monotonic() - begun < TIMEOUT_S + SOON_S
    again = stage.classify("--timeout", "1") if how == "asleep" else None
    assert again is None or again.wait(SOON_S) == Exit.INTERRUPTED, again.story
    _find(stage, how)
    worker = stage.fleet.worker()
    stage.check_finished(stage.classify())
    stage.check_nothing_runs(worker)


def test_it_is_told_since_when_redis_is_away_and_progress_goes_on(stage: Scenario) -> None:
    producer = _begin(stage)
    gone = time.strftime("%H:%M:%S")
    stage.fleet.server.kill()
    producer.wait_for_log("Redis has been unreachable since ")
    since = producer.log.partition("Redis has been unreachable since ")[2][: len(gone)]
    assert _seconds(gone) - 2 <= _seconds(since) <= _seconds(gone) + 2
    lines = producer.log.count(" done, ")
    wait_for("another line of progress", lambda: producer.log.count(" done, ") > lines)
    assert producer.log.count("Redis has been unreachable") == 1
    stage.fleet.server.start()
    producer.wait_for_log("Redis is back")
    worker = stage.fleet.worker()
    stage.check_finished(producer)
    stage.check_nothing_runs(worker)


@pytest.mark.parametrize("how", ["away", "asleep"])
def test_each_command_says_so_in_one_line_and_soon(stage: Scenario, how: str) -> None:
    _begin(stage).interrupt()
    _lose(stage, how)
    output = str(stage.output)
    expected = {
        ("workers",): Exit.SETUP,
        ("cancel", "abcdefgh"): Exit.SETUP,
        ("status",): Exit.OK,
        ("status", output): Exit.OK,
        ("cancel", output): Exit.OK,
    }
    if how == "away":
        expected[("collect", output)] = Exit.SETUP
        expected[("classify", FOLDER, "-o", str(Path(stage.folder, "new.csv")))] = Exit.SETUP
    for command, code in expected.items():
        begun = time.monotonic()
        said = stage.hangtag(*command)
        assert said.wait() == code, said.story
        assert time.monotonic() - begun < SOON_S, command
        if code is Exit.SETUP or command == ("status",):
            (line,) = said.log.splitlines()
            assert SAYS in line
            assert line.isprintable()
    assert not Path(stage.folder, "new.csv.hangtag").exists()
    _find(stage, how)


def _seconds(clock: str) -> int:
    hours, minutes, seconds = map(int, clock.split(":"))
    return (hours * 60 + minutes) * 60 + seconds
