"""One version on disk: a folder that is filled once, validated by its card, and then only read."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from io import BufferedReader
from pathlib import Path

import msgspec

from shared import atomic_file, regular_file
from shared.errors import BadMessage, SetupError
from shared.failpoints import failpoint
from shared.messages.model_card import Card, decode_card, encode_card
from shared.registry import packaged

CARD = "card.json"
#: Renamed to CARD to publish the version. Written first: it names the folder's request.
STAGED = f".{CARD}"
DISCARDED = f".discarded.{CARD}"
#: Smaller files are written for each version, even if they are equal.
LINKED_BYTES = 1 << 20
_FILENAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_VERSION = re.compile(r"[1-9][0-9]{0,8}")


def numbers(model: Path) -> list[int]:
    """The versions in a model's folder, rising, without symbolic links and folders without card."""
    names = (name for name in folders(model) if _VERSION.fullmatch(name))
    return sorted(int(name) for name in names if _is_file(model / name / CARD))


def numbers_without_card(model: Path) -> list[int]:
    """The numbers of folders without a card, rising."""
    every = (int(name) for name in folders(model) if _VERSION.fullmatch(name))
    return sorted(set(every) - set(numbers(model)))


def is_half_removed(folder: Path) -> bool:
    """Whether a removal was interrupted: there are files, and no card of any state.

    The order matters: an attempt stages its card before all files, and renames it meanwhile.
    """
    cards = (STAGED, CARD, DISCARDED)
    has_files = any(path.name not in cards for path in folder.iterdir())
    return has_files and not any((folder / name).exists() for name in cards)


def folders(parent: Path) -> list[str]:
    """The names of the real folders in `parent`; none if it is absent or a symbolic link."""
    if parent.is_symlink() or not parent.is_dir():
        return []
    with os.scandir(parent) as entries:
        return [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]


def create(model: Path) -> Path:
    """Create an empty folder in a model's folder, which reserves its number."""
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
    """Write the files, then publish them by the card, completed with number and hashes.

    A large file that the version before has, too, as a backbone, is linked: the disk has it once.
    `confirm` is called right before the card is placed; if it raises, there is no version. The next
    attempt at the same request sweeps what this one has staged: a swept card cannot be renamed.

    Raises:
        SetupError: the folder was swept, and `confirm` did not raise.
    """
    hashes = {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
    card = msgspec.structs.replace(card, version=int(folder.name), files=hashes)
    try:
        _write(folder / STAGED, encode_card(card))
        before = folder.with_name(str(max(numbers(folder.parent), default=0)))
        for name, data in files.items():
            _write(folder / name, data, before / name)
        atomic_file.sync_folder(folder)  # the files must be durable before the card
        atomic_file.sync_folder(folder.parent)
        confirm()
        _appear(folder, confirm)
    except BaseException:
        discard(folder)
        raise
    return card


def staged(folder: Path) -> Card | None:
    """The card of an unpublished version; None if there is none, or it is unreadable."""
    for name in (STAGED, DISCARDED):
        with suppress(BadMessage, OSError):
            return decode_card(_read(folder / name))
    return None


def discard(folder: Path) -> None:
    """Delete what was staged, unless it is a version by now; the number stays taken.

    The card is renamed first, so that it cannot be published, and deleted last, so that after a
    crash the next attempt knows whose files they are.
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
    """Bytes of the files in a folder without a card; 0 if one is newer than `before`."""
    files = [path.lstat() for path in folder.iterdir()]
    if any(info.st_mtime >= before for info in files):
        return 0
    return sum(info.st_size for info in files)


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
        raise SetupError(f"the card of {ref} is for {card.ref}; train it again")
    return card


def read_file(folder: Path, card: Card, filename: str) -> bytes:
    """A file that the card lists, verified by its sha256. Raises SetupError as `opened`."""
    with opened(folder, card, filename) as file:
        return file.read()


@contextmanager
def opened(folder: Path, card: Card, filename: str) -> Iterator[BufferedReader]:
    """A file that the card lists, verified, at its start. It may be larger than the memory. A
    backbone that ships is read from the package where that of the version is missing or damaged.

    Raises:
        SetupError: the card does not list it, or it does not match the card.
    """
    expected = _sha256(card, filename)
    own = regular_file.verified(folder / filename, expected)
    file = own or regular_file.verified(packaged.BACKBONES / filename, expected)
    if file is None:
        raise SetupError(
            f"{filename} of {card.ref} is missing or damaged; restore {folder / filename} from a "
            "backup, or train or import it again"
        )
    with file:
        yield file


def _sha256(card: Card, filename: str) -> str:
    check_filename(filename)
    if filename not in card.files:
        raise SetupError(f"{card.ref} has no file {filename}; see `hangtag models show`")
    return card.files[filename]


def sizes(folder: Path, card: Card) -> dict[str, int]:
    """Bytes of each file that the card lists and the folder has."""
    return {name: (folder / name).stat().st_size for name in card.files if _is_file(folder / name)}


def freed_bytes(folder: Path, card: Card) -> int:
    """Bytes of the files that no other version has, too: what its removal frees."""
    sizes_ = sizes(folder, card).items()
    return sum(size for name, size in sizes_ if (folder / name).stat().st_nlink == 1)


def empty(folder: Path) -> None:
    """Delete a version's files, the card first: half a version never exists."""
    (folder / CARD).unlink()
    atomic_file.sync_folder(folder)
    failpoint("version.card-removed")
    for path in folder.iterdir():
        path.unlink(missing_ok=True)  # another removal may continue this one


def check_filename(name: str) -> None:
    """Raises SetupError for a path, a hidden file, or the card's name."""
    if not _FILENAME.fullmatch(name) or name == CARD:
        raise SetupError(f"{name!r:.80} cannot be a file of a version; give it a plain name")


def _read(path: Path) -> bytes:
    with _open(path) as file:
        return file.read()


def _open(path: Path) -> BufferedReader:
    """Open a file to read; what is no regular file, or a symbolic link, is an OSError."""
    return open(regular_file.open_fd(path, os.O_RDONLY | os.O_NOFOLLOW), "rb")


def _write(path: Path, data: bytes, old: Path | None = None) -> None:
    """Write a file, or link a large one to `old`, if that has the same bytes."""
    if old is None or len(data) < LINKED_BYTES or not _link(old, path, data):
        with open(path, "xb") as file:
            file.write(data)
            atomic_file.sync(file)
    failpoint("version.file-written")


def _link(old: Path, new: Path, data: bytes) -> bool:
    """Returns whether `new` is a link to the file `old`, which has these bytes."""
    try:
        if _read(old) != data:
            return False
        os.link(old, new, follow_symlinks=False)
    except OSError:  # missing, removed meanwhile, or on a disk without links
        return False
    return True


def _appear(folder: Path, confirm: Callable[[], None]) -> None:
    try:
        atomic_file.rename_durably(folder / STAGED, folder / CARD)
        failpoint("version.appeared")
    except FileNotFoundError:
        confirm()
        raise SetupError(f"another process emptied {folder}; train it again") from None


def _is_file(path: Path) -> bool:
    return path.is_file() and not path.is_symlink()
