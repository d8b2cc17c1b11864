"""The decisions about the images of a folder: for each image of a stack a line."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from itertools import chain

from producer.people.decisions import Decisions
from producer.people.folder_images import FolderImages
from producer.people.queue import Refused
from shared.labels.class_folders import check_labels
from shared.labels.label_line import LabelLine, utc_now
from shared.labels.labels_file import LabelsFile
from shared.labels.labels_so_far import Decided, LabelsSoFar


class FolderDecisions(Decisions):
    """Those about stacks, by number; the file is held by this process."""

    def __init__(self, images: FolderImages, file: LabelsFile, by: str) -> None:
        super().__init__(file, by)
        self._images = images
        self._lost: set[int] = set()  #: images that cannot be used any more
        #: Stacks that were shown by chance.
        self._drawn = {s for s in range(len(images.stacks)) if self._line_by_chance(s)}

    def of(self, stack: int) -> Decided | None:
        """What holds for a stack: for its first image, once all that can be used are decided."""
        different = self._different(stack)
        if not different:
            return Decided("cannot-tell")
        decided = [self.file.so_far.of(sha256) for sha256 in different]
        return None if None in decided else decided[0]

    def excluded(self, stack: int) -> tuple[str, ...]:
        """The names that a stack does not have: that one of its images does not have."""
        names = map(self.file.so_far.excluded, self._different(stack))
        return tuple(dict.fromkeys(chain.from_iterable(names)))

    def _different(self, stack: int) -> list[str]:
        """The SHA-256 of the images of a stack that can be used, each once."""
        usable = (i for i in self._images.stacks[stack] if i not in self._lost)
        return list(dict.fromkeys(self._images.sha256(image) for image in usable))

    def was_drawn(self, stack: int) -> bool:
        """Whether a stack was shown since chance drew it."""
        return stack in self._drawn

    def draw(self, stacks: Collection[int]) -> None:
        """Note that chance drew these stacks for a page."""
        self._drawn.update(stacks)

    def decide(self, given: Mapping[int, Decided | None]) -> list[Refused]:
        """Save what was decided about stacks; None: nothing is any more, and they may have each
        name. Returns what is refused: files that have changed or are gone.

        Raises:
            UsageError: a label cannot be used.
            SetupError: nothing can be saved.
        """
        refused = list[Refused]()

        def lines(so_far: LabelsSoFar) -> list[LabelLine]:
            check_labels({one.label for one in given.values() if one} - {""}, self.labels)
            made = list[LabelLine]()
            for stack, decided in given.items():
                for image, found in self._lines_of(stack, decided):
                    if isinstance(found, str):
                        refused.append(Refused(stack, f"{self._images.name(image)} {found}"))
                    else:
                        made += found
            return made

        self.save(lines)
        return refused

    def by_folders(self) -> int:
        """The number of images of decided stacks that have a label by the name of their folder,
        which no person has confirmed."""
        unseen, count = self.file.so_far.by_folders(), 0
        for stack, images in enumerate(self._images.stacks if unseen else ()):
            mine = sum(self._images.sha256(image) in unseen for image in images)
            if mine and self.of(stack) is not None:
                count += mine
        return count

    def undo_stacks(self) -> dict[int, Decided | None] | None:
        """`undo`, by stack: None if there was nothing to take back, {} if that was about no
        image."""
        taken = self.undo()
        if taken is None:
            return None
        every = enumerate(self._images.stack_of) if taken else ()
        of_images = ((stack, self._images.sha256(image)) for image, stack in every)
        return {stack: taken[sha256] for stack, sha256 in of_images if sha256 in taken}

    def _lines_of(
        self, stack: int, decided: Decided | None
    ) -> Iterator[tuple[int, list[LabelLine] | str]]:
        """The lines about each image of a stack, or why it cannot be used; those about one of equal
        files, of which there may be thousands."""
        known = set[str]()
        for image in self._images.stacks[stack]:
            sha256 = self._images.sha256(image)
            if sha256 in known:
                continue
            lines = self._lines(image, stack, decided)
            if not isinstance(lines, str):
                known.add(sha256)
            if lines:
                yield image, lines

    def _lines(self, image: int, stack: int, decided: Decided | None) -> list[LabelLine] | str:
        """The lines about an image, none if there is nothing to say; or why it cannot be used."""
        sha256 = self._images.sha256(image)
        if decided is None:
            return self.taken_back(sha256)
        file = self._images.file(image)
        if isinstance(file, str):
            self._lost.add(image)
            return file
        line = LabelLine(
            sha256=sha256, path=self._images.name(image), label=decided.label, by=self._by,
            size=file.stamp[0], crc32=file.crc32, at=utc_now(), kind=decided.kind,
            by_chance=stack in self._drawn,
        )  # fmt: skip
        return [line]

    def _line_by_chance(self, stack: int) -> bool:
        line = self.file.so_far.line(self._images.sha256(self._images.stacks[stack][0]))
        return line is not None and line.by_chance
