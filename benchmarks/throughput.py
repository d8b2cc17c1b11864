"""`make bench`: every contender on the same images in one run, in turns.

The order within a repeat is that of NAMES, so that compared contenders run one after the other.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec

from benchmarks.contenders import ray_environment
from benchmarks.contenders.contenders import WARMING_IMAGES, Contenders, table
from benchmarks.environment import machine
from benchmarks.environment.paths import environment, runtime_folder
from benchmarks.measure import local_stack
from benchmarks.measure.command import Failed
from benchmarks.report.goals import goals
from benchmarks.report.results import Measured, Results, differences
from benchmarks.report.tables import report
from benchmarks.workloads import images, networks
from benchmarks.workloads.networks import Network
from producer.fleet.machine_resources import cores

NAMES = ("bare", "warm", "cold", "cold-small", "keras", "ray")


class Bench:
    """One run of the whole benchmark."""

    def __init__(self, given: argparse.Namespace, runtime: Path) -> None:
        self._names: list[str] = given.only
        self._repeats, self._images = given.repeats, given.images
        self._small = max(1, given.images // 10)  # to measure the growth of memory
        self._few = max(1, given.images // 6)  # for cold starts and slow contenders
        self._env, self._runtime = environment(runtime), runtime
        self._do = Contenders(runtime, given.workers, given.images)
        self.results, self.notes = Results(), [note for note in [machine.busy()] if note]
        self.ray = ""

    @property
    def server(self) -> str:
        """The queue's server and its version."""
        return self._do.server

    def run(self) -> None:
        """Prepare, then measure."""
        for count in {self._images, self._small, self._few, WARMING_IMAGES}:
            images.read_all(images.make(count))
        both = [networks.dense(self._env), networks.shipped()]
        ways = {n.name: self._keras_way(n) for n in both} if "keras" in self._names else {}
        for repeat in range(self._repeats):
            self._do.repeat = repeat
            for network in both:
                self._round(network, ways)
        for network in both:
            self._compare(network)
        self._ray(both)

    def _round(self, network: Network, ways: dict[str, dict[str, object]]) -> None:
        steps: dict[str, Callable[[], Measured | list[Measured]]] = {
            "bare": lambda: self._do.bare(network),
            "warm": lambda: self._do.warm(network, self._small),
            "cold": lambda: self._do.cold(network),
            "cold-small": lambda: self._do.cold(network, self._few),
            "keras": lambda: self._do.keras(network, ways[network.name]),
        }
        for name, step in steps.items():
            if name in self._names:
                found = step()
                for one in found if isinstance(found, list) else [found]:
                    self._record(one)

    def _record(self, one: Measured) -> None:
        self.results.runs.append(one)
        print(
            f"{one.repeat + 1}/{self._repeats} {one.network} {one.contender}: {one.images:,} images"
            f" in {one.whole_s:.2f} s, {one.work_rate:,.0f} images/s without the start",
            file=sys.stderr,
            flush=True,
        )

    def _keras_way(self, network: Network) -> dict[str, object]:
        way = self._do.keras_way(network, self._small)
        jit = "with" if way["jit"] else "without"
        self.notes.append(
            f"Keras, {network.name}: batches of {way['batch']} {jit} XLA were the fastest"
        )
        return way

    def _compare(self, network: Network) -> None:
        reference = table("bare", network, self._images)
        for name, contender in (("warm", "hangtag"), ("keras", "keras")):
            other = table(contender, network, self._images)
            if name in self._names and "bare" in self._names:
                words = differences(other, reference)
                self.notes.append(f"{contender}'s table beside the bare loop's: {words}")

    def _ray(self, both: list[Network]) -> None:
        if "ray" not in self._names:
            return
        try:
            python = ray_environment.python()
        except ray_environment.NotInstalled as error:
            self.notes.append(f"Ray Data could not be installed here: {error}")
            return
        self.ray = ray_environment.version(python)
        self.notes.append(f"Ray Data is slow: {self._few:,} images, once")
        for network in both:
            self._do.repeat = 0
            try:
                self._record(self._do.ray(network, python, self._few))
            except Failed as error:
                self.notes.append(f"Ray Data did not finish here: {error}")


def main() -> None:
    """Print the tables; --json stores every run."""
    parser = _parser()
    given = parser.parse_args()
    if not 1 <= given.images <= images.ALL:
        parser.error(f"there are 1 to {images.ALL:,} images")
    with runtime_folder() as runtime:
        bench = Bench(given, runtime)
        try:
            bench.run()
        finally:
            local_stack.end(environment(runtime), str(runtime))
    about = machine.describe(bench.server, bench.ray)
    print(f"{about}\n\n{report(bench.results, bench.notes)}")
    if given.json:
        found = {"machine": about, "runs": bench.results.runs, "goals": goals(bench.results)}
        given.json.write_bytes(msgspec.json.format(msgspec.json.encode(found)))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.throughput", description=__doc__)
    parser.add_argument("--images", type=int, default=images.ALL)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--workers", type=int, default=cores(), help="default: one per core")
    parser.add_argument("--only", nargs="+", choices=NAMES, default=NAMES, metavar="NAME",
                        help=", ".join(NAMES))  # fmt: skip
    parser.add_argument("--json", type=Path, metavar="FILE")
    return parser


if __name__ == "__main__":
    main()
