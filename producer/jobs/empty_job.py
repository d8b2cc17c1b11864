"""Refuses a job without files before it starts: the command is probably wrong."""

from __future__ import annotations

from collections.abc import Callable

from producer.inputs.job_options import JobOptions
from producer.inputs.skipped import listed
from producer.sources.job_sources import JobSources
from producer.sources.path_list import list_name
from producer.sources.walk import Walk
from shared.errors import UsageError
from shared.image_formats import DECODED_ENDINGS
from shared.messages.files import printable

#: The patterns that an error names at most.
PATTERNS_MAX = 4


def check_not_empty(sources: JobSources, check: Callable[[], None] = lambda: None) -> None:
    """Check that a job that has no files yet finds at least one. `check` may end the search.

    Raises:
        UsageError: there is no file.
        SetupError: a folder that was typed cannot be listed.
    """
    closed: list[bytes] = []
    walk = Walk(sources, lambda folder, why: closed.append(folder), check=check)
    # A folder that cannot be listed may have files; the job reports it.
    if next(walk.paths(), None) is None and not closed:
        raise UsageError(_nothing(sources.options, listed(walk.skipped)))


def _nothing(options: JobOptions, skipped: str) -> str:
    if options.list_file:
        how = "end each name with NUL" if options.list0 else "give one path a line"
        return f"{list_name(options)} names no file; {how}"
    first, *more = options.roots
    where = f"{printable(first)} and {len(more):,} more" if more else printable(first)
    if not skipped and all(root.startswith(b"s3://") for root in options.roots):
        return f"there is no object below {where}; check the prefix"
    there = f"skipped: {skipped}" if skipped else "there is no file at all"
    if options.globs:
        patterns = " or ".join(f"--glob {pattern!r}" for pattern in options.globs[:PATTERNS_MAX])
        what, other = f"no file matches {patterns:.300}", "another pattern"
    else:
        endings = " ".join(f".{ending.decode()}" for ending in DECODED_ENDINGS)
        what, other = f"no file has an image's ending ({endings})", "choose files with --glob"
    return f"{where}: {what}, {there}; name another folder, or {other}"
