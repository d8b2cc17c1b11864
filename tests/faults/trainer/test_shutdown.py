"""A trainer is stopped in the middle of its work: it releases the work soon and exits with 0."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from shared.errors import Exit
from shared.ledger.request_store import RequestState
from tests.support.processes import procfs
from tests.support.processes.fleet import Fleet, Worker, wait_for
from tests.support.processes.trainers import TIMES, School, draw_classes
from tests.support.servers.redis_server import RedisServer
from worker.requests.train import STATE
from worker.train.learner import TRAINING

GRACE_S = 3.0
#: Lasts longer than any test.
MANY_EPOCHS = 100_000
#: The time to the next step and for Celery's shutdown, with room for a busy machine.
ENDS_WITHIN_S = 15.0
PRODUCT = "worker.trainer"


@pytest.fixture
def school(server: RedisServer, tmp_path: Path) -> Iterator[School]:
    data = draw_classes(tmp_path / "shapes")
    with Fleet(server, **TIMES) as fleet, closing(School(fleet, tmp_path, data)) as school:
        yield school


def end(trainer: Worker, number: signal.Signals = signal.SIGTERM) -> float:
    """Send the signal and return the seconds until the exit with 0."""
    started = time.monotonic()
    trainer.signal(number)
    assert trainer.wait() == 0
    return time.monotonic() - started


def stage(school: School, request: str) -> str:
    progress = school.look(request).progress
    return progress.stage if progress else ""


def reach_epoch(school: School, request: str, number: int) -> int:
    """Wait until this epoch is in progress; returns the epoch that is."""

    def epoch() -> int | None:
        progress = school.look(request).progress
        return progress.epoch if progress and progress.epoch >= number else None

    return wait_for(f"epoch {number}", epoch)


@pytest.mark.nightly
def test_a_stopped_trainer_releases_its_training_and_the_next_resumes(school: School) -> None:
    (trainer,) = school.trainers(1, PRODUCT)
    request = school.ask("long", epochs=MANY_EPOCHS)
    reach_epoch(school, request, 20)
    assert end(trainer, signal.SIGHUP) < ENDS_WITHIN_S
    view, folder = school.look(request), school.folder(request)
    assert (view.state, folder.attempts) == (RequestState.WAITING, 0)
    assert view.progress is not None
    assert (school.folder(request).work / STATE).exists()
    (trainer,) = school.trainers(1, PRODUCT)
    wait_for("the next attempt", lambda: stage(school, request) != TRAINING)
    first = reach_epoch(school, request, 1)
    assert first >= view.progress.epoch, "it started again"
    assert folder.attempts == 1
    school.cancel(request)
    wait_for("the end", lambda: not school.folder(request).work.exists())
    assert end(trainer) < ENDS_WITHIN_S
    assert school.versions("long") == []


def test_work_that_does_not_stop_is_cut_short(school: School, tmp_path: Path) -> None:
    """Of a stopped trainer, and of one that Redis refuses, which cannot release it."""
    client, password = school.fleet.client, tmp_path / "password"
    password.write_text("old")
    rights: dict[str, Any] = {"enabled": True, "keys": ["*"], "commands": ["+@all"]}
    client.acl_setuser("rotated", passwords=["+old"], **rights)
    user = {"HANGTAG_REDIS_USER": "rotated", "HANGTAG_REDIS_PASSWORD_FILE": str(password)}
    refused, stopped = [
        *school.trainers(1, HANGTAG_REFUSED_S="1", **user),
        *school.trainers(1),
    ]
    school.moments.hold("loading")  # it does not check for a stop there
    requests = [school.ask("stubborn"), school.ask("another")]
    wait_for("both trainers", lambda: len({pid for pid, _ in school.moments.reached}) == 2)
    assert {school.folder(request).state for request in requests} == {RequestState.RUNNING}
    children = refused.children
    stopped.signal(signal.SIGTERM)
    client.acl_setuser("rotated", passwords=["+new"], reset_passwords=True, **rights)
    client.client_kill_filter(user="rotated")
    released = wait_for(
        "the release",
        lambda: [r for r in requests if school.folder(r).state is RequestState.WAITING],
        timeout_s=GRACE_S + ENDS_WITHIN_S,
    )
    assert {school.folder(request).attempts for request in released} == {0}
    assert stopped.wait() == 0
    assert refused.wait() == Exit.SETUP, refused.story
    procfs.wait_for_end(children)
    assert "Traceback" not in stopped.log, "an end on purpose is one line"
