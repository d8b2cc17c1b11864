"""Images of a folder that are alike, for a program: groups of them, and those most like one."""

from __future__ import annotations

import os
from contextlib import closing
from itertools import chain
from typing import NamedTuple, TypeVar

import msgspec

from producer.machine.helper import Helper
from producer.people.folder_images import FolderImages, computed, reason
from producer.people.learner import group_helper
from producer.present.events import Events
from producer.present.formatting import counted
from shared import regular_file
from shared.errors import UsageError
from shared.image_status import BY_CODE
from shared.messages.files import printable
from shared.messages.labelling import FindGroups, FindSimilar, Groups, SimilarImages
from shared.messages.replies import decode_features
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
        images, features = _described(settings, folder, backbone, events, stop)
        made = _found(helper, FindGroups(features, count), Groups)

    def paths(stack: int) -> tuple[str, ...]:
        return tuple(os.fsdecode(images.typed(image)) for image in images.stacks[stack])

    return [Group(tuple(map(paths, group))) for group in made.stacks]


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
        digest = regular_file.sha256(image)
    except OSError as error:
        raise UsageError(f"{printable(image)} {reason(error)}; check the path") from None
    with closing(group_helper()) as helper:
        images, features = _described(settings, folder, backbone, events, stop)
        number = next((n for n in range(len(images)) if images.sha256(n) == digest), None)
        if number is None:
            where = printable(os.fsencode(folder))
            raise UsageError(
                f"{printable(image)} is none of the readable images of {where}; name one of them, "
                "or a copy of one"
            )
        order = FindSimilar(features, number, count + 1)
        made = _found(helper, order, SimilarImages)
    same = os.path.abspath(image)
    return [
        SimilarImage(os.fsdecode(images.typed(other)), likeness)
        for other, likeness in zip(made.images, made.likeness, strict=True)
        if images.path(other) != same
    ][:count]


def _described(
    settings: Settings, folder: str, backbone: str, events: Events | None, stop: Stop | None
) -> tuple[FolderImages, bytes]:
    """The images, and their features as the process gets them."""
    answer, data = computed(settings, folder, backbone, events, stop)
    features = decode_features(data)
    if answer.unreadable and events is not None:
        first, status = printable(features.unreadable[0]), BY_CODE[features.statuses[0]]
        files = counted(answer.unreadable, "file")
        events.notice(f"{files} cannot be read as an image; the first: {first}: {status.sentence}")
    return FolderImages(features, folder), data


def _found(helper: Helper, order: FindGroups | FindSimilar, kind: type[Found]) -> Found:
    reply = helper.ask(order)
    if not isinstance(reply, kind):
        raise helper.ended()
    return reply
