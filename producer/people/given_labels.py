"""The labels of a folder's images as a program gives and reads them, by the rules of the page."""

from __future__ import annotations

import hashlib
import os
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import msgspec

from producer.people.decisions import Decisions
from producer.people.folder_images import reason
from shared import regular_file
from shared.errors import UsageError
from shared.image_formats import HEAD_BYTES, is_image
from shared.labels import labels_file
from shared.labels.class_folders import check_known, check_labels
from shared.labels.label_line import ImageKind, LabelLine, utc_now
from shared.labels.labels_file import LabelsFile
from shared.labels.labels_so_far import Decided, LabelsSoFar
from shared.messages.batch import MAX_FILE_BYTES
from shared.messages.files import printable


class LabelledImage(msgspec.Struct, frozen=True):
    """What a person, or a program of theirs, decided about an image."""

    path: str  #: where it was then, as the folder was given; the content counts
    label: str  #: empty if `kind` is another one
    kind: ImageKind  #: `label`, `left-out` or `cannot-tell`
    sha256: str  #: of the file, in hexadecimal
    by: str  #: user name
    at: str  #: ISO 8601, UTC


class _Content(NamedTuple):
    """What was read of an image, and the label that it gets."""

    sha256: str
    path: str
    size: int
    crc32: str
    decided: Decided | None


def give(folder: str, given: Mapping[bytes, Decided | None], path: Path, by: str) -> Counter[str]:
    """Save decisions about images below a folder, by their paths; None: nothing holds any more. All
    are saved, or after an error none. Returns how many images have each label.

    Raises:
        UsageError: a label cannot be used, a file is no image below the folder, or another process
            has the labels file.
        SetupError: nothing can be saved, or the labels file is damaged.
    """
    decided = filter(None, given.values())
    labels = list(dict.fromkeys(one.label for one in decided if one.kind == "label"))
    check_labels(labels, ())  # before the images are read, and a file is made
    contents = _contents(folder, given)
    with closing(LabelsFile(path)) as file:
        check_labels(labels, list(file.so_far.labels()))
        lines = list(_lines(contents, file.so_far, by))
        if lines:
            file.append(lines)
        return file.so_far.labels()


def rename(path: Path, before: str, after: str, by: str) -> Counter[str]:
    """Give all images of a label another one; one that exists already gets them. Returns how many
    images have each label.

    Raises:
        UsageError: no image has the label, the new one cannot be used, or another process has the
            labels file.
        SetupError: nothing can be saved, or the labels file is damaged.
    """
    check_known(before, labels_file.read(path).so_far.labels())  # makes no file
    with closing(LabelsFile(path)) as file:
        Decisions(file, by).relabel(before, after)
        return file.so_far.labels()


def labelled(path: Path) -> list[LabelledImage]:
    """What a labels file says of each image, in the order of the first decision about each; nothing
    if it is missing.

    Raises:
        SetupError: it cannot be read, or a line is damaged, refused or of a newer version.
    """
    so_far = labels_file.read(path).so_far
    images = list[LabelledImage]()
    for sha256, decided in so_far.images().items():
        line = so_far.line(sha256)
        assert line is not None
        images.append(
            LabelledImage(line.path, decided.label, decided.kind, sha256, line.by, line.at)
        )
    return images


def _contents(folder: str, given: Mapping[bytes, Decided | None]) -> list[_Content]:
    """What is read of the images, each content once."""
    root, contents = os.path.abspath(os.fsencode(folder)), dict[str, _Content]()
    if not os.path.isdir(root):
        raise UsageError(f"{printable(root)} is not a folder; name a folder of images")
    for path, decided in given.items():
        below = os.path.relpath(os.path.abspath(path), root)
        if below.split(b"/", 1)[0] == b"..":
            raise UsageError(
                f"{printable(path)} is not below {printable(root)}; give paths that begin in the "
                "current folder, or whole ones"
            )
        name = printable(os.path.join(os.fsencode(folder), below))
        content = _content(path, name, decided)
        other = contents.setdefault(content.sha256, content)
        if other.decided != decided:
            raise UsageError(
                f"{other.path} and {name} are copies, and get the labels {_words(other.decided)} "
                f"and {_words(decided)}; give both the same one"
            )
    return list(contents.values())


def _words(decided: Decided | None) -> str:
    if decided is None:
        return "None"
    return f"{decided.label!r:.80}" if decided.kind == "label" else decided.kind


def _content(path: bytes, name: str, decided: Decided | None) -> _Content:
    try:
        data = regular_file.read(path, MAX_FILE_BYTES)
    except OSError as error:
        raise UsageError(f"{name} {reason(error)}; check the path") from None
    if not is_image(data[:HEAD_BYTES]) or len(data) > MAX_FILE_BYTES:
        raise UsageError(f"{name} is no image that can be classified; leave it out")
    sha256, crc32 = hashlib.sha256(data).hexdigest(), f"{zlib.crc32(data):08x}"
    return _Content(sha256, name, len(data), crc32, decided)


def _lines(contents: list[_Content], so_far: LabelsSoFar, by: str) -> Iterator[LabelLine]:
    """A line for each image for which something else holds afterwards."""
    at = utc_now()
    for content in contents:
        before, holds = so_far.line(content.sha256), so_far.of(content.sha256)
        decided = content.decided
        if decided is None:
            if before is not None and holds is not None:
                yield msgspec.structs.replace(before, by=by, at=at, undo=True)
        elif holds != decided:
            yield LabelLine(
                sha256=content.sha256, size=content.size, crc32=content.crc32, path=content.path,
                kind=decided.kind, label=decided.label, by=by, at=at,
                by_chance=before is not None and before.by_chance,
            )  # fmt: skip
