"""The images of a job, the correct result of each, and which of them kill their worker."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from shared.image_status import Status
from shared.messages.batch import BatchResult, encode_result

POISON = b"poison"  #: an image that starts with this kills the process that decodes it
GARBAGE = b"garbage"  #: an invalid result
LABELS = 10


@dataclass
class Files:
    """The images of a job, all contents of each, and the valid results."""

    folder: Path
    versions: dict[bytes, list[bytes]] = field(default_factory=dict)
    gone: set[bytes] = field(default_factory=set)

    def write(self, name: bytes, content: bytes) -> None:
        (self.folder / name.decode()).write_bytes(content)
        self.versions.setdefault(name, []).append(content)

    def append(self, name: bytes) -> None:
        self.write(name, self.versions[name][-1] + b"+")

    def remove(self, name: bytes) -> None:
        (self.folder / name.decode()).unlink()
        self.gone.add(name)

    def right(self, name: bytes) -> set[tuple[int, int]]:
        """The (status code, label) pairs that a row of this file may have."""
        contents = self.versions[name]
        found = {(0, label(content)) for content in contents if not content.startswith(POISON)}
        if len(contents) > 1:
            found.add((Status.CHANGED.code, 0))
        if name in self.gone:
            found.add((Status.MISSING.code, 0))
        return found


def label(content: bytes) -> int:
    """The result of the test's classifier."""
    return sum(content) % LABELS


def is_poison(image: bytes | Status) -> bool:
    """Whether this image kills the process that decodes it."""
    return isinstance(image, bytes) and image.startswith(POISON)


def correct_result(images: Sequence[bytes | Status]) -> bytes:
    """The correct result of a batch, a pure function of its payload."""
    statuses = bytes(0 if isinstance(image, bytes) else image.code for image in images)
    labels = [label(image) if isinstance(image, bytes) else 0 for image in images]
    n = len(images)
    return encode_result(
        BatchResult(1, statuses, struct.pack(f"<{n}H", *labels), struct.pack(f"<{n}f", *[1.0] * n))
    )
