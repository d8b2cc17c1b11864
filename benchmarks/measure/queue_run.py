"""Runs one job on a separate fleet and measures the cost of each part."""

from __future__ import annotations

import json
import tempfile
import time
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import msgspec
import redis

from benchmarks.environment.paths import STARTED, STORE, TAG, TRACE
from benchmarks.environment.route import ping_ms, way_to
from benchmarks.environment.sleeping_app import SLEEP
from benchmarks.measure.process_watch import Watch
from tests.support.processes.fleet import Fleet
from tests.support.servers.redis_server import RedisServer, server_binaries

APP, TRACED = "benchmarks.environment.sleeping_app", ("benchmarks.contenders.traced_classify",)
SLEEP_S = 0.1
PRODUCER, SERVER, PARENT, CHILD = "producer", "Redis server", "worker parent", "worker child"


class Run(msgspec.Struct):
    """One job. `cpu_s` is processor time by role, from before the job to after it, in clock
    ticks of 10 ms; the server reports its own in microseconds."""

    what: str
    way: str
    workers: int
    images: int
    messages: int
    steady_s: float  #: between the first and the last result
    share: float  #: of the messages that arrived in between
    cpu_s: dict[str, float]
    ping_ms: float

    @property
    def images_per_s(self) -> float:
        """Images/s between the first and the last result."""
        return self.images * self.share / self.steady_s

    @property
    def messages_per_s(self) -> float:
        """Messages/s between the first and the last result."""
        return self.messages * self.share / self.steady_s


def run(what: str, way: str, workers: int, folder: Path, images: int, batch: int) -> Run:
    """Run one job on a separate fleet."""
    sleep_s = SLEEP_S if what == "sleep" else 0.0
    with (
        tempfile.TemporaryDirectory(prefix="htb-") as place,
        redirect_stdout(StringIO()),  # only tests need the processes' output
        RedisServer(server_binaries()[0]) as server,
        way_to(server, way) as url,
        Fleet(
            server,
            HANGTAG_REDIS_URL=url,
            HANGTAG_BATCH_IMAGES=str(batch),
            HANGTAG_STORE=str(STORE),
            XDG_STATE_HOME=place,
            **{SLEEP: str(sleep_s), TAG: str(server.folder)},
        ) as fleet,
    ):
        for one in [fleet.worker(1, APP, ready=False) for _ in range(workers)]:
            fleet.wait_ready(one)
        trip = ping_ms(url)
        trace, out = Path(place, "trace"), Path(place, "out.csv")
        settings = {STARTED: str(time.monotonic()), TRACE: str(trace)}
        arguments = ("classify", str(folder), "-o", str(out), "--quiet")
        before_s = server_cpu_s(server.client)
        with Watch(str(server.folder)) as watch:
            producer = fleet.producer(*arguments, cwd=Path(place), program=TRACED, **settings)
            assert producer.wait(600.0) in (0, 3), producer.story
        times = json.loads(trace.read_text())
        steady_s = times["last_s"] - times["first_s"]
        messages = -(-images // batch)
        cpu = {**watch.cpu_s, SERVER: server_cpu_s(server.client) - before_s}
    return Run(what, way, workers, images, messages, steady_s, times["share"], cpu, trip)


def server_cpu_s(client: redis.Redis) -> float:
    """Processor time of the server since its start."""
    info: dict[str, Any] = client.info("cpu")
    return float(info["used_cpu_user"]) + float(info["used_cpu_sys"])
