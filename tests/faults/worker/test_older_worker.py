"""A job of a later Hangtag, in a fleet with a worker of this one, which is the older one."""

from __future__ import annotations

import socket
import time

from shared import keys
from shared.ledger import heartbeats
from tests.support.jobs.newer_record import GENERATION, newer
from tests.support.jobs.scenario import Scenario
from tests.support.processes import procfs

NEWER_WORKER, NEWER_PRODUCER = "tests.faults.apps.newer_worker", "tests.faults.apps.newer_producer"
#: The producer polls the fleet once a second.
POLLS_S = 3.0


def test_an_older_worker_is_named_and_gets_no_batch_and_a_newer_one_finishes_the_job(
    stage: Scenario,
) -> None:
    older = stage.fleet.worker()
    producer = stage.classify(program=(NEWER_PRODUCER,))
    name = f"{socket.gethostname()}:{older.pid}"
    named = f"worker {name} runs an older Hangtag and cannot do this job"
    producer.wait_for_log(f"{named}; update it, or start another with: HANGTAG_REDIS_URL=")
    time.sleep(POLLS_S)
    assert producer.log.count(named) == 1
    assert "no worker is alive" not in producer.log
    assert stage.fleet.client.llen(keys.classify_queue(GENERATION)) > 0
    able = stage.fleet.worker(app=NEWER_WORKER)
    with newer():  # its journal is read
        held = stage.catch(producer, able)
    procfs.kill(held.child)  # its parent repeats the hint, in the queue of the job
    stage.check_finished(producer)
    assert producer.log.count(named) == 1
    done = {beat.pid: beat.images for beat in heartbeats.alive(stage.fleet.client)}
    assert done[older.pid] == 0
    assert "job record" not in older.log
