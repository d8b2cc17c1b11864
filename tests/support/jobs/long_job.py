"""A job of thousands of pictures, and who worked on its batches."""

from __future__ import annotations

import os
from collections import defaultdict
from pathlib import Path
from typing import NamedTuple, cast

import numpy as np
import redis
from PIL import Image

from shared.ledger import batches
from tests.support.images.gallery import FOLDER
from tests.support.jobs import expected_table
from worker.demo.drawings import silhouette

#: Different ones; all others are links to them.
MOTIFS = 10
SIZE = (90, 120)


class LongJob:
    """`count` pictures below `cwd`, each a millisecond of work, and their table."""

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
        rests = [row.partition(b",")[2] for row in rows]
        self.table = head + b"".join(
            f"{FOLDER}/{i:05}.jpg,".encode() + rests[i % MOTIFS] for i in range(count)
        )


def _motif(path: Path, seed: int) -> Path:
    drawn = silhouette(seed % 10, seed)
    Image.fromarray(np.asarray(drawn)).resize(SIZE).save(path, quality=70)
    return path


class Work(NamedTuple):
    """What happened to one batch: the processes that asked for it, and that answered, in order."""

    claimed: list[str]
    completed: list[str]

    @property
    def in_one_go(self) -> bool:
        """Whether the first that had it finished it, and nobody else did.

        Others may ask in vain: a worker that ends gives its hints back, and may take one still.
        """
        return self.completed == self.claimed[:1]


class Step(NamedTuple):
    """A producer offered a batch, or a worker asked for one, or handed its result in."""

    what: str
    job: str
    batch: int
    who: str


OFFER, CLAIM, COMPLETE = "offer", "claim", "complete"


class Recorder:
    """Who worked on which batch, from the server's own record of its commands."""

    KEPT = 200_000

    def __init__(self, client: redis.Redis) -> None:
        self._client = client
        client.config_set("slowlog-log-slower-than", 0)
        client.config_set("slowlog-max-len", self.KEPT)
        self._scripts = {
            client.script_load(batches.SCRIPTS[name]).encode(): name for name in (CLAIM, COMPLETE)
        }

    def steps(self) -> list[Step]:
        """What happened to the batches of all jobs, in order."""
        found = []
        for one in self._commands():
            words, who = one["command"].split(b" "), one["client_name"].decode()
            if words[0] == b"EVALSHA" and (what := self._scripts.get(words[1])):
                batch = words[3 + int(words[2])]
            elif words[0] == b"HSET" and words[1].endswith(b":payload"):
                what, batch = OFFER, words[2]
            else:
                continue
            job = next(word for word in words if b":job:" in word).decode().split(":")[2]
            found.append(Step(what, job, int(batch), who))
        return found

    def work(self) -> dict[int, Work]:
        """By the number of the batch, of the only job."""
        found: dict[int, Work] = defaultdict(lambda: Work([], []))
        for step in self.steps():
            if step.what != OFFER:
                work = found[step.batch]
                (work.claimed if step.what == CLAIM else work.completed).append(step.who)
        return dict(found)

    def _commands(self) -> list[dict[str, bytes]]:
        found = cast(list[dict[str, bytes]], self._client.slowlog_get(self.KEPT))
        assert len(found) < self.KEPT, "some commands are not in the record any more"
        return found[::-1]
