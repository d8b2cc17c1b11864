"""Images of a folder that are alike, for a program: groups of them, and those most like one."""

from __future__ import annotations

import os
from contextlib import closing
from itertools import chain
from typing import NamedTuple, TypeVar

import msgspec

from producer.people.folder_images import reason
from producer.people.folder_request import computed
from producer.people.learner import group_helper
from producer.present.events import Events
from producer.present.formatting import counted
from producer.processes.helper import Helper
from shared import regular_file
from shared.errors import UsageError
from shared.image_status import BY_CODE
from shared.messages.files import printable
from shared.messages.folder_features import SHA256_BYTES, FolderFeatures, decode_features
from shared.pipes.labelling import FindGroups, FindSimilar, Groups, SimilarImages
from shared.settings import Settings
from shared.stop import Stop

Found = TypeVar("Found", Groups, SimilarImages)


class Group(msgspec.Struct, frozen=True):
    """Images of a folder that are alike. Its length is their number."""

    #: The images, each with its near-duplicates; the most typical of the group first. Paths begin
    #: as the folder was given.
    stacks: tuple[tuple[str, ...], ...]

    @property
    def paths(self) -> list[str]:
        """All images, near-duplicates one after the other."""
        return list(chain.from_iterable(self.stacks))

    def __len__(self) -> int:
        return sum(map(len, self.stacks))


class SimilarImage(NamedTuple):
    """An image of a folder, and how much it is like another one."""

    path: str  #: begins as the folder was given
    #: 1: equal. 0: as far apart as two images of the folder are in the mean, or farther.
    likeness: float


class _Folder:
    """The features of a folder, and its images by number."""

    def __init__(self, typed: str, features: bytes) -> None:
        self.encoded, self._typed = features, os.fsencode(typed)
        self.features: FolderFeatures = decode_features(features)

    def name(self, image: int) -> str:
        """Its path, as the folder was typed."""
        below = os.path.relpath(self.features.paths[image], self.features.root)
        return os.fsdecode(os.path.join(self._typed, below))

    def of_content(self, digest: bytes) -> int | None:
        """An image with this SHA-256."""
        digests = self.features.digests
        starts = range(0, len(digests), SHA256_BYTES)
        of_start = (s for s in starts if digests.startswith(digest, s))
        start = next(of_start, None)
        return None if start is None else start // SHA256_BYTES


def groups(
    settings: Settings,
    folder: str,
    count: int = 0,
    events: Events | None = None,
    stop: Stop | None = None,
    backbone: str = "",
) -> list[Group]:
    """Groups of alike images, the largest first. `count`: the most groups; 0: as many as suit.
    `backbone`: the network by whose features they are alike; empty: one that ships.

    Raises:
        UsageError: it is not a folder.
        SetupError, Stopped: it has no images; or as `submit`.
    """
    with closing(group_helper()) as helper:  # before the long work: its packages may be missing
        described = _described(settings, folder, backbone, events, stop)
        made = _found(helper, FindGroups(described.encoded, count), Groups)
    stacks: list[list[str]] = []
    for image, stack in enumerate(memoryview(described.features.stacks).cast("I")):
        stacks.extend([] for _ in range(stack + 1 - len(stacks)))
        stacks[stack].append(described.name(image))
    return [Group(tuple(tuple(stacks[stack]) for stack in group)) for group in made.stacks]


def similar(
    settings: Settings,
    folder: str,
    image: bytes,
    count: int,
    events: Events | None = None,
    stop: Stop | None = None,
    backbone: str = "",
) -> list[SimilarImage]:
    """The images of a folder that are most like one of them, which is found by its content; the
    most similar first, without the image itself.

    Raises:
        UsageError: it is not a folder, or has no such image.
        SetupError, Stopped: as `groups`.
    """
    try:
        digest = bytes.fromhex(regular_file.sha256(image))
    except OSError as error:
        raise UsageError(f"{printable(image)} {reason(error)}; check the path") from None
    with closing(group_helper()) as helper:
        described = _described(settings, folder, backbone, events, stop)
        number = described.of_content(digest)
        if number is None:
            where = printable(os.fsencode(folder))
            raise UsageError(
                f"{printable(image)} is none of the readable images of {where}; name one of them, "
                "or a copy of one"
            )
        order = FindSimilar(described.encoded, number, count + 1)
        made = _found(helper, order, SimilarImages)
    same = os.path.abspath(image)
    return [
        SimilarImage(described.name(other), likeness)
        for other, likeness in zip(made.images, made.likeness, strict=True)
        if described.features.paths[other] != same
    ][:count]


def _described(
    settings: Settings, folder: str, backbone: str, events: Events | None, stop: Stop | None
) -> _Folder:
    answer, data = computed(settings, folder, backbone, events, stop)
    described = _Folder(folder, data)
    features = described.features
    if answer.unreadable and events is not None:
        first, status = printable(features.unreadable[0]), BY_CODE[features.statuses[0]]
        files = counted(answer.unreadable, "file")
        events.notice(f"{files} cannot be read as an image; the first: {first}: {status.sentence}")
    return described


def _found(helper: Helper, order: FindGroups | FindSimilar, kind: type[Found]) -> Found:
    reply = helper.ask(order)
    if not isinstance(reply, kind):
        raise helper.ended()
    return reply
