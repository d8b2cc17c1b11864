"""The network link between Redis and a worker or a producer is cut for some time, and restored.

Cuts of a minute and of ten are `minutes` (35 in all), with the default settings.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

import pytest

from shared import keys
from tests.support.images import gallery
from tests.support.images.gallery import Gallery
from tests.support.jobs.claims import claims, wait_until_taken_over
from tests.support.jobs.hints import PATIENT_PROGRAM, lose_a_hint
from tests.support.jobs.recovery_times import (
    CABLE_MENDED,
    HINT_LOST_IN_CABLE,
    LATE_RESULT,
    PRODUCER_BACK,
    WORKER_DEAD_WITHIN_S,
)
from tests.support.jobs.scenario import Scenario
from tests.support.machine import network_namespaces
from tests.support.machine.network_namespaces import FarServer, Network, Site
from tests.support.processes import procfs
from tests.support.processes.fleet import PRODUCT_PROGRAM, Producer, Worker, wait_for
from tests.support.processes.stopwatch import Stopwatch
from tests.support.servers.redis_server import RedisServer

IMAGES = 2_400
LONG = [pytest.mark.minutes, pytest.mark.nightly, pytest.mark.timeout(1200)]
CUTS = pytest.mark.parametrize(
    "seconds", [5.0, pytest.param(60.0, marks=LONG), pytest.param(600.0, marks=LONG)]
)
#: 15 for a reply, and 5 more.
NOTICED_WITHIN_S = 20.0
AWAY, BACK = "Redis has been unreachable since", "Redis is back"
NO_WORKER = "no worker is alive"


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Gallery:
    return gallery.make(tmp_path_factory.mktemp("gallery"), IMAGES)


@pytest.fixture
def network() -> Iterator[Network]:
    if reason := network_namespaces.why_not():
        pytest.skip(reason)
    with Network() as made:
        yield made


@pytest.fixture
def server(server: RedisServer, network: Network) -> Iterator[RedisServer]:
    """The same server behind network links."""
    server.close()
    with FarServer(server.binary, network) as far:
        yield far


def sleep_until(at_s: float) -> None:
    """TCP repeats the more seldom the longer a link is cut."""
    time.sleep(max(0.0, at_s - time.monotonic()))


def worker_at(site: Site, stage: Scenario, concurrency: int = 1) -> Worker:
    """A worker at this site."""
    with site.entered():
        return stage.fleet.worker(concurrency)


def producer_at(
    site: Site, stage: Scenario, program: Sequence[str] = PRODUCT_PROGRAM, repeats: bool = True
) -> Producer:
    """`hangtag classify` at this site, which repeats lost hints or does not."""
    with site.entered():
        return stage.classify(program=program) if repeats else stage.classify_without_repeats()


@CUTS
def test_a_hint_sent_into_a_cut_link_is_only_late(
    stage: Scenario, network: Network, seconds: float
) -> None:
    """The server sends a hint to a waiting worker that is unreachable."""
    client = stage.fleet.client
    there, here = network.site(), network.site()
    worker = worker_at(there, stage)
    producer = producer_at(here, stage, PATIENT_PROGRAM)
    lose_a_hint(client, producer, worker, there.pull_out, there.mend)
    cut_s = time.monotonic()
    there.check_cut()
    sleep_until(cut_s + seconds)
    assert claims(client) == []
    stage.check_outstanding(producer)
    there.mend()
    watch = Stopwatch()
    producer.wait_until_done(1)
    HINT_LOST_IN_CABLE.check(watch.seconds)
    stage.check_finished(producer)
    stage.check_nothing_runs(worker)


@CUTS
def test_a_worker_recovers_from_a_partition_by_itself(
    stage: Scenario, network: Network, seconds: float
) -> None:
    """The only worker loses its cable while it works on a batch."""
    there, here = network.site(), network.site()
    worker = worker_at(there, stage)
    producer = producer_at(here, stage, repeats=False)
    stage.reach_the_middle(producer)
    held = stage.catch(producer, worker)
    there.cut()
    cut_s = time.monotonic()
    stage.let_go(held)
    producer.wait_for_log(NO_WORKER)
    sleep_until(cut_s + seconds)
    stage.check_outstanding(producer)
    assert worker.running, worker.story
    done = producer.done
    there.mend()
    watch = Stopwatch()
    producer.wait_until_done(done + 1)
    CABLE_MENDED.check(watch.seconds)
    stage.wait_for_result(held)
    stage.allow_repeats()
    stage.check_finished(producer)
    stage.check_nothing_runs(worker)


def test_a_batch_done_again_on_the_other_side_has_one_row_per_image(
    stage: Scenario, network: Network
) -> None:
    """A worker is cut off until its heartbeat has expired; its result comes late."""
    client = stage.fleet.client
    there, here = network.site(), network.site()
    far, near = worker_at(there, stage), worker_at(here, stage, 2)
    producer = producer_at(here, stage, repeats=False)
    stage.reach_the_middle(producer)
    lost = stage.catch(producer, far)
    held = stage.catch_unfinished(producer, near)  # the job stays open for the late result
    there.cut()
    stage.let_go(lost)
    wait_until_taken_over(client, lost, WORKER_DEAD_WITHIN_S)
    stage.allow_repeats()
    done = keys.job(lost.job, "done")
    wait_for("the result of the other", lambda: client.getbit(done, lost.batch))
    before = far.log.count("succeeded")
    there.mend()
    watch = Stopwatch()
    wait_for("the late result", lambda: far.log.count("succeeded") > before)
    LATE_RESULT.check(watch.seconds)
    procfs.go_on(held.child)
    stage.check_finished(producer)
    stage.check_nothing_runs(far, near)


@CUTS
def test_a_producer_that_is_cut_off_reports_it_soon_and_continues(
    stage: Scenario, network: Network, seconds: float
) -> None:
    there, here = network.site(), network.site()
    worker = worker_at(here, stage)
    producer = producer_at(there, stage, repeats=False)
    stage.reach_the_middle(producer)
    held = stage.catch(producer, worker)
    # A cut between the images of a batch and its hint costs a hint that only a repetition replaces.
    wait_until_nothing_is_offered(stage, held.job)
    there.cut()
    cut_s = time.monotonic()
    watch = Stopwatch()
    stage.let_go(held)
    producer.wait_for_log(AWAY)
    assert watch.seconds < NOTICED_WITHIN_S
    sleep_until(cut_s + seconds)
    stage.check_outstanding(producer)
    there.mend()
    watch = Stopwatch()
    producer.wait_for_log(BACK)
    PRODUCER_BACK.check(watch.seconds)
    producer.wait_until_done(IMAGES * 9 // 10)
    stage.allow_repeats()  # of a hint that was sent before its connection was known to be dead
    stage.check_finished(producer)
    stage.check_nothing_runs(worker)


def wait_until_nothing_is_offered(stage: Scenario, job: str) -> None:
    """Wait until the producer has offered no batch between two of its heartbeats."""
    client, payload = stage.fleet.client, keys.job(job, "payload")
    before = client.zscore(keys.JOBS, job)
    offered: object = None  # not before the first heartbeat from now on

    def has_paused() -> bool:
        nonlocal before, offered
        beat, now = client.zscore(keys.JOBS, job), client.hkeys(payload)
        if beat == before:
            return False
        paused = now == offered
        before, offered = beat, now
        return paused

    wait_for("a heartbeat without an offer", has_paused)
