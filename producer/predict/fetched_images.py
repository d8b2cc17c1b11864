"""The images of `hangtag predict` that are in archives and at addresses, as files."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from producer.inputs.job_options import JobOptions
from producer.predict.predict import NAME, check_count
from producer.sources.job_sources import JobSources
from producer.sources.remote.address import check_argument
from producer.sources.source_table import LOCAL, is_address, kind_of
from shared.errors import UsageError
from shared.messages.batch import MAX_FILE_BYTES
from shared.messages.files import printable
from shared.stop import Stop, Waits


@contextmanager
def in_files(images: Sequence[bytes], stop: Stop | None = None) -> Iterator[list[bytes]]:
    """The same paths; of a member of an archive (`photos.zip/a.jpg`) and of an address that of a
    file with its bytes, which is there until the end of the block.

    Raises:
        UsageError: there is no such image, it cannot be read, or there are too many.
        SetupError: a server cannot be reached, or a package is missing.
        Stopped: the caller has stopped it.
    """
    sources_of = {image: root for image in images if (root := _source_of(image))}
    if not sources_of:
        yield list(images)
        return
    check_count(len(images))
    roots = tuple(dict.fromkeys(sources_of.values()))
    with (
        tempfile.TemporaryDirectory(prefix="hangtag-") as folder,
        closing(Waits(stop or Stop())) as waits,
    ):
        with closing(JobSources(JobOptions(roots, os.getcwdb(), NAME), waits)) as sources:
            sources.check()
            sources.announce(sources_of)
            files = {
                image: _written(sources, image, Path(folder) / f"{number}.image")
                for number, image in enumerate(sources_of)
            }
        yield [files.get(image, image) for image in images]


def _source_of(image: bytes) -> bytes:
    """The archive of a member, or the address itself; empty for a file, or what is nothing."""
    if os.path.lexists(image):
        return b""
    if is_address(image, image):
        check_argument(image)  # before it is printed
        return image if kind_of(image, image) != LOCAL else b""
    above = os.path.dirname(image)
    while above and above != os.path.dirname(above) and not os.path.lexists(above):
        above = os.path.dirname(above)
    return above if kind_of(above, above) != LOCAL else b""


def _written(sources: JobSources, image: bytes, file: Path) -> bytes:
    content, _ = sources.of(image).read(image, MAX_FILE_BYTES)
    if not isinstance(content, bytes):
        raise UsageError(f"{printable(image)}: {content.sentence}")
    file.write_bytes(content)
    return os.fsencode(file)
