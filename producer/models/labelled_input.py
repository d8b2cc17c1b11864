"""The labels of unsorted images, for a trainer: it finds the files by their content."""

from __future__ import annotations

from pathlib import Path

from producer.present.formatting import typed
from shared.errors import UsageError
from shared.labels import labels_file
from shared.labels.labelled_files import LabelledFile, encode_files


def labelled_input(path: Path, folder: str) -> bytes:
    """The input of a request that learns from a labels file. Images that were left out or not
    known, and whose labels were taken back, have none: an earlier version may have learned them.

    Raises:
        UsageError: the file is missing, or has no label.
        SetupError: it is damaged.
    """
    so_far = labels_file.read(path)
    files = []
    for sha256, decided in so_far.images().items():
        line = so_far.line(sha256)
        assert line is not None
        file = LabelledFile(
            sha256, line.size, decided.label, b"", line.crc32, line.by, so_far.since(sha256),
            line.by_chance, so_far.excluded(sha256), decided.kind == "left-out",
        )  # fmt: skip
        files.append(file)
    if not any(file.label for file in files):
        label = typed(["hangtag", "label", folder])
        raise UsageError(f"there are no labels in {path}; give some with: {label}")
    for sha256, line in so_far.undecided().items():
        file = LabelledFile(
            sha256, line.size, "", b"", line.crc32, line.by, so_far.since(sha256),
            line.by_chance, so_far.excluded(sha256),
        )  # fmt: skip
        files.append(file)
    return encode_files(files)
