"""The source of the web addresses in a list, and of one among the arguments."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from producer.present.formatting import typed
from producer.sources.remote.address import check_argument, is_web
from producer.sources.remote.remote_source import RemoteSource
from producer.sources.remote.web import NoAnswer, Web
from shared.errors import SetupError
from shared.settings import Settings

if TYPE_CHECKING:
    from producer.inputs.job_options import JobOptions
    from producer.sources.walk import Walk


class WebSource(RemoteSource[Web]):
    """Images of web servers."""

    def _open(self) -> Web:
        options = self.options
        return Web(
            self._listed_addresses.of,
            Settings.from_env().allows_local_addresses,
            options.max_file_bytes,
            self.waits.check,
            self._addresses,
            _remedy(options),
        )

    def check(self, is_new: bool) -> None:
        if not is_new:
            return
        check_argument(self.typed)
        if not _is_job(self.options):
            return
        try:
            self._images.head(self.typed)
        except NoAnswer as error:
            raise SetupError(f"{error.why}; fix this, then run the same command again") from None

    def holds(self, name: bytes) -> bool:
        return name == self.typed if self.typed else is_web(name)

    def entries(self, after: bytes, walk: Walk) -> Iterator[bytes]:
        return iter((self.typed,) if self.typed > after else ())

    def _addresses(self) -> Iterable[bytes]:
        """All web addresses of the job."""
        if self.options.list_file:
            return self._listed_addresses.web_addresses()
        return filter(is_web, self.options.roots)


def _is_job(options: JobOptions) -> bool:
    """Whether they are those of a job, and not of images that are read at once."""
    return os.path.isabs(options.output)


def _remedy(options: JobOptions) -> str:
    if not _is_job(options):
        return "fix this, then run the same command again"
    return (
        "fix this, and the same command resumes the job; to end an unfinished job without it: "
        + typed(["hangtag", "cancel", options.output])
    )
