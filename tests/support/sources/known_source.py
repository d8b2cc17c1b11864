"""A source of the tests: images with known contents, as `known://NAME`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from producer.sources.job_sources import Walk
from producer.sources.source import Source, SourceRow
from shared.image_status import Status
from shared.messages.files import NO_STAMP, Stamp

NAME = "known"


class KnownSource(Source):
    """One image, whose name is its address."""

    contents: ClassVar[dict[bytes, bytes]] = {}

    def check(self, is_new: bool) -> None:
        return

    def holds(self, name: bytes) -> bool:
        return name == self.typed

    def entries(self, after: bytes, walk: Walk) -> Iterator[bytes]:
        if self.typed > after:
            yield self.typed

    def read(self, name: bytes, max_bytes: int) -> tuple[bytes | Status, Stamp]:
        return self.contents.get(name, Status.MISSING), self.stamp(name)

    def stamp(self, name: bytes) -> Stamp:
        return (len(self.contents[name]), 1) if name in self.contents else NO_STAMP


ROW = SourceRow(NAME, "tests.support.sources.known_source:KnownSource", schemes=(NAME,))
