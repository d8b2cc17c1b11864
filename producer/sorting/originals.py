"""The originals of copies that were taken out of archives, or fetched from addresses."""

from __future__ import annotations

import os
from contextlib import closing, suppress

from producer.inputs.job_options import JobOptions
from producer.sort_log.entry import ClassifiedContent
from producer.sources.job_sources import JobSources
from producer.sources.remote.address import line_of
from producer.sources.source_table import address_of_path
from shared.errors import SetupError
from shared.image_status import Status
from shared.messages.batch import MAX_FILE_BYTES
from shared.messages.files import Stamp, digest


class Originals:
    """Reads what is no file of its own by its absolute path. The last archive stays open."""

    def __init__(self) -> None:
        self._archive, self._sources = b"", JobSources(JobOptions((), b"/", ""))

    def holds(self, path: bytes) -> bool:
        """Whether a path leads into an archive, or stands for an address."""
        return bool(address_of_path(path) or self._above(path))

    @staticmethod
    def is_in_list(path: bytes) -> bool:
        """Whether a path stands for an address whose secrets are in a list, which is not read."""
        return line_of(address_of_path(path)) is not None

    def content(self, path: bytes) -> ClassifiedContent | None:
        """What an original contains; None if there is none, or if it cannot be read."""
        if address := address_of_path(path):
            return self._fetched(address)
        if (archive := self._above(path)) != self._archive:
            self._sources.close()
            self._archive, self._sources = archive, JobSources(JobOptions((archive,), b"/", ""))
        return _content(*self._sources.of(path).read(path, MAX_FILE_BYTES))

    def _fetched(self, address: bytes) -> ClassifiedContent | None:
        with closing(JobSources(JobOptions((address,), b"/", ""))) as sources, suppress(SetupError):
            return _content(*sources.of(address).read(address, MAX_FILE_BYTES))
        return None

    def _above(self, path: bytes) -> bytes:
        """The archive that a path leads into; empty if there is none."""
        if self._archive and path.startswith(self._archive + b"/"):
            return self._archive
        folder = os.path.dirname(path)
        while not os.path.lexists(folder):
            folder = os.path.dirname(folder)
        if os.path.isdir(folder):
            return b""
        return folder if JobSources(JobOptions((folder,), b"/", "")).has_others else b""


def _content(data: bytes | Status, _: Stamp) -> ClassifiedContent | None:
    return ClassifiedContent(len(data), digest(data)) if isinstance(data, bytes) else None
