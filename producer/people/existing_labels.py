"""Labels that images have before the page is opened: of class folders beside loose images, as far
as they are asked for or a person has confirmed them, and the corrections of tables. They become
lines of the labels file, so what holds for a label there holds for them. A decision of the page
counts more, whenever it was taken.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from producer.models.corrected_files import corrected_files
from producer.people.class_folders import ClassFolders, class_folders
from producer.people.folder_images import FolderImages
from producer.present.formatting import counted, one_line
from shared.labels import labels_file
from shared.labels.class_folders import folded, folder_of, problem
from shared.labels.label_line import NO_FOLDERS, LabelLine, is_of_folder, utc_now
from shared.labels.label_names import check_labels
from shared.labels.labels_file import LabelsFile
from shared.labels.labels_so_far import LabelsSoFar

#: Names that are listed in a line.
NAMES_SHOWN = 5
OF_A_SORT = "its folders are those of hangtag sort; for labels of their table give --from TABLE"


class ExistingLabel(NamedTuple):
    label: str
    by: str
    at: str
    taken_from: str  #: as in a line


class ExistingLabels(NamedTuple):
    """Labels by the SHA-256 of their image, and what to say of them."""

    labels: Mapping[str, ExistingLabel] = {}
    notes: Sequence[str] = ()


def of_tables(tables: Sequence[Path], *, some: bool = True) -> ExistingLabels:
    """The corrections of tables; with `some` each must have some. Of several decisions about an
    image the last one counts.

    Raises:
        UsageError: a table is missing, or has no corrections.
        SetupError: its log is damaged.
    """
    labels: dict[str, ExistingLabel] = {}
    differ = set[str]()
    for table in tables:
        if not some and not labels_file.of_table(table).exists():
            continue
        for file in corrected_files([table]):
            if file.kind != "label":
                continue
            later = ExistingLabel(file.label, file.by, file.at, str(table))
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
    lines = list(taken.lines(existing).values())
    check_labels({line.label for line in lines}, list(file.so_far.labels()))
    if lines:
        file.append(lines)
    if folders and found.copies:
        which = f"{counted(found.copies, 'image')} with copies in folders of other names"
        notes.append(f"{which}: not labelled by them")
    if found.is_sorted:
        notes.append(OF_A_SORT)
    return [*notes, *tables.notes, *taken.notes()]


def of_folders(
    images: FolderImages, found: ClassFolders, names: Collection[str], by: str
) -> dict[str, ExistingLabel]:
    """The names of these folders as labels of the images in them."""
    at = utc_now()
    return {
        images.sha256(image): ExistingLabel(name, by, at, f"{name}/")
        for name in names
        for image in found.images[name]
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

    def lines(self, existing: Mapping[str, ExistingLabel]) -> dict[int, LabelLine]:
        """A line for each image of the folder with such a label, by one of its equal files."""
        found: dict[int, LabelLine] = {}
        by_sha256 = {self._images.sha256(image): image for image in range(len(self._images))}
        for sha256, image in by_sha256.items():
            label = existing.get(sha256)
            if label is None or not self.is_new(sha256, label):
                continue
            if problem(label.label):
                self._unusable.add(label.label)
            elif (line := self._line(image, label)) is not None:
                self._counts[label.taken_from] += 1
                found[image] = line
        return found

    def is_new(self, sha256: str, label: ExistingLabel) -> bool:
        """Whether the lines about an image give way to a label. That it does not have one name is
        no decision about another, and none about a table's later one."""
        last, so_far = self._so_far.line(sha256), self._so_far
        if last is None or last.kind != "not-this":
            return _is_new(label, last)
        is_later = last.at < label.at and not is_of_folder(label.taken_from)
        return is_later or label.label not in so_far.excluded(sha256)

    def _line(self, image: int, label: ExistingLabel) -> LabelLine | None:
        """None: the file has changed, or is gone. A label that differs in case only is the known
        one."""
        file = self._images.file(image)
        if isinstance(file, str):
            return None
        name = self._names.setdefault(folded(folder_of(label.label)), label.label)
        return LabelLine(
            sha256=self._images.sha256(image), size=file.stamp[0], crc32=file.crc32,
            path=self._images.name(image), kind="label", label=name, taken_from=label.taken_from,
            by=label.by, at=label.at,
        )  # fmt: skip

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


def _is_new(label: ExistingLabel, last: LabelLine | None) -> bool:
    """Whether the last line about an image gives way to a label: it was taken from elsewhere, too,
    and not from a table if this one is of a folder. A label that differs in case only is the same:
    it was written as the known one."""
    if last is None or last.taken_from == NO_FOLDERS:
        return True
    is_of_page = last.undo or not last.taken_from
    is_of_table = not is_of_folder(last.taken_from) and is_of_folder(label.taken_from)
    differs = folded(folder_of(last.label)) != folded(folder_of(label.label))
    return differs and not is_of_page and not is_of_table


def _taken_back(so_far: LabelsSoFar) -> list[LabelLine]:
    """Lines that take the labels of class folders back."""
    lines = filter(None, map(so_far.line, so_far.images()))
    return [
        msgspec.structs.replace(line, undo=True, at=utc_now(), taken_from=NO_FOLDERS)
        for line in lines
        if is_of_folder(line.taken_from)
    ]


def listed(names: Collection[str]) -> str:
    """Some of them, in a line."""
    some = sorted(map(one_line, names))
    more = f" and {len(some) - NAMES_SHOWN:,} more" if some[NAMES_SHOWN:] else ""
    return f"{', '.join(some[:NAMES_SHOWN])}{more}"
