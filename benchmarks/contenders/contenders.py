"""Runs each contender as a command, and samples all its processes."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.environment.paths import DATA, environment
from benchmarks.measure import local_stack
from benchmarks.measure.command import Done, classify_command, run
from benchmarks.measure.process_watch import Watch
from benchmarks.report.results import Contender, Measured
from benchmarks.workloads.images import Workload
from benchmarks.workloads.networks import Network

_PYTHON = [sys.executable, "-m"]


class Contenders:
    """The compared commands. The caller sets `repeat` before each round."""

    def __init__(self, runtime: Path, workers: int) -> None:
        self._runtime, self.workers = runtime, workers
        self.environment = environment(runtime)
        self.repeat = 0
        self.server = ""  #: the queue's server and its version, after its first run

    def bare(self, network: Network, load: Workload) -> Measured:
        """The loop without a queue."""
        return self._program(Contender.BARE, "bare_loop", network, load)

    @contextmanager
    def warm_stack(self, network: Network, load: Workload) -> Iterator[None]:
        """A stack whose children have loaded the model, each for some batches of `load`."""
        try:
            local_stack.up(self.environment, self.workers)
            self.hangtag(Contender.WARM, network, load)
            yield
        finally:
            local_stack.down(self.environment)

    def cold(self, network: Network, load: Workload) -> Measured:
        """Hangtag without a stack: the command starts it, with one child per core."""
        try:
            return self.hangtag(Contender.COLD, network, load)
        finally:
            local_stack.down(self.environment)

    def keras(self, network: Network, load: Workload) -> Measured:
        """Keras, in the fastest of the tried ways."""
        files = _files("keras", network, load)
        command = [*_PYTHON, "benchmarks.contenders.keras_dataset", *files]
        return self._measured(Contender.KERAS, network, *self._watched(command))

    def ray(self, network: Network, load: Workload, python: Path) -> Measured:
        """Ray Data, in its own environment."""
        script = str(Path(__file__).with_name("ray_data.py"))
        command = [str(python), script, *_files("ray", network, load)]
        found = self._watched([*command, "--workers", str(self.workers)])
        return self._measured(Contender.RAY, network, *found)

    def celery(self, network: Network, load: Workload) -> Measured:
        """Celery alone, one image a message."""
        return self._program(Contender.CELERY, "celery_predict", network, load)

    def hangtag(self, contender: Contender, network: Network, load: Workload) -> Measured:
        """`hangtag classify`, with the stack as it is."""
        output = table("hangtag", network, load)
        for left in output.parent.glob(f"{output.name}*"):
            left.unlink()
        command = classify_command(load.folder, output, network.model)
        done, watch = self._watched(command)
        self.server = local_stack.server_version(self._runtime)
        report = done.report | {"work_s": done.report["seconds"]}
        return self._measured(contender, network, done._replace(report=report), watch)

    def _program(
        self, contender: Contender, module: str, network: Network, load: Workload
    ) -> Measured:
        """A contender whose program has a number of workers."""
        files = _files(module, network, load)
        command = [*_PYTHON, f"benchmarks.contenders.{module}", *files]
        found = self._watched([*command, "--workers", str(self.workers)])
        return self._measured(contender, network, *found)

    def _watched(self, command: list[str]) -> tuple[Done, Watch]:
        with Watch(str(self._runtime)) as watch:
            done = run(command, self.environment)
        return done, watch

    def _measured(
        self, contender: Contender, network: Network, done: Done, watch: Watch
    ) -> Measured:
        return Measured(
            contender=contender,
            network=network.name,
            repeat=self.repeat,
            images=int(done.report["images"]),
            whole_s=done.whole_s,
            work_s=done.report["work_s"],
            peaks=dict(watch.peaks),
            together=watch.together,
            cpu_s=watch.cpu_s,
        )


def table(contender: str, network: Network, load: Workload) -> Path:
    """The path of a contender's table."""
    return DATA / f"{contender}-{network.name}-{load.folder}.csv"


def _files(contender: str, network: Network, load: Workload) -> list[str]:
    output = table(contender, network, load)
    return [load.folder, "-o", output.name, "--model", str(network.folder)]
