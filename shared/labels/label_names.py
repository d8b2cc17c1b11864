"""Which labels people may add to those that images have, or that a model gives."""

from __future__ import annotations

from collections.abc import Collection

from shared.errors import UsageError
from shared.labels.class_folders import folded, folder_of, problem

#: A page of a thousand labels cannot be used; a hostile client could add them without end.
MAX_LABELS = 1_000


def check_labels(labels: Collection[str], known: Collection[str]) -> None:
    """Raises UsageError for a label that cannot be used beside those that are known."""
    folders = {folded(folder_of(label)): label for label in known}
    for label in labels:
        if label in known or label in folders.values():
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
