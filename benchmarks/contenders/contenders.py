"""Runs each contender as a command, and samples all its processes."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.environment.paths import DATA, TRACE, environment
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

    def keras(self, network: Network, load: Workload, way: dict[str, Any]) -> Measured:
        """Keras, in the fastest of the tried ways."""
        jit = ["--jit"] if way["jit"] else []
        command = [*self._keras(network, load), "--batch", str(way["batch"]), *jit]
        return self._measured(Contender.KERAS, network, *self._watched(command))

    def keras_way(self, network: Network, load: Workload) -> dict[str, Any]:
        """Find the fastest way to call Keras."""
        return run([*self._keras(network, load), "--probe"], self.environment).report

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
        output, trace = table("hangtag", network, load), DATA / "trace.json"
        for left in (trace, *output.parent.glob(f"{output.name}*")):
            left.unlink(missing_ok=True)
        command = classify_command(load.folder, output, network.model)
        done, watch = self._watched(command, {TRACE: str(trace)})
        times = json.loads(trace.read_bytes())
        span = times["last_s"] - times["first_s"]
        self.server = local_stack.server_version(self._runtime)
        own = {"work_s": done.report["seconds"], "first_s": times["first_s"]}
        return self._measured(
            contender, network, done._replace(report=done.report | own), watch,
            steady=load.images * times["share"] / span if span else None,
            redis_peak=local_stack.used_memory_peak(self._runtime),
        )  # fmt: skip

    def _program(
        self, contender: Contender, module: str, network: Network, load: Workload
    ) -> Measured:
        """A contender whose program has a number of workers."""
        files = _files(module, network, load)
        command = [*_PYTHON, f"benchmarks.contenders.{module}", *files]
        found = self._watched([*command, "--workers", str(self.workers)])
        return self._measured(contender, network, *found)

    def _keras(self, network: Network, load: Workload) -> list[str]:
        files = _files("keras", network, load)
        return [*_PYTHON, "benchmarks.contenders.keras_dataset", *files]

    def _watched(
        self, command: list[str], more: dict[str, str] | None = None
    ) -> tuple[Done, Watch]:
        with Watch(str(self._runtime)) as watch:
            done = run(command, {**self.environment, **(more or {})})
        return done, watch

    def _measured(
        self, contender: Contender, network: Network, done: Done, watch: Watch, **more: Any
    ) -> Measured:
        return Measured(
            contender=contender,
            network=network.name,
            repeat=self.repeat,
            images=int(done.report["images"]),
            whole_s=done.whole_s,
            work_s=done.report["work_s"],
            first_s=done.report["first_s"],
            peaks=dict(watch.peaks),
            together=watch.together,
            cpu_s=watch.cpu_s,
            **more,
        )


def table(contender: str, network: Network, load: Workload) -> Path:
    """The path of a contender's table."""
    return DATA / f"{contender}-{network.name}-{load.folder}.csv"


def _files(contender: str, network: Network, load: Workload) -> list[str]:
    output = table(contender, network, load)
    return [load.folder, "-o", output.name, "--model", str(network.folder)]
