"""One version on disk: a folder that is filled once, made valid by its card, and then only read."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

import msgspec

from shared import atomic_file
from shared.errors import BadMessage, SetupError
from shared.failpoints import failpoint
from shared.messages.model_card import Card, decode_card, encode_card

CARD = "card.json"
#: Until it is renamed there is no version. Written first: it tells whose the folder is.
STAGED = f".{CARD}"
DISCARDED = f".discarded.{CARD}"
_FILENAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_VERSION = re.compile(r"[1-9][0-9]{0,8}")


def numbers(model: Path) -> list[int]:
    """The versions in a model's folder, rising. Symbolic links and versions without card: none."""
    found = (name for name in folders(model) if _VERSION.fullmatch(name))
    return sorted(int(name) for name in found if _is_file(model / name / CARD))


def numbers_without_card(model: Path) -> list[int]:
    """The numbers that are taken by a folder without a card, rising."""
    found = (int(name) for name in folders(model) if _VERSION.fullmatch(name))
    return sorted(set(found) - set(numbers(model)))


def folders(parent: Path) -> list[str]:
    """The names of the real folders in `parent`; none where it is absent or a symbolic link."""
    if parent.is_symlink() or not parent.is_dir():
        return []
    with os.scandir(parent) as entries:
        return [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]


def create(model: Path) -> Path:
    """A new empty folder in a model's folder: whoever makes it has taken its number."""
    atomic_file.make_folder(model)
    taken = [int(name) for name in folders(model) if _VERSION.fullmatch(name)]
    number = max(taken, default=0) + 1
    while True:
        try:
            (model / str(number)).mkdir()
            failpoint("version.number-taken")
            return model / str(number)
        except FileExistsError:
            number += 1


def fill(folder: Path, card: Card, files: Mapping[str, bytes], confirm: Callable[[], None]) -> Card:
    """Write the files; then the card, completed with number and hashes, makes them a version.

    `confirm` is called right before that; if it raises, there is no version. Whoever takes the
    work over sweeps what its predecessor had staged: a card that was swept cannot be renamed.

    Raises:
        SetupError: the folder was swept, and `confirm` knows of no reason.
    """
    hashes = {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
    card = msgspec.structs.replace(card, version=int(folder.name), files=hashes)
    try:
        _write(folder / STAGED, encode_card(card))
        for name, data in files.items():
            _write(folder / name, data)
        atomic_file.sync_folder(folder)  # the card must not be there before them
        atomic_file.sync_folder(folder.parent)
        confirm()
        _appear(folder, confirm)
    except BaseException:
        discard(folder)
        raise
    return card


def staged(folder: Path) -> Card | None:
    """The card of a version that is not there yet, or never will be; None if none is legible."""
    for name in (STAGED, DISCARDED):
        with suppress(BadMessage, OSError):
            return decode_card(_read(folder / name))
    return None


def discard(folder: Path) -> None:
    """Delete what was staged, unless it is a version by now; the number stays taken.

    The card goes first, so that it cannot be renamed any more, and last, so that whoever comes
    after one that died here knows whose the rest is.
    """
    with suppress(FileNotFoundError):
        (folder / STAGED).rename(folder / DISCARDED)
        failpoint("version.unstaged")
    if not (folder / CARD).exists():
        for path in folder.iterdir():
            if path.name != DISCARDED:
                path.unlink(missing_ok=True)
    (folder / DISCARDED).unlink(missing_ok=True)


def left_bytes(folder: Path, before: float) -> int:
    """Bytes of the files in a folder without a card; 0 where one is newer than `before`."""
    found = [path.lstat() for path in folder.iterdir()]
    if any(one.st_mtime >= before for one in found):
        return 0
    return sum(one.st_size for one in found)


def read_card(folder: Path) -> Card:
    """The card in a version's folder.

    Raises:
        SetupError: it is damaged, or belongs to another folder.
    """
    ref = f"{folder.parent.name}@{folder.name}"
    try:
        card = decode_card(_read(folder / CARD))
    except (BadMessage, OSError) as error:
        raise SetupError(f"the card of {ref} is damaged ({error}); train it again") from error
    if card.ref != ref:
        raise SetupError(f"the card of {ref} is that of {card.ref}; train it again")
    return card


def read_file(folder: Path, card: Card, filename: str) -> bytes:
    """A file that the card lists, verified by its sha256.

    Raises:
        SetupError: the card does not list it, or it is not what the card says.
    """
    check_filename(filename)
    if filename not in card.files:
        raise SetupError(f"{card.ref} has no file {filename}; see `hangtag models show`")
    try:
        data = _read(folder / filename)
    except OSError as error:
        raise SetupError(f"{filename} of {card.ref} is missing; train it again") from error
    if hashlib.sha256(data).hexdigest() != card.files[filename]:
        raise SetupError(f"{filename} of {card.ref} is not what its card says; train it again")
    return data


def sizes(folder: Path, card: Card) -> dict[str, int]:
    """Bytes of each file that the card lists and the folder has."""
    return {name: (folder / name).stat().st_size for name in card.files if _is_file(folder / name)}


def empty(folder: Path) -> None:
    """Delete a version's files, the card first: half a version never exists."""
    (folder / CARD).unlink()
    atomic_file.sync_folder(folder)
    failpoint("version.card-removed")
    for path in folder.iterdir():
        path.unlink()


def check_filename(name: str) -> None:
    """Let a plain name pass. Raises SetupError for a path, a hidden file, or the card's name."""
    if not _FILENAME.fullmatch(name) or name == CARD:
        raise SetupError(f"{name!r:.80} cannot be a file of a version; give it a plain name")


def _read(path: Path) -> bytes:
    """Like `read_bytes`, but a symbolic link is an OSError."""
    with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW), "rb") as file:
        return file.read()


def _write(path: Path, data: bytes) -> None:
    with open(path, "xb") as file:
        file.write(data)
        atomic_file.sync(file)
    failpoint("version.file-written")


def _appear(folder: Path, confirm: Callable[[], None]) -> None:
    try:
        atomic_file.place(folder / STAGED, folder / CARD)
        failpoint("version.appeared")
    except FileNotFoundError:
        confirm()
        raise SetupError(f"somebody emptied {folder}; train it again") from None


def _is_file(path: Path) -> bool:
    return path.is_file() and not path.is_symlink()
