"""The labels of two models, as one list.

A slash becomes `_` in the name of a class folder, and a model has the names of its folders as
labels: `T-shirt/top` of one model is `T-shirt_top` of another that was trained on sorted images.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from producer.rows.folder_labels import FolderLabels
from shared.labels.class_folders import folded, folder_of


class BothLabels:
    """Labels of both models with the same folder are one, unless a model has two of them. Labels
    that people gave follow."""

    def __init__(
        self, labels_a: Sequence[str], labels_b: Sequence[str], given: Sequence[str] = ()
    ) -> None:
        apart = {folder for labels in (labels_a, labels_b) for folder in _shared(labels)}

        def key(label: str) -> tuple[str, str]:
            folder = _folder(label)
            return (folder, label if folder in apart else "")

        number: dict[tuple[str, str], int] = {}
        for label in (*labels_a, *labels_b):
            number.setdefault(key(label), len(number))
        self.of_a = [number[key(label)] for label in labels_a]  #: by the model's own index
        self.of_b = [number[key(label)] for label in labels_b]
        self.in_common = len({*self.of_a} & {*self.of_b})
        as_in_a = {key(label): label for label in reversed((*labels_a, *labels_b))}
        as_in_b = {key(label): label for label in reversed((*labels_b, *labels_a))}
        #: Folders may be named as either model has it.
        self._folders = [
            FolderLabels([names[own] for own in number]) for names in (as_in_a, as_in_b)
        ]
        self.of_given = {label: number.setdefault(key(label), len(number)) for label in given}
        as_given = {key(label): label for label in given}
        #: As the first model has them.
        self.labels = [as_in_a.get(own) or as_given[own] for own in number]

    def of_folder(self, path: bytes) -> int | None:
        """The index of the label that a file's own folder is named like."""
        labels = (folders.of(path) for folders in self._folders)
        return next((label for label in labels if label is not None), None)


def _folder(label: str) -> str:
    return folded(folder_of(label))


def _shared(labels: Sequence[str]) -> set[str]:
    """The folders that more than one label of a model would have."""
    return {folder for folder, count in Counter(map(_folder, labels)).items() if count > 1}
