"""What a person is asked about the names of class folders, and what the replies change."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from producer.people.existing_labels import (
    ClassFolders,
    Taken,
    class_folders,
    is_date_or_camera,
    listed,
    of_folders,
)
from producer.people.folder_decisions import FolderDecisions
from producer.people.folder_images import FolderImages
from producer.people.queue import ProposedFolder
from shared.errors import UsageError
from shared.labels.class_folders import problem
from shared.labels.label_line import LabelLine, utc_now
from shared.labels.labels_so_far import LabelsSoFar

#: Pictures of a folder that a person sees.
PICTURES = 3


class FolderNames:
    """The folders of one folder about which nothing is said yet. Without `asks` there is none."""

    def __init__(
        self, images: FolderImages, decisions: FolderDecisions, by: str, asks: bool
    ) -> None:
        self._images, self._decisions, self._by = images, decisions, by
        self._folders = class_folders(images) if asks else ClassFolders()
        names = list(self._folders.images)
        self._labels = of_folders(images, self._folders, names, by)

    def proposed(self) -> list[ProposedFolder]:
        """The folders to ask about. None is named like a date, or has labels already."""
        so_far, found = self._decisions.file.so_far, list[ProposedFolder]()
        taken = Taken(self._images, so_far)
        for name, images in self._folders.images.items():
            if f"{name}/" in so_far.folders or is_date_or_camera(name) or problem(name):
                continue
            shas = ((image, self._images.sha256(image)) for image in images)
            new = [image for image, sha in shas if taken.is_new(sha, self._labels[sha])]
            if new:
                found.append(ProposedFolder(name, len(new), self._examples(new)))
        return found

    def notes(self) -> list[str]:
        """What to say of them before the page is opened: a line, if there are some."""
        names = [f"{folder.name}/" for folder in self.proposed()]
        if not names:
            return []
        return [
            f"the page asks whether names of folders are labels: {listed(names)}; "
            "--folders takes all of them unasked, --no-folders none"
        ]

    def answer(self, names: Collection[str], is_label: bool) -> None:
        """Save what a person says of proposed folders. If the names are labels, the images get
        them.

        Raises:
            UsageError: such a folder is not proposed, or the labels are too many.
            SetupError: nothing can be saved.
        """
        proposed = {folder.name for folder in self.proposed()}
        if not names or not proposed.issuperset(names):
            raise UsageError("another page has replied about these folders; start this page again")
        replies = [
            LabelLine(
                kind="folder",
                taken_from=f"{name}/",
                label=name if is_label else "",
                by=self._by,
                at=utc_now(),
            )
            for name in names
        ]

        def lines(so_far: LabelsSoFar) -> list[LabelLine]:
            labels = of_folders(self._images, self._folders, names if is_label else (), self._by)
            return [*Taken(self._images, so_far).lines(labels), *replies]

        self._decisions.save(lines)

    def _examples(self, images: Sequence[int]) -> list[int]:
        """Stacks from the start, the middle and the end, if possible of which the folder has the
        image that is displayed."""
        inside = set(images)
        stacks = list(dict.fromkeys(self._images.stack_of[image] for image in images))
        own = [stack for stack in stacks if self._images.stacks[stack][0] in inside] or stacks
        last = len(own) - 1
        return list(dict.fromkeys(own[last * n // (PICTURES - 1)] for n in range(PICTURES)))
