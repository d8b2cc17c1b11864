"""The names of class folders: one rule from a label to a folder's name, and back.

A slash becomes `_`, since no name may have one: images of `T-shirt/top` lie in `T-shirt_top`. The
way back needs the labels of the model, because `a_b` may be the folder of `a/b` and of `a_b`.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Collection, Iterable
from functools import lru_cache

from shared.errors import UsageError

#: Folders of images without an accepted label, of flagged ones, and of those that failed.
UNKNOWN, FLAGGED, FAILED = "unknown", "flagged", "failed"
RESERVED = (UNKNOWN, FLAGGED, FAILED)
#: The log in a folder that `hangtag sort` has put images into.
SORT_LOG = "sorted.hangtag"
#: The limit of most file systems.
MAX_NAME_BYTES = 255
#: A page of a thousand labels cannot be used; a hostile client could add them without end.
MAX_LABELS = 1_000
#: Names of devices on Windows, with any ending.
_DEVICE = re.compile(r"(?:con|prn|aux|nul|conin\$|conout\$|(?:com|lpt)[0-9¹²³])(?:\..*)?")


class ClassFolders:
    """The folders of a model's labels. Names that differ in case or composition only are told apart
    by a number, since some file systems take them for one: `Cat` and `cat~2`."""

    def __init__(self, labels: Iterable[str]) -> None:
        """Raises UsageError for a label that no folder can be named after."""
        self._labels: dict[str, str] = {}  #: by folder
        taken: set[str] = set()
        # A label that is its folder's name keeps it, whatever the others are.
        for label in sorted(set(labels), key=lambda label: (folder_of(label) != label, label)):
            if why := problem(label):
                raise UsageError(f"the label {label!r:.80} {why}")
            name, number = folder_of(label), 1
            while folded(name) in taken:
                number += 1
                name = f"{folder_of(label)}~{number}"
            taken.add(folded(name))
            self._labels[name] = label
        self._folders = {label: name for name, label in self._labels.items()}

    def folder(self, label: str) -> str:
        """The folder of one of the labels."""
        return self._folders[label]

    def label(self, folder: str) -> str | None:
        """The label of a folder; None if it is no label's folder."""
        return self._labels.get(folder)


def folder_of(label: str) -> str:
    """The folder of a label that has no equal but for case."""
    return label.replace("/", "_")


def is_reserved(folder: str) -> bool:
    """Whether a folder is for images without an accepted label."""
    return folded(folder) in RESERVED


@lru_cache  # a file of decisions may have 100,000 lines of a few labels
def problem(label: str) -> str:
    """Why no folder can be named after a label, as the end of a sentence; empty if one can."""
    name = folder_of(label)
    if not name or name.startswith("."):
        return "cannot name a class folder: it is empty, or starts with a dot; choose another"
    if name.endswith((".", " ")):
        return "cannot name a class folder: it ends with a dot or a space; choose another"
    if "\\" in name:
        return "cannot name a class folder: it has a backslash"
    if not name.isprintable():
        return "cannot name a class folder: it has a character that is not printable"
    if len(name.encode()) > MAX_NAME_BYTES:
        return f"is too long to name a class folder (limit: {MAX_NAME_BYTES} bytes)"
    if _DEVICE.fullmatch(folded(name)):
        return "cannot name a class folder: it is a device on Windows; choose another"
    if is_reserved(name):
        return "is reserved for images without an accepted label; choose another"
    return ""


def problem_beside(known: Collection[str]) -> Callable[[str], str]:
    """`problem` for labels that people give beside those of a model, which may be any."""
    return lambda label: "" if label in known else problem(label)


def folded(name: str) -> str:
    """The form that is equal for all names that some file system takes for one."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def check_labels(labels: Collection[str], known: Collection[str]) -> None:
    """Raises UsageError for a label that cannot be used beside those that are known."""
    folders = {folded(folder_of(label)): label for label in known}
    for label in labels:
        if label in known:
            continue
        if why := problem(label):
            raise UsageError(f"the label {label!r:.80} {why}")
        near = folders.get(folded(folder_of(label)))
        if near is not None:
            raise UsageError(f"the label {label!r:.80} has the folder of {near!r}; use that")
        if len(folders) >= MAX_LABELS:
            raise UsageError(f"there are {MAX_LABELS:,} labels; use one of them")
        folders[folded(folder_of(label))] = label


def check_known(label: str, known: Collection[str]) -> None:
    """Raises UsageError if no image has this label."""
    if label not in known:
        raise UsageError(f"no image has the label {label!r:.80}")


def check_rename(before: str, after: str, known: Collection[str]) -> None:
    """Raises UsageError if no image has a label, or another one cannot be used instead."""
    check_known(before, known)
    if before == after:
        raise UsageError(f"the label is {before!r:.80} already")
    check_labels({after}, [label for label in known if label != before])
