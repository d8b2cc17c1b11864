"""The labels of unsorted images, for a trainer: it finds the files by their content."""

from __future__ import annotations

from pathlib import Path

from producer.present.formatting import typed
from shared.errors import UsageError
from shared.labels import labels_file
from shared.labels.label_line import placed
from shared.labels.submitted_lines import encode_lines


def labelled_input(path: Path, folder: str) -> bytes:
    """The input of a request that learns from a labels file. It has also what was taken back: an
    earlier version may have learned it.

    Raises:
        UsageError: the file is missing, or has no label.
        SetupError: it is damaged.
    """
    so_far = labels_file.read(path).so_far
    if not so_far.labels():
        label = typed(["hangtag", "label", folder])
        raise UsageError(f"there are no labels in {path}; give some with: {label}")
    return encode_lines(placed(line, b"") for line in so_far.lines())
