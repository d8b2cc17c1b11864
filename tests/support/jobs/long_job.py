"""A job of thousands of images, and a record of the processes that worked on its batches."""

from __future__ import annotations

import os
from collections import defaultdict
from pathlib import Path
from typing import NamedTuple, cast

import numpy as np
import redis
from PIL import Image

from shared.ledger import batch_ledger
from tests.support.images.gallery import FOLDER
from tests.support.jobs import expected_table
from worker.datasets.demo import silhouette

#: The number of different images; all others are links to them.
MOTIFS = 10
SIZE = (90, 120)


class LongJob:
    """`count` images below `cwd`, each a millisecond of work, and their table."""

    def __init__(self, cwd: Path, count: int) -> None:
        self.cwd, self.count = cwd, count
        folder = cwd / FOLDER
        folder.mkdir()
        motifs = [_motif(cwd / f"motif-{n}.jpg", n) for n in range(MOTIFS)]
        for i in range(count):
            os.link(motifs[i % MOTIFS], folder / f"{i:05}.jpg")
        head, *rows = expected_table.table(cwd, [path.name for path in motifs]).splitlines(
            keepends=True
        )
        cells = [row.partition(b",")[2] for row in rows]
        self.table = head + b"".join(
            f"{FOLDER}/{i:05}.jpg,".encode() + cells[i % MOTIFS] for i in range(count)
        )


def _motif(path: Path, seed: int) -> Path:
    drawn = silhouette(seed % 10, seed)
    Image.fromarray(np.asarray(drawn)).resize(SIZE).save(path, quality=70)
    return path


class Work(NamedTuple):
    """The processes that claimed one batch, and those that completed it, in order."""

    claimed: list[str]
    completed: list[str]

    @property
    def in_one_go(self) -> bool:
        """Whether the first process that claimed it finished it, and no other did.

        Later claims may fail: a worker that ends returns its hints, and may take one again.
        """
        return self.completed == self.claimed[:1]


class Step(NamedTuple):
    """A producer offered a batch, or a worker claimed or completed one.

    A hint in a queue has neither job nor batch here.
    """

    what: str
    job: str
    batch: int
    who: str


OFFER, HINT, CLAIM, COMPLETE = "offer", "hint", "claim", "complete"


class Recorder:
    """Records which process worked on which batch, from the server's slow log of all commands."""

    ENTRIES_MAX = 200_000

    def __init__(self, client: redis.Redis) -> None:
        self._client = client
        client.config_set("slowlog-log-slower-than", 0)
        client.config_set("slowlog-max-len", self.ENTRIES_MAX)
        self._scripts = {
            client.script_load(batch_ledger.SCRIPTS[name]).encode(): name
            for name in (CLAIM, COMPLETE)
        }

    def steps(self) -> list[Step]:
        """The steps of the batches of all jobs, in order."""
        found = []
        for command in self._commands():
            words, who = command["command"].split(b" "), command["client_name"].decode()
            if words[0] == b"EVALSHA" and (what := self._scripts.get(words[1])):
                batch = words[3 + int(words[2])]
            elif words[0] == b"HSET" and words[1].endswith(b":payload"):
                what, batch = OFFER, words[2]
            elif words[0] == b"LPUSH":
                found.append(Step(HINT, "", -1, who))
                continue
            else:
                continue
            job = next(word for word in words if b":job:" in word).decode().split(":")[-2]
            found.append(Step(what, job, int(batch), who))
        return found

    def work(self) -> dict[int, Work]:
        """The work on each batch of the only job, by number."""
        found: dict[int, Work] = defaultdict(lambda: Work([], []))
        for step in self.steps():
            if step.what in (CLAIM, COMPLETE):
                work = found[step.batch]
                (work.claimed if step.what == CLAIM else work.completed).append(step.who)
        return dict(found)

    def _commands(self) -> list[dict[str, bytes]]:
        found = cast(list[dict[str, bytes]], self._client.slowlog_get(self.ENTRIES_MAX))
        assert len(found) < self.ENTRIES_MAX, "the log has dropped commands"
        return found[::-1]
