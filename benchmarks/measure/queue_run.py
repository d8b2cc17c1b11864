"""Runs one job on a separate fleet, whose model sleeps."""

from __future__ import annotations

import json
import tempfile
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import msgspec

from benchmarks.environment.paths import STORE, TRACE
from benchmarks.environment.route import ping_ms, way_to
from benchmarks.environment.sleeping_app import SLEEP
from tests.support.processes.fleet import Fleet
from tests.support.servers.redis_server import RedisServer, server_binaries

APP, TRACED = "benchmarks.environment.sleeping_app", ("benchmarks.contenders.traced_classify",)


class Run(msgspec.Struct):
    """One job."""

    route: str
    workers: int
    images: int
    messages: int
    steady_s: float  #: between the first and the last result
    share: float  #: of the messages that arrived in between
    ping_ms: float

    @property
    def images_per_s(self) -> float:
        """Images/s between the first and the last result."""
        return self.images * self.share / self.steady_s

    @property
    def messages_per_s(self) -> float:
        """Messages/s between the first and the last result."""
        return self.messages * self.share / self.steady_s


def run(sleep_s: float, route: str, workers: int, folder: Path, images: int, batch: int) -> Run:
    """Run one job; the model sleeps for `sleep_s` in each message."""
    with (
        tempfile.TemporaryDirectory(prefix="htb-") as place,
        redirect_stdout(StringIO()),  # only tests need the processes' output
        RedisServer(server_binaries()[0]) as server,
        way_to(server, route) as url,
        Fleet(
            server,
            HANGTAG_REDIS_URL=url,
            HANGTAG_BATCH_IMAGES=str(batch),
            HANGTAG_STORE=str(STORE),
            XDG_STATE_HOME=place,
            **{SLEEP: str(sleep_s)},
        ) as fleet,
    ):
        for one in [fleet.worker(1, APP, ready=False) for _ in range(workers)]:
            fleet.wait_ready(one)
        trip = ping_ms(url)
        trace, out = Path(place, "trace"), Path(place, "out.csv")
        arguments = ("classify", str(folder), "-o", str(out), "--quiet")
        settings = {TRACE: str(trace)}
        producer = fleet.producer(*arguments, cwd=Path(place), program=TRACED, **settings)
        assert producer.wait(600.0) in (0, 3), producer.story
        times = json.loads(trace.read_text())
    messages = -(-images // batch)
    return Run(route, workers, images, messages, times["steady_s"], times["share"], trip)
