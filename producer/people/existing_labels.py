"""Labels that images have before the page is opened: of class folders beside loose images, as far
as they are asked for or a person has confirmed them, and the corrections of tables. They become
lines of the labels file, so what holds for a label there holds for them. A decision of the page
counts more, whenever it was taken.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from msgspec.structs import replace

from producer.people.folder_images import FolderImages
from producer.present.formatting import counted, one_line
from producer.trainer.corrected_files import corrected_files
from shared.labels import labels_file
from shared.labels.class_folders import (
    SORT_LOG,
    check_labels,
    folded,
    folder_of,
    is_reserved,
    problem,
)
from shared.labels.label_line import NO_FOLDERS, LabelLine, is_of_folder, utc_now
from shared.labels.labels_file import LabelsFile
from shared.labels.labels_so_far import LabelsSoFar

#: Names that are listed in a line.
NAMES_SHOWN = 5
OF_A_SORT = "its folders are those of hangtag sort; for labels of their table give --from TABLE"


class ExistingLabels(NamedTuple):
    """Lines by the SHA-256 of their image, without a file of it, and what to say of them."""

    labels: Mapping[str, LabelLine] = {}
    notes: Sequence[str] = ()


def of_tables(tables: Sequence[Path], *, some: bool = True) -> ExistingLabels:
    """The corrections of tables; with `some` each must have some. Of several decisions about an
    image the last one counts.

    Raises:
        UsageError: a table is missing, or has no corrections.
        SetupError: its log is damaged.
    """
    labels: dict[str, LabelLine] = {}
    differ = set[str]()
    for table in tables:
        if not some and not labels_file.of_table(table).exists():
            continue
        for file in corrected_files([table]):
            if file.kind != "label":
                continue
            later = LabelLine(
                kind="label", sha256=file.sha256, label=file.label, by=file.by, at=file.at,
                taken_from=str(table),
            )  # fmt: skip
            before = labels.setdefault(file.sha256, later)
            if before.label != later.label:
                differ.add(file.sha256)
            if before.at <= later.at:
                labels[file.sha256] = later
    which = f"{counted(len(differ), 'image')} with another label in another table"
    return ExistingLabels(labels, [f"{which}: the later decision counts"] if differ else [])


def take(
    images: FolderImages, file: LabelsFile, by: str, tables: ExistingLabels, folders: bool | None
) -> list[str]:
    """Write the labels that exist into the file: of all class folders; None: of those whose names a
    person has confirmed; False: of none, and take those back that they gave. Returns what to say.

    Raises:
        UsageError: there are too many labels.
        SetupError: the file cannot be written.
    """
    notes = list(_of_another_folder(images, file))
    if folders is False and (undone := _taken_back(file.so_far)):
        file.append(undone)  # first: a table may have labels of the same images
    found = ClassFolders() if folders is False else class_folders(images)
    names = [name for name in found.images if folders or file.so_far.folders.get(f"{name}/")]
    taken = Taken(images, file.so_far)
    existing = {**of_folders(images, found, names, by), **tables.labels}
    if lines := taken.lines(existing):
        file.append(lines)
    if folders and found.copies:
        which = f"{counted(found.copies, 'image')} with copies in folders of other names"
        notes.append(f"{which}: not labelled by them")
    if found.is_sorted:
        notes.append(OF_A_SORT)
    return [*notes, *tables.notes, *taken.notes()]


def of_folders(
    images: FolderImages, found: ClassFolders, names: Collection[str], by: str
) -> dict[str, LabelLine]:
    """The names of these folders as labels of the images in them."""
    given = ((images.sha256(image), name) for name in names for image in found.images[name])
    of_name = LabelLine(kind="label", by=by, at=utc_now())
    return {
        sha256: replace(of_name, sha256=sha256, label=name, taken_from=f"{name}/")
        for sha256, name in given
    }


def _of_another_folder(images: FolderImages, file: LabelsFile) -> Iterator[str]:
    """A line if the file has decisions, and none about an image of the folder."""
    decided = file.so_far.images()
    if decided and decided.keys().isdisjoint(map(images.sha256, range(len(images)))):
        of_them = f"of {counted(len(decided), 'image')} that it is about, none is here"
        yield f"{file.path} seems to be of another folder: {of_them}; for another file: -o FILE"


class Taken:
    """The labels that the file does not have yet."""

    def __init__(self, images: FolderImages, so_far: LabelsSoFar) -> None:
        self._images, self._so_far = images, so_far
        self._names = {folded(folder_of(label)): label for label in so_far.labels()}
        self._unusable = set[str]()
        self._counts = Counter[str]()  #: by what they were taken from

    def lines(self, existing: Mapping[str, LabelLine]) -> list[LabelLine]:
        """A line for each image of the folder with such a label, by one of its equal files. Raises
        UsageError: there are too many labels."""
        found = list[LabelLine]()
        by_sha256 = {self._images.sha256(image): image for image in range(len(self._images))}
        for sha256, image in by_sha256.items():
            label = existing.get(sha256)
            if label is None or not self.is_new(sha256, label):
                continue
            if problem(label.label):
                self._unusable.add(label.label)
            elif (line := self._line(image, label)) is not None:
                self._counts[label.taken_from] += 1
                found.append(line)
        check_labels({line.label for line in found}, list(self._so_far.labels()))
        return found

    def is_new(self, sha256: str, label: LabelLine) -> bool:
        """Whether the last line about an image gives way to a label: it was taken from elsewhere,
        too, and not from a table if this one is of a folder. A label that differs in case only is
        the same: it was written as the known one. That the image does not have one name is no
        decision about another, and none about a table's later one."""
        last, is_by_folder = self._so_far.line(sha256), is_of_folder(label.taken_from)
        if last is None:
            return True
        if last.kind == "not-this":
            is_later = last.at < label.at and not is_by_folder
            return is_later or label.label not in self._so_far.excluded(sha256)
        if last.taken_from == NO_FOLDERS:
            return True
        is_of_page = last.undo or not last.taken_from
        is_of_table = is_by_folder and not is_of_folder(last.taken_from)
        differs = folded(folder_of(last.label)) != folded(folder_of(label.label))
        return differs and not is_of_page and not is_of_table

    def _line(self, image: int, label: LabelLine) -> LabelLine | None:
        """None: the file has changed, or is gone. A label that differs in case only is the known
        one."""
        file = self._images.file(image)
        if isinstance(file, str):
            return None
        name = self._names.setdefault(folded(folder_of(label.label)), label.label)
        return replace(
            label, size=file.stamp[0], crc32=file.crc32, path=self._images.name(image), label=name
        )

    def notes(self) -> Iterator[str]:
        """What was taken, once all lines are made."""
        folders = {name: count for name, count in self._counts.items() if is_of_folder(name)}
        if folders:
            are_seen = all(map(self._so_far.folders.get, folders))
            yield (
                f"{counted(sum(folders.values()), 'image')} labelled by the names of their "
                f"folders, {listed(folders)}{'' if are_seen else ', which no person has confirmed'}"
                "; to take these labels back: --no-folders"
            )
        for table, count in self._counts.items():
            if table not in folders:
                yield f"{counted(count, 'label')} taken from the corrections of {one_line(table)}"
        if self._unusable:
            yield f"names that no label can have: {listed(self._unusable)}; rename them"


