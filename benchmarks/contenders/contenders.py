"""Runs each contender as a command, and samples all its processes."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from benchmarks.environment.paths import DATA, TRACE, environment
from benchmarks.measure import local_stack
from benchmarks.measure.command import Done, run
from benchmarks.measure.process_watch import Watch
from benchmarks.report.results import Contender, Measured
from benchmarks.workloads.images import folder_name
from benchmarks.workloads.networks import Network

#: Enough batches for every worker child to process one.
WARMING_IMAGES = 10_000
_PYTHON = [sys.executable, "-m"]


class Contenders:
    """The compared commands. The caller sets `repeat` before each round."""

    def __init__(self, runtime: Path, workers: int, images: int) -> None:
        self._runtime, self._workers, self._images = runtime, workers, images
        self._env = environment(runtime)
        self.repeat = 0
        self.server = ""  #: the queue's server and its version, after its first run

    def bare(self, network: Network) -> Measured:
        """The loop without a queue."""
        command = [
            *_PYTHON,
            "benchmarks.contenders.bare_loop",
            *self._files("bare", network, self._images),
        ]
        done, watch = self._watched([*command, "--workers", str(self._workers)])
        return self._measured(Contender.BARE, network, done, watch)

    def warm(self, network: Network, small: int) -> list[Measured]:
        """Hangtag with a stack whose children have loaded the model."""
        try:
            local_stack.up(self._env, self._workers)
            self._classify(Contender.WARM, network, WARMING_IMAGES)
            return [
                self._classify(Contender.WARM, network, self._images),
                self._classify(Contender.WARM_SMALL, network, small),
            ]
        finally:
            local_stack.down(self._env)

    def cold(self, network: Network, small: int = 0) -> Measured:
        """Hangtag without a stack: the command starts it, with one child per core."""
        contender = Contender.COLD_SMALL if small else Contender.COLD
        try:
            return self._classify(contender, network, small or self._images)
        finally:
            local_stack.down(self._env)

    def keras(self, network: Network, way: dict[str, Any]) -> Measured:
        """Keras, in the fastest of the tried ways."""
        jit = ["--jit"] if way["jit"] else []
        done, watch = self._watched(
            [*self._keras(network, self._images), "--batch", str(way["batch"]), *jit]
        )
        return self._measured(Contender.KERAS, network, done, watch)

    def keras_way(self, network: Network, images: int) -> dict[str, Any]:
        """Find the fastest way to call Keras."""
        return run([*self._keras(network, images), "--probe"], self._env).report

    def ray(self, network: Network, python: Path, images: int) -> Measured:
        """Ray Data, in its own environment."""
        script = str(Path(__file__).with_name("ray_data.py"))
        command = [str(python), script, *self._files("ray", network, images)]
        done, watch = self._watched([*command, "--workers", str(self._workers)])
        return self._measured(Contender.RAY, network, done, watch)

    def _keras(self, network: Network, images: int) -> list[str]:
        return [
            *_PYTHON,
            "benchmarks.contenders.keras_dataset",
            *self._files("keras", network, images),
        ]

    def _classify(self, contender: Contender, network: Network, images: int) -> Measured:
        output, trace = table("hangtag", network, images), DATA / "trace.json"
        for left in (trace, *output.parent.glob(f"{output.name}*")):
            left.unlink(missing_ok=True)
        folder = folder_name(images)
        done, watch = self._watched(
            [
                *(
                    *_PYTHON,
                    "benchmarks.contenders.traced_classify",
                    "classify",
                    folder,
                    "-o",
                    output.name,
                ),
                *("--model", network.model, "--quiet", "--json"),
            ],
            {TRACE: str(trace)},
        )
        times = json.loads(trace.read_bytes())
        span = times["last_s"] - times["first_s"]
        self.server = local_stack.server_version(self._runtime)
        own = {"work_s": done.report["seconds"], "first_s": times["first_s"]}
        return self._measured(
            contender, network, done._replace(report=done.report | own), watch,
            steady=images * times["share"] / span if span else None,
            redis_peak=local_stack.used_memory_peak(self._runtime),
        )  # fmt: skip

    def _files(self, contender: str, network: Network, images: int) -> list[str]:
        output = table(contender, network, images)
        return [folder_name(images), "-o", output.name, "--model", str(network.folder)]

    def _watched(
        self, command: list[str], more: dict[str, str] | None = None
    ) -> tuple[Done, Watch]:
        with Watch(str(self._runtime)) as watch:
            done = run(command, {**self._env, **(more or {})})
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


def table(contender: str, network: Network, images: int) -> Path:
    """The path of a contender's table."""
    return DATA / f"{contender}-{network.name}-{images}.csv"
