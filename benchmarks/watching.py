"""A folder is watched while its files come, change, are renamed, half written and removed, and
while all processes are killed. After each settled state the table equals that of a fresh job.

    python -m benchmarks.watching 10

Ends with an error at the first state that does not settle.
"""

from __future__ import annotations

import argparse
import os
import random
import tempfile
import time
from collections import Counter
from pathlib import Path

from producer.verify.verify import verify
from shared.errors import Exit
from tests.support.images import gallery
from tests.support.images.gallery import FOLDER, Gallery
from tests.support.processes.fleet import SHORT_TIMES, Fleet, Producer, wait_for
from tests.support.servers.redis_server import RedisServer, server_binaries

IMAGES, AT_FIRST = 400, 150
OUTPUT, FRESH = "out.csv", "fresh.csv"
#: Changes between two settled states.
CHANGES = (5, 25)
SETTLES_WITHIN_S = 120.0


class Watched:
    """The folder, the processes, and what has been done."""

    def __init__(self, fleet: Fleet, drawn: Gallery, folder: Path, chance: random.Random) -> None:
        self._fleet, self._folder, self._chance = fleet, folder, chance
        self._contents = [(drawn.cwd / path).read_bytes() for path in drawn.paths]
        self._root, self._n = folder / FOLDER, 0
        self.done: Counter[str] = Counter()
        self._root.mkdir()
        for _ in range(AT_FIRST):
            self.come()
        self._worker = fleet.worker()
        self._watch = self._started()

    def _started(self) -> Producer:
        return self._command("--watch", output=OUTPUT)

    def _command(self, *options: str, output: str) -> Producer:
        state = {"XDG_STATE_HOME": str(self._folder / "state")}
        arguments = ("classify", FOLDER, "-o", output, *options)
        return self._fleet.producer(*arguments, cwd=self._folder, **state)

    def _some(self) -> Path | None:
        files = sorted(path for path in self._root.rglob("*") if path.is_file())
        return self._chance.choice(files) if files else None

    def _new(self) -> Path:
        self._n += 1
        folder = self._root / self._chance.choice(["a", "a-b", "a/deep", "b", "."])
        folder.mkdir(parents=True, exist_ok=True)
        return folder / f"{self._chance.randrange(1000):03}-{self._n}.png"

    def _content(self) -> bytes:
        return self._chance.choice(self._contents)

    def come(self) -> None:
        self._new().write_bytes(self._content())

    def come_from_the_future(self) -> None:
        path = self._new()
        path.write_bytes(self._content())
        os.utime(path, (time.time() + 9_999, time.time() + 9_999))

    def change(self) -> None:
        if path := self._some():
            path.write_bytes(self._content())

    def rename(self) -> None:
        if path := self._some():
            path.rename(self._new())

    def rename_folder(self) -> None:
        if (self._root / "b").exists():
            target = self._root / f"c{self._n}"
            if not target.exists():
                (self._root / "b").rename(target)

    def write_half(self) -> None:
        """A writer that pauses, shortly or for long."""
        path, content = self._new(), self._content()
        with path.open("wb") as file:
            file.write(content[: len(content) // 2])
            file.flush()
            time.sleep(self._chance.choice([0.2, 1.0, 3.0]))
            file.write(content[len(content) // 2 :])

    def stay_broken(self) -> None:
        self._new().write_bytes(self._content()[:50])

    def vanish(self) -> None:
        if (path := self._some()) and self._count() > 20:
            path.unlink()

    def _count(self) -> int:
        return sum(path.is_file() for path in self._root.rglob("*"))

    def kill_watch(self) -> None:
        self._watch.kill()
        self._watch = self._started()

    def kill_worker(self) -> None:
        self._worker.kill()
        self._worker = self._fleet.worker()

    def kill_everything(self) -> None:
        self._watch.kill()
        self._worker.kill()
        self._fleet.server.restart()  # without what it had
        self._worker = self._fleet.worker()
        self._watch = self._started()

    def step(self) -> None:
        usual = [self.come] * 6 + [self.change, self.rename, self.vanish] * 3
        rare = [
            self.write_half, self.stay_broken, self.rename_folder, self.come_from_the_future,
            self.kill_watch, self.kill_worker, self.kill_everything,
        ]  # fmt: skip
        act = self._chance.choice(usual + rare)
        act()
        self.done[act.__name__] += 1
        time.sleep(self._chance.choice([0.0, 0.0, 0.05, 0.5]))

    def settle(self) -> float:
        """Wait until the table equals that of a fresh job; returns how long it took."""
        begun = time.monotonic()
        for path in self._folder.glob(f"{FRESH}*"):
            path.unlink()
        job = self._command(output=FRESH)
        assert job.wait() in (Exit.OK, Exit.SOME_FAILED), job.story
        fresh = (self._folder / FRESH).read_bytes()
        table = self._folder / OUTPUT

        def is_same() -> bool:
            assert self._watch.running, self._watch.story
            return table.exists() and table.read_bytes() == fresh

        try:
            wait_for("the table of a fresh job", is_same, SETTLES_WITHIN_S)
        except AssertionError:
            print(self._watch.story)
            raise
        return time.monotonic() - begun

    def end(self) -> None:
        """End it as a person does, and verify the table."""
        assert self._watch.interrupt() in (Exit.OK, Exit.SOME_FAILED), self._watch.story
        proof = verify(self._folder / OUTPUT, deep=True)
        assert proof.problems == [], proof.problems
        print(f"{proof.rows} rows, proven; {proof.failed} failed")


def main(minutes: float) -> None:
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    chance, settled = random.Random(seed), list[float]()
    with (
        tempfile.TemporaryDirectory() as name,
        RedisServer(server_binaries()[0]) as server,
        Fleet(server, **SHORT_TIMES) as fleet,
    ):
        folder = Path(name)
        (folder / "drawn").mkdir()
        watched = Watched(fleet, gallery.make(folder / "drawn", IMAGES), folder, chance)
        until = time.monotonic() + 60 * minutes
        while time.monotonic() < until:
            for _ in range(chance.randint(*CHANGES)):
                watched.step()
            settled.append(watched.settle())
            print(f"settled {len(settled)}: {settled[-1]:.1f} s", flush=True)
        watched.end()
        print(f"{len(settled)} settled states, the slowest after {max(settled):.1f} s")
        print(", ".join(f"{name} {count}" for name, count in sorted(watched.done.items())))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("minutes", type=float)
    main(parser.parse_args().minutes)