def _taken_back(so_far: LabelsSoFar) -> list[LabelLine]:
    """Lines that take the labels of class folders back."""
    lines = filter(None, map(so_far.line, so_far.images()))
    return [
        replace(line, undo=True, at=utc_now(), taken_from=NO_FOLDERS)
        for line in lines
        if is_of_folder(line.taken_from)
    ]


def listed(names: Collection[str]) -> str:
    """Some of them, in a line."""
    some = sorted(map(one_line, names))
    more = f" and {len(some) - NAMES_SHOWN:,} more" if some[NAMES_SHOWN:] else ""
    return f"{', '.join(some[:NAMES_SHOWN])}{more}"


_YEAR, _MONTH, _DAY = r"(?:19|20)\d\d", r"(?:0?[1-9]|1[0-2])", r"(?:0?[1-9]|[12]\d|3[01])"
_WORD = (
    r"(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?"
    r"|sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)"
)
_APART, _MORE = r"[-_. ]", r"(?:[-_., (].*)?"
#: A year, a month or a day; what follows a month of a year, or a day, may be any words.
_DATES = (
    rf"{_YEAR}(?:{_APART}{_YEAR})?",
    rf"{_YEAR}{_APART}(?:{_MONTH}|{_WORD})(?:{_APART}{_DAY})?{_MORE}",
    rf"{_YEAR}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])?{_MORE}",
    rf"(?:{_DAY}{_APART})?(?:{_MONTH}|{_WORD}){_APART}{_YEAR}{_MORE}",
    rf"{_DAY}{_APART}{_MONTH}{_APART}\d\d",
    r"0[1-9]|1[0-2]",
    r"(?:jan|febr)uary|march|april|may|june|july|august|(?:septem|octo|novem|decem)ber",
)
_DATE = re.compile("|".join(_DATES), re.IGNORECASE)
#: A folder of a camera: DCIM, and within it 100CANON.
_CAMERA = re.compile(r"DCIM|[1-9]\d\d[A-Z0-9_]{5}")


class ClassFolders(NamedTuple):
    """The folders beside loose images. Folders alone are none, nor are those of a sort."""

    images: Mapping[str, list[int]] = {}  #: by the name of the folder
    copies: int = 0  #: images that are left out, since they are in folders of several names
    is_sorted: bool = False


def class_folders(images: FolderImages) -> ClassFolders:
    """Those of a folder."""
    top = [images.below(image).partition(b"/") for image in range(len(images))]
    if len({bool(below) for _, below, _ in top}) < 2:
        return ClassFolders()
    if os.path.lexists(os.path.join(images.root, os.fsencode(SORT_LOG))):
        return ClassFolders(is_sorted=True)
    names: dict[str, str] = {}  #: the folder of each content
    found: dict[str, list[int]] = {}
    differ = set[str]()
    for image, (folder, below, _) in enumerate(top):
        name = os.fsdecode(folder)
        if below and not is_reserved(name):
            found.setdefault(name, []).append(image)
            if names.setdefault(images.sha256(image), name) != name:
                differ.add(images.sha256(image))
    of_one = {
        name: [image for image in inside if images.sha256(image) not in differ]
        for name, inside in found.items()
    }
    return ClassFolders(of_one, len(differ))


def is_date_or_camera(name: str) -> bool:
    """Whether a folder is named like a year, a month or a day, or by a camera."""
    return _DATE.fullmatch(name) is not None or _CAMERA.fullmatch(name) is not None
