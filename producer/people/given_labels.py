"""The labels of a folder's images as a program gives and reads them, by the rules of the page."""

from __future__ import annotations

import hashlib
import os
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path

import msgspec
from msgspec.structs import replace

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
    read = _read(folder, given, by)
    with closing(LabelsFile(path)) as file:
        check_labels(labels, list(file.so_far.labels()))
        lines = list(_changing(read, file.so_far))
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


def _read(folder: str, given: Mapping[bytes, Decided | None], by: str) -> list[LabelLine]:
    """A line about each content that is read; where nothing holds any more, one with `undo`."""
    root, lines = os.path.abspath(os.fsencode(folder)), dict[str, LabelLine]()
    if not os.path.isdir(root):
        raise UsageError(f"{printable(root)} is not a folder; name a folder of images")
    for path, decided in given.items():
        below = os.path.relpath(os.path.abspath(path), root)
        if below.split(b"/", 1)[0] == b"..":
            raise UsageError(
                f"{printable(path)} is not below {printable(root)}; give paths that begin in the "
                "current folder, or whole ones"
            )
        line = _line(path, printable(os.path.join(os.fsencode(folder), below)), decided, by)
        other = lines.setdefault(line.sha256, line)
        if (other.kind, other.label, other.undo) != (line.kind, line.label, line.undo):
            raise UsageError(
                f"{other.path} and {line.path} are copies, and get the labels {_words(other)} "
                f"and {_words(line)}; give both the same one"
            )
    return list(lines.values())


def _words(line: LabelLine) -> str:
    if line.undo:
        return "None"
    return f"{line.label!r:.80}" if line.kind == "label" else line.kind


def _line(path: bytes, name: str, decided: Decided | None, by: str) -> LabelLine:
    try:
        data = regular_file.read(path, MAX_FILE_BYTES)
    except OSError as error:
        raise UsageError(f"{name} {reason(error)}; check the path") from None
    if not is_image(data[:HEAD_BYTES]) or len(data) > MAX_FILE_BYTES:
        raise UsageError(f"{name} is no image that can be classified; leave it out")
    given = decided or Decided("label")
    return LabelLine(
        sha256=hashlib.sha256(data).hexdigest(), path=name, size=len(data),
        crc32=f"{zlib.crc32(data):08x}", kind=given.kind, label=given.label, by=by, at=utc_now(),
        undo=decided is None,
    )  # fmt: skip


def _changing(lines: list[LabelLine], so_far: LabelsSoFar) -> Iterator[LabelLine]:
    """A line for each image for which something else holds afterwards."""
    for line in lines:
        before, holds = so_far.line(line.sha256), so_far.of(line.sha256)
        if line.undo:
            if before is not None and holds is not None:
                yield replace(before, by=line.by, at=line.at, undo=True)
        elif holds != Decided(line.kind, line.label):  # type: ignore[arg-type]
            yield replace(line, by_chance=before is not None and before.by_chance)
