"""One real process that makes the pictures of every page, instead of a new one for each page.

A process takes 0.3 s of a core to start. That a page ends its process is tested in
tests/unit/pages/test_thumbnails.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from unittest import mock

from producer.pages import thumbnails
from producer.pages.thumbnails import Thumbnails


class _Kept(Thumbnails):
    """It outlives the block of a page."""

    def __exit__(self, *error: object) -> None:
        """Its owner ends it."""


@contextmanager
def kept() -> Iterator[None]:
    """The pages of this process share one other process, which starts with the first picture."""
    shared = _Kept(processes=1)

    def shared_one(processes: int = 1) -> Thumbnails:
        Thumbnails().__exit__()  # refuses what a page of its own would be refused
        return shared

    try:
        with mock.patch.object(thumbnails, "Thumbnails", shared_one):
            yield
    finally:
        Thumbnails.__exit__(shared)
