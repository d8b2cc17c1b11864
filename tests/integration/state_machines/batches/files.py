"""The pictures of a job, what a right answer to each is, and which of them kill their worker."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from shared.image_status import Status
from shared.messages.batch import BatchResult, encode_result

POISON = b"poison"  #: a picture that begins like this ends the process that decodes it
GARBAGE = b"garbage"  #: a result that is none
LABELS = 10


@dataclass
class Files:
    """The pictures of a job, every content that each had, and what a right answer may be."""

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
    """What our classifier sees in a picture."""
    return sum(content) % LABELS


def is_poison(image: bytes | Status) -> bool:
    """Whether this picture ends the process that decodes it."""
    return isinstance(image, bytes) and image.startswith(POISON)


def answer(images: Sequence[bytes | Status]) -> bytes:
    """The right result of a batch, which is a pure function of what travels."""
    statuses = bytes(0 if isinstance(image, bytes) else image.code for image in images)
    labels = [label(image) if isinstance(image, bytes) else 0 for image in images]
    n = len(images)
    return encode_result(
        BatchResult(1, statuses, struct.pack(f"<{n}H", *labels), struct.pack(f"<{n}f", *[1.0] * n))
    )
