"""A worker is killed after Redis has sent it a hint and before it has read the hint."""

from __future__ import annotations

import pytest

from tests.support.images import gallery
from tests.support.images.gallery import Gallery
from tests.support.jobs import recovery_times
from tests.support.jobs.claims import claims
from tests.support.jobs.hints import PATIENT_PROGRAM, lose_a_hint
from tests.support.jobs.scenario import Scenario
from tests.support.processes import procfs
from tests.support.processes.stopwatch import Stopwatch

IMAGES = 400


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Gallery:
    return gallery.make(tmp_path_factory.mktemp("gallery"), IMAGES)


def test_a_hint_lost_with_its_worker_is_sent_again(stage: Scenario) -> None:
    client = stage.fleet.client
    victim = stage.fleet.worker(1)
    producer = stage.classify(program=PATIENT_PROGRAM)
    lose_a_hint(
        client,
        producer,
        victim,
        lambda: procfs.stop(victim.pid),
        lambda: procfs.go_on(victim.pid),
    )
    assert procfs.state(victim.pid) == procfs.STOPPED
    assert claims(client) == []
    stage.check_outstanding(producer)
    victim.kill()
    other = stage.fleet.worker()
    ready = Stopwatch()
    producer.wait_until_done(1)
    recovery_times.HINT_LOST.check(ready.seconds)
    stage.check_finished(producer)
    stage.check_nothing_runs(other)
