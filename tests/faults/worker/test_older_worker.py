"""A job beside a worker of 0.2.0, whose keys and queues have no number."""

from __future__ import annotations

import socket
import time

from shared import keys
from shared.ledger import heartbeats
from tests.support.jobs.scenario import Scenario
from tests.support.processes.fleet import as_celery, wait_for

OLDER = "tests.faults.apps.older_worker"
#: The producer polls the fleet once a second.
POLLS_S = 3.0


def test_a_worker_of_0_2_0_is_named_and_gets_no_batch_and_one_of_this_version_finishes_the_job(
    stage: Scenario,
) -> None:
    older = stage.fleet.launched(as_celery, app=OLDER, ready=False)
    wait_for("its heartbeat", lambda: heartbeats.alive_of_0_2_0(stage.fleet.client))
    producer = stage.classify()
    name = f"{socket.gethostname()}:{older.pid}"
    named = f"worker {name} runs Hangtag 0.2.0 and cannot do this job"
    producer.wait_for_log(f"{named}; update it, or start another with: HANGTAG_REDIS_URL=")
    time.sleep(POLLS_S)
    assert producer.log.count(named) == 1
    assert "no worker is alive" not in producer.log
    assert stage.fleet.client.llen("hangtag:3:classify") > 0
    assert not stage.fleet.client.llen("hangtag:classify")
    doctor = stage.hangtag("doctor")
    assert f"of Hangtag 0.2.0, which get no job: {name}" in " ".join(doctor.out.split())
    stage.fleet.worker()
    assert producer.wait() == 0, producer.story
    stage.check_table(stage.output.read_bytes())
    (beat,) = heartbeats.alive_of_0_2_0(stage.fleet.client)
    assert (beat.pid, beat.images) == (older.pid, 0)
    assert not stage.fleet.client.keys(keys.job("*", "*"))
    assert "job record" not in older.log
