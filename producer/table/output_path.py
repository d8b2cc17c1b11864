"""Checks `-o`: it must be a regular file, and its name must not end like that of no table. Also
finds tables and folders that exist."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

from producer.job.job_options import STDIN
from shared import atomic_file, file_lock, regular_file
from shared.errors import UsageError
from shared.image_formats import DECODED_ENDINGS, OTHER_ENDINGS
from shared.messages.batch import new_id
from shared.messages.files import printable

#: Endings that refuse a table, unless a form has them. With any other, or none, it is CSV.
_OTHER_FORMATS = (
    *(".tsv", ".xlsx", ".xls", ".ods", ".numbers", ".json", ".jsonl", ".ndjson", ".yaml", ".yml"),
    *(".xml", ".html", ".htm", ".md", ".pdf", ".parquet", ".feather", ".arrow", ".orc", ".avro"),
    *(".sqlite", ".db", ".h5", ".hdf5", ".npy", ".npz", ".pkl", ".pickle"),
    *(".gz", ".bz2", ".xz", ".zst", ".zip", ".tar", ".tgz"),
    *(f".{ending.decode()}" for ending in DECODED_ENDINGS + OTHER_ENDINGS),
)
#: The rows of a job whose table is not complete.
PART_SUFFIX = ".part"
PLOT_SUFFIX = ".png"


def default_output(roots: Sequence[bytes], list_file: bytes) -> str:
    """The table that is written without -o: in the current folder, named like the folder (or the
    list) that is classified.

    Raises:
        UsageError: there are several folders, or the folder has no name.
    """
    if list_file == STDIN:
        raise UsageError("a list from standard input has no name; name the table with -o")
    if len(roots) > 1:
        raise UsageError("several folders have no common name; name the table with -o")
    root = roots[0] if roots else b""
    path = os.path.abspath(list_file or root)
    name = os.path.basename(path if roots else os.path.splitext(path)[0])
    if not name:
        raise UsageError(f"{os.fsdecode(path)} has no name; name the table with -o")
    return f"{os.fsdecode(name)}.csv"


def checked_output(typed: str, suffixes: Collection[str] = (".csv",)) -> str:
    """The absolute path of a table whose name may end in one of these suffixes.

    Raises:
        UsageError: it is a folder or a special file, standard output, or has the ending of another
            format; or its path is not printable text.
    """
    if typed == "-":
        raise UsageError("-o - is not possible: a job needs a file to resume; name a file")
    output = os.path.abspath(typed)
    if not output.isprintable():
        raise UsageError(f"the path of -o has {_unprintable(output)}; choose another")
    if os.path.isdir(output) or typed.endswith("/"):
        inside = os.path.join(typed, "results.csv")
        raise UsageError(f"-o {typed} is a folder; name a file in it, for example -o {inside}")
    if os.path.exists(output) and not os.path.isfile(output):
        raise UsageError(f"-o {typed} is not a regular file; choose another")
    stem, suffix = os.path.splitext(typed)
    if suffix.lower() in _OTHER_FORMATS and suffix.lower() not in suffixes:
        raise UsageError(
            f"-o {typed}: no table is written as {suffix}, but as {' '.join(suffixes)}; "
            f"for example -o {stem}.csv"
        )
    return output


def located(table: Path) -> Path:
    """The absolute path of a table, which is the same however its folder is typed. The table itself
    is not resolved, since its journal lies beside the name."""
    return Path(os.path.realpath(table.parent), table.name)


def nearest(folder: Path) -> Path:
    """The folder, or the nearest one above it that exists."""
    absolute = folder.absolute()
    return next(path for path in (absolute, *absolute.parents) if os.path.isdir(path))


def check_folder(output: Path) -> None:
    """Check that the folder of an output exists.

    Raises:
        UsageError: it does not.
    """
    if not os.path.isdir(output.parent):
        raise UsageError(f"there is no folder {output.parent}; create it or choose another -o")


def _unprintable(path: str) -> str:
    try:
        os.fsencode(path).decode()
    except UnicodeDecodeError:
        return "bytes that are not UTF-8"
    return "a line break" if "\n" in path or "\r" in path else "characters that cannot be printed"


def draft_of(output: Path) -> Path:
    """Where a file is written before it is placed."""
    return Path(f"{output}{atomic_file.DRAFT_SUFFIX}")


def parts_of(draft: Path) -> Path:
    """The folder beside a draft, for what a form cannot write at once."""
    return Path(f"{draft}.parts")


def check_unused(output: Path) -> None:
    """Check that no living process writes the draft. Raises UsageError."""
    with suppress(OSError), open(draft_of(output), "rb", opener=regular_file.open_fd) as file:
        if not file_lock.try_acquire(file.fileno()):
            raise UsageError(
                f"another command is writing {output}; run the same command again when it has ended"
            )


def lock_draft(draft: IO[bytes]) -> None:
    """Hold the lock of a new draft until it is closed. A draft without a lock is what a killed
    process has left."""
    with suppress(OSError):  # a file system without locks
        file_lock.try_acquire(draft.fileno())


def check_plot(path: Path, force: bool) -> None:
    """Check a plot's path before work starts.

    Raises:
        UsageError: a PNG file cannot be written there, or the path exists (unless `force`).
    """
    if path.suffix.lower() != PLOT_SUFFIX:
        raise UsageError(f"{printable(path)} must be a PNG file; let its name end in {PLOT_SUFFIX}")
    if not path.absolute().parent.is_dir():
        raise UsageError(f"there is no folder {printable(path.absolute().parent)}; create it first")
    if os.path.lexists(path) and (not force or path.is_dir()):
        raise UsageError(
            f"{printable(path)} exists; choose another name, or replace it with --force"
        )


def write_file(path: Path, data: bytes) -> None:
    """Write a page or a plot atomically.

    Raises:
        SetupError: the disk is full or the folder read-only.
    """
    path = path.absolute()
    part = path.with_name(f"{new_id()}{atomic_file.DRAFT_SUFFIX}")
    with atomic_file.writing(path, "fix this and run the same command again"):
        with atomic_file.created(part) as file:
            file.write(data)
        atomic_file.rename_durably(part, path)
