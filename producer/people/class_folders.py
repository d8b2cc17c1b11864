"""The folders directly in a folder of images, whose names may be labels of the images in them."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import NamedTuple

from producer.people.folder_images import FolderImages
from shared.labels.class_folders import SORT_LOG, is_reserved

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
