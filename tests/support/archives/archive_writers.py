"""Archives of each kind that is read, of the same files."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

from tests.support.archives.hostile_archives import gzipped, tarred, zipped

Files = Mapping[str, bytes]

#: By the ending of the name.
WRITERS: dict[str, Callable[[Files], bytes]] = {
    ".zip": lambda files: zipped(*files.items(), method=zipfile.ZIP_DEFLATED),
    ".tar": lambda files: tarred(*files.items()),
    ".tar.gz": lambda files: gzipped(tarred(*files.items())),
    ".TGZ": lambda files: gzipped(tarred(*files.items())),
}
#: One of each way to read.
ENDINGS = (".zip", ".tar", ".tar.gz")


def write(archive: Path, files: Files) -> Path:
    """Write an archive of the kind that its name says."""
    ending = next(ending for ending in reversed(WRITERS) if archive.name.endswith(ending))
    archive.write_bytes(WRITERS[ending](files))
    return archive
