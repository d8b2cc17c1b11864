"""The images of a folder in stacks of near-duplicates, as the trainer has described them, and their
bytes, if they are still those."""

from __future__ import annotations

import hashlib
import os
import zlib
from array import array
from typing import NamedTuple

from producer.present.events import Events
from producer.trainer.client import make_request
from producer.trainer.existing import own_open_request
from producer.trainer.submit import answer_file, data_place, submit
from shared import regular_file
from shared.errors import UsageError
from shared.messages.batch import MAX_FILE_BYTES
from shared.messages.files import Stamp, printable, stamp
from shared.messages.replies import (
    FEATURES_FILE,
    SHA256_BYTES,
    DescribedFolder,
    FolderFeatures,
    decode_features,
)
from shared.messages.requests import ComputeFeatures
from shared.messages.training import FASHION_MNIST
from shared.settings import Settings
from shared.stop import Stop


class File(NamedTuple):
    """What was read of an image, which had the expected bytes."""

    stamp: Stamp
    crc32: str  #: in hexadecimal


class FolderImages:
    """Images by number, in path order; stacks by number. Safe for several threads: what was read is
    noted in one step."""

    def __init__(self, features: FolderFeatures, typed: str) -> None:
        self._features, self._typed = features, os.fsencode(typed)
        self.stacks: list[list[int]] = []  #: the images of each
        self.stack_of = array("I", features.stacks)
        for image, stack in enumerate(self.stack_of):
            self.stacks.extend([] for _ in range(stack + 1 - len(self.stacks)))
            self.stacks[stack].append(image)
        self._read: dict[int, File] = {}

    def __len__(self) -> int:
        return len(self._features)

    @property
    def root(self) -> bytes:
        """The folder, absolute."""
        return self._features.root

    def sha256(self, image: int) -> str:
        """The digest of its bytes when the features were computed."""
        start = SHA256_BYTES * image
        return self._features.digests[start : start + SHA256_BYTES].hex()

    def path(self, image: int) -> bytes:
        """The absolute path."""
        return self._features.paths[image]

    def below(self, image: int) -> bytes:
        """The path below the folder."""
        return os.path.relpath(self._features.paths[image], self._features.root)

    def typed(self, image: int) -> bytes:
        """The path as the folder was typed."""
        return os.path.join(self._typed, self.below(image))

    def name(self, image: int) -> str:
        """The path as the folder was typed, to display."""
        return printable(self.typed(image))

    def content(self, image: int) -> bytes | str:
        """The bytes of an image, or why there are none, as the end of a sentence."""
        path = self._features.paths[image]
        try:
            before = stamp(os.stat(path))
            data = regular_file.read(path, MAX_FILE_BYTES)
        except OSError as error:
            return reason(error)
        if hashlib.sha256(data).hexdigest() != self.sha256(image):
            return "has changed; start the command again"
        self._read[image] = File(before, f"{zlib.crc32(data):08x}")
        return data

    def file(self, image: int) -> File | str:
        """What is known of an image that has not changed, or why it cannot be used. It is read
        only if its size or time is not as when it was shown."""
        known = self._read.get(image)
        try:
            if known is not None and stamp(os.stat(self._features.paths[image])) == known.stamp:
                return known
        except OSError as error:
            return reason(error)
        content = self.content(image)
        if isinstance(content, str):
            return content
        return self._read[image]


def reason(error: OSError) -> str:
    """Why a file cannot be used, as the end of a sentence."""
    return f"cannot be read ({error.strerror or error})"


class Computed(NamedTuple):
    """The answer, and the features as they came: a process of the worker's package reads them."""

    answer: DescribedFolder
    features: bytes


def place(settings: Settings, folder: str) -> str:
    """The place of a folder for the trainer.

    Raises:
        UsageError: it is not a folder of unsorted images.
        SetupError: this machine's stack may not read it.
    """
    if folder == FASHION_MNIST:
        raise UsageError("the images of Fashion-MNIST have labels; name a folder of others")
    if not folder:  # probably an unset variable of a script, not the current folder
        raise UsageError("the name of the folder is empty; name a folder of images")
    return data_place(folder, settings, wanted="name a folder of images")


def computed(
    settings: Settings,
    folder: str,
    backbone: str = "",
    events: Events | None = None,
    stop: Stop | None = None,
) -> Computed:
    """The features of the images of a folder; an empty `backbone` is one that ships.

    Raises:
        UsageError, SetupError: as `place`.
        SetupError, Stopped: it has no images; or as `submit`.
    """
    work = ComputeFeatures(place(settings, folder), backbone)
    request = make_request(work, own_open_request(settings, work))
    answer = submit(settings, request, events=events, stop=stop).decode(DescribedFolder)
    data = answer_file(settings, request.id, FEATURES_FILE, stop)
    decode_features(data)  # raises now if another version wrote it
    return Computed(answer, data)
