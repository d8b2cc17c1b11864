"""Profiles a job step by step; producer and worker child alternate in one process.

The code is the product's; only the queue is bypassed: hinted batches are classified when the
producer requests results. So no step waits for another processor, and Celery's cost in a worker is
left out (`benchmarks.throughput` reports it as processor time).
"""

from __future__ import annotations

import argparse
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.environment.paths import DATA, STORE, environment, runtime_folder
from benchmarks.measure.startup import starts
from benchmarks.measure.stopwatch import Stopwatch
from benchmarks.report.tables import markdown
from benchmarks.workloads import images, networks
from benchmarks.workloads.networks import Network
from producer.dispatch import batcher, loop, send_limits
from producer.dispatch.job_queue import JobQueue, Result
from producer.dispatch.window import Window
from producer.formats import growing_table
from producer.inputs.job_options import JobOptions
from producer.jobs import classify, job_table
from producer.journal import journal
from producer.sources.job_sources import JobSources
from producer.sources.local.local_source import LocalSource
from producer.sources.walk import Walk
from producer.stack import redis_server
from producer.stack.server_socket import is_ready
from shared.broker.redis_client import connect
from shared.ledger.batch_ledger import BatchLedger
from shared.registry.mirror_writer import publish
from shared.registry.registry import Registry
from shared.settings import Settings
from worker.inference import classify_batch, process_state
from worker.inference.freed_memory import keep_memory
from worker.runtimes import classifier

PRODUCER_STEPS: tuple[tuple[Any, str, str], ...] = (
    (batcher.Batcher, "next", "walk, form batches"),
    (LocalSource, "read_small", "read"),
    (batcher, "encode_images", "pack"),
    (journal.Journal, "commit", "journal"),
    (journal.Journal, "open_count", "journal"),
    (JobQueue, "offer", "redis: images"),
    (JobQueue, "hint", "hint"),
    (JobQueue, "results", "redis: results"),
    (JobQueue, "trim", "redis: trim"),
    (loop, "decode_result", "check results"),
    (loop.DispatchLoop, "_poll", "poll ledger and workers"),
    (growing_table.GrowingTable, "advance", "rows beside the work"),
    (job_table.JobTable, "write_table", "rows at the end, table"),
)
CHILD_STEPS: tuple[tuple[Any, str, str], ...] = (
    (BatchLedger, "claim", "claim"),
    (classify_batch, "decode_payload", "unpack"),
    (classify_batch, "decode_batch", "decode"),
    (classifier.Classifier, "outputs", "predict"),
    (classifier.Classifier, "probabilities", "predict"),
    (classify_batch, "top_k", "top-k"),
    (classify_batch, "encode_result", "pack the result"),
    (BatchLedger, "complete", "complete"),
    (process_state, "_load", "(load the model, once)"),
)


def main() -> None:
    """Print a table for each network, and one with the start times of the parts."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.profile", description=__doc__)
    parser.add_argument("--images", type=int, default=images.ALL)
    parser.add_argument(
        "--cpu",
        action="store_true",
        help="measure processor time: steadier on a busy machine, excludes Redis",
    )
    given = parser.parse_args()
    clock = time.thread_time if given.cpu else time.perf_counter
    folder = images.make(given.images)
    images.read_all(folder)
    with runtime_folder() as runtime, _server(runtime) as settings:
        env = environment(runtime)
        both = [networks.dense(env), networks.shipped()]
        publish(connect(settings.redis_url, "benchmark"), Registry(STORE))
        for network in both:
            head = (f"{network.name} network", "us per image", "%")
            print(markdown(head, steps(network, folder, settings, clock)), end="\n\n")
        print(markdown(("start", "ms", "of which imports"), starts(env)))


def steps(
    network: Network, folder: Path, settings: Settings, clock: Callable[[], float]
) -> list[tuple[str, str, str]]:
    """Microseconds per image of every step, and its share of its side's time."""
    output = DATA / f"profile-{network.name}.csv"
    options = JobOptions((bytes(folder),), b"/", str(output), model=network.model)
    watch = Stopwatch(clock)
    try:
        watch_steps(watch, settings)
        whole = watch.step("producer: the rest", classify.classify)
        count = whole(options, settings, restart=True).done
    finally:
        watch.restore()
    rows = [row for side in ("producer", "child") for row in _side(side, watch.spent, count)]
    return [*rows, ("walk alone", f"{1e6 * _walk_s(options, clock) / count:.2f}", "")]


def watch_steps(watch: Stopwatch, settings: Settings) -> None:
    """Time every step; hinted batches are classified when the producer requests results."""
    hints: list[tuple[str, int]] = []
    state = process_state.ProcessState(settings, settings.redis_url, "benchmark")
    keep_memory()
    for side, side_steps in (("producer", PRODUCER_STEPS), ("child", CHILD_STEPS)):
        for owner, attribute, name in side_steps:
            watch.watch(owner, attribute, f"{side}: {name}")
    hint, results = JobQueue.hint, JobQueue.results
    classify_hint = watch.step("child: the rest", classify_batch.classify)

    def hint_and_remember(queue: JobQueue, batch: int) -> None:
        hint(queue, batch)
        hints.append((queue.record.id, batch))

    def work_and_request(queue: JobQueue, block_ms: int) -> list[Result]:
        while hints:
            classify_hint(state, *hints.pop(0))
        return results(queue, block_ms)

    # No worker has a heartbeat here; batches are as large as for two processes.
    window = Window(children=2)
    watch.replace(send_limits, "measure", lambda client: window)
    watch.replace(JobQueue, "hint", hint_and_remember)
    watch.replace(JobQueue, "results", work_and_request)


def _side(side: str, spent: dict[str, float], count: int) -> Iterator[tuple[str, str, str]]:
    seconds = {step: s for step, s in spent.items() if step.startswith(side) and "(" not in step}
    total = sum(seconds.values())
    for step, s in seconds.items():
        yield step, f"{1e6 * s / count:.2f}", f"{100 * s / total:.0f}"
    yield f"{side}: all", f"{1e6 * total / count:.2f}", "100"


def _walk_s(options: JobOptions, clock: Callable[[], float]) -> float:
    start = clock()
    for _ in Walk(JobSources(options)).paths():
        pass
    return clock() - start


@contextmanager
def _server(runtime: Path) -> Iterator[Settings]:
    """A separate server, without workers."""
    socket = runtime / "redis.sock"
    command = redis_server.command(redis_server.executable(redis_server.find(), runtime), socket)
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        while not is_ready(socket) and process.poll() is None:
            time.sleep(0.01)
        yield Settings(redis_url=f"unix://{socket}", store=str(STORE))
    finally:
        process.kill()
        process.wait()


if __name__ == "__main__":
    main()
