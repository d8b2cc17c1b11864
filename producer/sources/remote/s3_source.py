"""The source of `s3://bucket/prefix`, of a single object, and of the objects in a list."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from producer.inputs import skipped
from producer.sources.local.directory_listing import FILE
from producer.sources.remote.address import check_argument
from producer.sources.remote.remote_source import RemoteSource
from producer.sources.remote.s3_objects import SCHEME, S3Objects, is_bucket, split
from producer.sources.selection import Selection, is_hidden
from shared.errors import UsageError
from shared.messages.files import NO_STAMP, Stamp, printable

if TYPE_CHECKING:
    from producer.inputs.job_options import JobOptions
    from producer.sources.walk import Walk
    from shared.stop import Waits


class S3Source(RemoteSource[S3Objects]):
    """Objects of S3 servers."""

    def __init__(self, typed: bytes, options: JobOptions, waits: Waits) -> None:
        super().__init__(typed, options, waits)
        self._stamp_of_one: Stamp | None = None  #: of a single object; NO_STAMP: it is none

    def _open(self) -> S3Objects:
        return S3Objects(self.options.max_file_bytes, self.waits.check, self._listed_addresses.of)

    def check(self, is_new: bool) -> None:
        if is_new:
            check_argument(self.typed)
        if not self.typed.startswith(SCHEME):
            small = printable(SCHEME + self.typed[len(SCHEME) :])
            raise UsageError(f"{printable(self.typed)}: write it as {small}")
        try:
            bucket = split(self.typed)[0]
        except UnicodeDecodeError:
            bucket = ""
        if not is_bucket(bucket):
            raise UsageError(
                f"{printable(self.typed)}: name a bucket and a prefix, like s3://bucket/photos/"
            )
        # Whatever is wrong with the bucket or the credentials is reported before work starts.
        if self._one() == NO_STAMP:
            next(self._images.entries(self._folder), None)

    def holds(self, name: bytes) -> bool:
        if not self.typed:
            return name[: len(SCHEME)].lower() == SCHEME
        return name == self.typed or name.startswith(self._folder)

    def entries(self, after: bytes, walk: Walk) -> Iterator[bytes]:
        return (name for name, _ in self.stamps(after, walk))

    def stamps(self, after: bytes, walk: Walk) -> Iterator[tuple[bytes, Stamp]]:
        stamp = self._one()
        if stamp != NO_STAMP:
            if self.typed > after:
                yield self.typed, stamp
            return
        folder, selection = self._folder, Selection(self.options.globs)
        for name, stamp in self._images.entries(folder, after):
            below = name[len(folder) :]
            why = selection.why_skipped(below, FILE, lambda: False, walk.skipped)
            if is_hidden(below):
                walk.skip(skipped.HIDDEN)
            elif why is None:
                yield name, stamp
            else:
                walk.skip(why)

    @property
    def _folder(self) -> bytes:
        """The address of what is below a prefix, with its slash."""
        return self.typed.rstrip(b"/") + b"/"

    def _one(self) -> Stamp:
        """The stamp of a single object that was typed; NO_STAMP if it is a prefix."""
        if self._stamp_of_one is None:
            is_prefix = self.typed.endswith(b"/") or not split(self.typed)[1]
            self._stamp_of_one = NO_STAMP if is_prefix else self._images.head(self.typed)[1]
        return self._stamp_of_one
