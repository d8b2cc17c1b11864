"""The rows of an archive, as a job reads them."""

from __future__ import annotations

import os
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from producer.job.job_options import JobOptions
from producer.sources.job_sources import JobSources, Walk
from shared.image_status import Status
from shared.messages.batch import MAX_FILE_BYTES
from shared.messages.files import Stamp


class ArchiveRows(NamedTuple):
    """What a walk of one archive finds."""

    contents: dict[str, bytes | Status]  #: by the name of the row below the archive, in order
    stamps: dict[str, Stamp]
    skipped: dict[str, int]
    reports: list[str]

    @property
    def names(self) -> list[str]:
        return list(self.contents)


def sources_of(*arguments: Path | str, glob: str = "") -> JobSources:
    """The sources of a job that starts now."""
    roots = tuple(bytes(Path(argument)) for argument in arguments)
    return JobSources(JobOptions(roots, b"/", "", glob))


def rows_of(archive: Path, glob: str = "", after: str = "") -> ArchiveRows:
    """The rows after one, each read as it is found."""
    reports, prefix = list[str](), f"{archive}/"
    with closing(sources_of(archive, glob=glob)) as sources:
        walk = Walk(sources, lambda folder, why: reports.append(why))
        contents, stamps = dict[str, bytes | Status](), dict[str, Stamp]()
        start = (0, os.fsencode(prefix + after)) if after else None
        for _, path in walk.paths(start):
            name = os.fsdecode(path).removeprefix(prefix)
            assert name not in contents
            contents[name], stamps[name] = sources.source_of(path).read(path, MAX_FILE_BYTES)
        return ArchiveRows(contents, stamps, dict(walk.skipped), reports)
