"""Pictures of a page: images of rows as thumbnails, and plots."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple, TypeVar

from producer.pages.thumbnails import Thumbnails
from producer.present.progress import Stages
from shared.errors import SetupError
from shared.image_status import Status
from shared.pipes.thumbnail import Thumbnail

#: The bound on all pictures of a page, before they become text, which takes a third more.
MAX_TOTAL_BYTES = 6_000_000
PLOT_SIDE_PIXELS = 1400
MAX_PLOT_BYTES = 200_000
LEFT_OUT = Thumbnail(why="Left out, so that the page stays small.")
_WHY = {
    Status.MISSING: "The file is no longer where it was classified.",
    Status.CHANGED: "The file has changed since it was classified.",
    Status.UNREADABLE: "The file cannot be read.",
    Status.TOO_LARGE: "The file has grown since it was classified.",
}

#: The bytes of an image, or why there are none.
Read = Callable[[], bytes | Status]
Key = TypeVar("Key")


class Picture(NamedTuple):
    """A picture in a page, or the reason why there is none."""

    source: str = ""  #: of the element `img`; empty: none
    width: int = 0
    height: int = 0
    why: str = ""


class PageImages:
    """Makes the pictures of one page, within its limit of bytes.

    Without the packages for it every picture is a placeholder, and `missing` says what to install.
    """

    def __init__(self) -> None:
        self.missing = ""
        self._left = MAX_TOTAL_BYTES
        self._thumbnails: Thumbnails | None = None
        try:
            self._thumbnails = Thumbnails()
        except SetupError as error:
            self.missing = str(error)

    def __enter__(self) -> PageImages:
        return self

    def __exit__(self, *error: object) -> None:
        if self._thumbnails is not None:
            self._thumbnails.__exit__(*error)

    def thumbnails(self, reads: Mapping[Key, Read], progress: Stages) -> dict[Key, Picture]:
        """A picture of each image."""
        progress.stage("pictures", len(reads))
        pictures = {}
        for key, made in zip(reads, self._made(list(reads.values())), strict=True):
            pictures[key] = self._picture(made)
            progress.passed(1)
        return pictures

    def plot(self, data: bytes) -> Picture:
        """A plot, encoded again like any picture."""
        if self._thumbnails is None:
            return Picture(why=self.missing)
        plot = self._thumbnails.make(data, PLOT_SIDE_PIXELS, MAX_PLOT_BYTES)
        return self._picture(plot)

    def _made(self, reads: Sequence[Read]) -> Iterator[Thumbnail]:
        if self._thumbnails is None:
            yield from (Thumbnail(why="No pictures: Pillow is not installed.") for _ in reads)
            return
        yield from self._thumbnails.map(self._make, reads)

    def _make(self, read: Read) -> Thumbnail:
        assert self._thumbnails is not None
        if self._left <= 0:
            return LEFT_OUT
        data = read()
        if isinstance(data, Status):
            return Thumbnail(why=_WHY.get(data, data.sentence))
        return self._thumbnails.make(data)

    def _picture(self, made: Thumbnail) -> Picture:
        if not made.webp:
            return Picture(why=made.why)
        if len(made.webp) > self._left:
            self._left = 0
            return Picture(why=LEFT_OUT.why)
        self._left -= len(made.webp)
        source = f"data:image/webp;base64,{base64.b64encode(made.webp).decode()}"
        return Picture(source, made.width, made.height)
