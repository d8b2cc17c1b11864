"""Class folders of photos for the benchmark of corrections: few labelled, many not, some wrong.

The truth of each file is known by its name, which does not show it.
"""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from shared.errors import UsageError

Labelled = tuple[Path, str]  #: a photo and its class


class Pool(NamedTuple):
    """Photos of classes that have enough of them."""

    learn: Mapping[str, Sequence[Path]]
    test: Mapping[str, Sequence[Path]]


def read(data: Path, least: int) -> Pool:
    """The classes of data/train with `least` photos or more, and their photos of data/test.

    Raises:
        UsageError: there are fewer than two.
    """
    learn = {
        folder.name: _photos(folder)
        for folder in sorted((data / "train").iterdir())
        if folder.is_dir()
    }
    learn = {label: photos for label, photos in learn.items() if len(photos) >= least}
    if len(learn) < 2:
        raise UsageError(f"{data}/train has fewer than two classes of {least} photos")
    return Pool(learn, {label: _photos(data / "test" / label) for label in learn})


def few(pool: Pool, to: Path, labelled: int, unlabelled: int, seed: int) -> dict[str, str]:
    """Write to/photos with `labelled` photos of each class, and to/inbox with others of no class.
    Returns the class of each file in the inbox."""
    rest: list[Labelled] = []
    for label, photos in pool.learn.items():
        drawn = random.Random(f"{seed} {label}").sample(photos, len(photos))
        _write(to / "photos" / label, [(photo, label) for photo in drawn[:labelled]])
        rest += [(photo, label) for photo in drawn[labelled:]]
    chosen = random.Random(f"{seed} inbox").sample(rest, min(unlabelled, len(rest)))
    return _write(to / "inbox", chosen)


def planted(pool: Pool, to: Path, count: int, wrong: int, seed: int) -> dict[str, str]:
    """Write to/photos with `count` photos in class folders, `wrong` of them in that of another
    class. Returns the class of each of those by its path below the folder."""
    chance = random.Random(f"{seed} planted")
    every = [(photo, label) for label, photos in pool.learn.items() for photo in photos]
    chosen = chance.sample(every, min(count, len(every)))
    labels, found = list(pool.learn), dict[str, str]()
    for number, (photo, label) in enumerate(chosen):
        folder = label
        if number < wrong:
            folder = chance.choice([other for other in labels if other != label])
            found[f"{folder}/{_name(number)}"] = label
        linked(photo, _made(to / "photos" / folder) / _name(number))
    return found


def write_test(pool: Pool, to: Path) -> int:
    """Write the photos that no training and no person sees. Returns their number."""
    for label, photos in pool.test.items():
        _write(to / label, [(photo, label) for photo in photos])
    return sum(map(len, pool.test.values()))


def _photos(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _write(folder: Path, photos: Sequence[Labelled]) -> dict[str, str]:
    for number, (photo, _) in enumerate(photos):
        linked(photo, _made(folder) / _name(number))
    return {_name(number): label for number, (_, label) in enumerate(photos)}


def _name(number: int) -> str:
    return f"{number:04}.jpg"


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def linked(source: str | Path, to: str | Path) -> None:
    """Another name of a file, or a copy on another disk."""
    try:
        os.link(source, to)
    except OSError:
        shutil.copy(source, to)
