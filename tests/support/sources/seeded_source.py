"""A source of the tests: images that are generated from a seed, as `seeded://SEED/COUNT`.

It reads ahead like a source with a slow medium: an image is there some time after it was announced.
"""

from __future__ import annotations

import random
import re
import zlib
from collections.abc import Iterator, Sequence
from functools import cached_property

from producer.job import skipped
from producer.job.job_options import JobOptions
from producer.sources.job_sources import Walk
from producer.sources.source import Source, SourceRow
from shared.errors import UsageError
from shared.image_status import Status
from shared.messages.files import NO_STAMP, Stamp
from shared.stop import Waits
from worker.datasets.demo import encoded, silhouette

NAME = "seeded"
_TYPED = re.compile(rb"seeded://(\d+)/(\d+)")
#: The first turns of each awaited image in which it is not there.
TURNS = 2
#: Of each number of entries one is no row, one is missing, one is not to be read.
_SKIPPED, _MISSING, _UNREADABLE = 11, 13, 17
_LABELS = 10


class SeededSource(Source):
    """Images by their numbers. `names` are those that are rows."""

    ahead = 8

    def __init__(self, typed: bytes, options: JobOptions, waits: Waits) -> None:
        super().__init__(typed, options, waits)
        self._announced: dict[bytes, int] = {}  #: turns until it is there
        self.reads: list[tuple[bytes, bool]] = []  #: of each image, and whether it was there

    def check(self, is_new: bool) -> None:
        if not _TYPED.fullmatch(self.typed):
            raise UsageError(f"{self.typed!r} has no seed and count; check it")

    def entries(self, after: bytes, walk: Walk) -> Iterator[bytes]:
        for number in range(self._seed_and_count[1]):
            walk.check()
            if (name := self.name(number)) <= after:
                continue
            if number % _SKIPPED == 0:
                walk.skip(skipped.HIDDEN)
            else:
                yield name

    def name(self, number: int) -> bytes:
        return b"%s/%06d" % (self.typed, number)

    def announce(self, names: Sequence[bytes], stamps: bool = False) -> None:
        if not stamps:
            self._announced |= dict.fromkeys(names, TURNS)

    def is_ready(self, name: bytes, seconds: float) -> bool:
        self._announced[name] = self._announced.get(name, TURNS) - 1
        return self._announced[name] < 0

    def read(self, name: bytes, max_bytes: int) -> tuple[bytes | Status, Stamp]:
        self.reads.append((name, self._announced.pop(name, 0) < 0))
        return self.content(name), self.stamp(name)

    def content(self, name: bytes) -> bytes | Status:
        """What `read` returns of an image."""
        number = int(name.rpartition(b"/")[2])
        if number % _MISSING == 0:
            return Status.MISSING
        if number % _UNREADABLE == 0:
            return Status.UNREADABLE
        seed, _ = self._seed_and_count
        label = random.Random(f"{seed}/{number}").randrange(_LABELS)
        return encoded(silhouette(label, number))

    def stamp(self, name: bytes) -> Stamp:
        content = self.content(name)
        return NO_STAMP if isinstance(content, Status) else (len(content), zlib.crc32(content))

    @cached_property
    def _seed_and_count(self) -> tuple[int, int]:
        match = _TYPED.fullmatch(self.typed)
        assert match is not None
        return int(match[1]), int(match[2])


ROW = SourceRow(NAME, "tests.support.sources.seeded_source:SeededSource", schemes=(NAME,))
