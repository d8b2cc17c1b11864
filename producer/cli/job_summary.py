"""The summary that classify and collect print at their end, on standard error."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import click

from producer.job.job_properties import AttemptResult
from producer.job.skipped import Unlisted, listed
from producer.job.snapshot import JobView, is_formed, stored_options
from producer.present.formatting import counted, mib, near, typed
from producer.present.style import columns_of, dim, failed, good, next_commands, paragraphs
from producer.run.run import Summary
from producer.table.job_text import answer_lines
from producer.table.promise import OWN_MODEL, classify_command, own_model_command
from producer.table.table_formats import no_room
from shared.errors import Exit
from shared.image_status import Status
from shared.messages.batch import MAX_FILE_BYTES
from shared.messages.model_name import DEFAULT_NAME, parse

#: A file of another format, or one that is too large, fails again.
_FINAL = {Status.UNSUPPORTED, Status.TOO_LARGE}


def show_job_summary(summary: Summary, quiet: bool = False, again: Sequence[str] = ()) -> None:
    """Print the result of a run and the next commands. If `quiet`, only what is incomplete. `again`
    has the options that the command which resumes it needs beside those that the job records."""
    gaps = list(_gaps(summary, again))
    if quiet:
        lines = gaps
    else:
        lines = [*_head(summary), *gaps]
        if summary.view.answers is not None:
            answers = answer_lines(
                summary.view.answers, summary.view.flagged, columns_of(sys.stderr)
            )
            lines = paragraphs(lines, answers, next_commands(_next(summary)))
    for line in lines:
        click.echo(line, err=True)


def _head(summary: Summary) -> Iterator[str]:
    """What was done, with what, and where the table is."""
    view = summary.view
    failures = f"{view.failed:,} failed"
    failures = failed(failures) if view.failed else good(failures)
    yield f"job {view.job}: {_images(view)}, {failures}{_pace(view.attempt)}"
    yield dim(f"{view.model} -> {near(view.output)}")
    if skipped := listed(view.attempt.skipped):
        yield f"skipped: {skipped}"
    if view.max_file_bytes < MAX_FILE_BYTES:
        yield (
            f"files above {mib(view.max_file_bytes)} are too_large in this job: it was started "
            "with a Redis whose maxmemory allows no larger files"
        )


def _gaps(summary: Summary, again: Sequence[str]) -> Iterator[str]:
    """Why the table is not complete, and what completes it."""
    view = summary.view
    if view.unlisted.count:
        yield _not_listed(view.unlisted)
    code, output = summary.exit_code, Path(view.output)
    if is_formed(output):
        again = again or ["--update"]
    if code is Exit.SETUP:
        yield no_room(stored_options(output).form, view.done, output)
    if code is Exit.INTERRUPTED:
        yield f"resume it with: {classify_command(view.output, *again)}"
    if code is Exit.CANCELLED:
        command = classify_command(view.output, *again)
        yield f"cancelled{_part(summary)}; resume it with: {command}"
    if code is Exit.BUDGET:
        yield f"more failures than --max-failures allows{_so_far(summary)}"


def _next(summary: Summary) -> list[tuple[str, str]]:
    """The next two commands of a finished job."""
    view = summary.view
    if summary.exit_code in (Exit.BUDGET, Exit.SETUP):
        return []
    table = near(view.output)
    look = ("look at it", typed(["hangtag", "report", table]))
    if view.failed and _may_succeed(view):
        return [("try failed rows again", classify_command(view.output, "--retry-failed")), look]
    if own := _own_model(view):
        return [(OWN_MODEL, own), look]
    return [look, ("check it", typed(["hangtag", "verify", table]))]


def _own_model(view: JobView) -> str:
    """The command for the model that is named like the folder, unless the answers have it."""
    is_named = view.answers is None or view.answers.withdrawn is not None
    if is_named or parse(view.model).name != DEFAULT_NAME:
        return ""
    return own_model_command(stored_options(Path(view.output)))


def _may_succeed(view: JobView) -> bool:
    """Whether a retry of the failed rows may give another answer."""
    kinds = set(view.answers.failures) if view.answers else set[str]()
    return not kinds or bool(kinds - _FINAL)


def _images(view: JobView) -> str:
    if view.exit_code is not None:
        return counted(view.images, "image")
    return f"{view.done:,} of {view.total_text} images"


def _pace(attempt: AttemptResult) -> str:
    if not attempt.classified:
        return ""
    rate = attempt.classified / max(attempt.seconds, 1e-3)
    return f", {attempt.seconds:.1f} s ({rate:,.0f} images/s)"


def _part(summary: Summary) -> str:
    return f"; the rows so far are in {summary.part}" if summary.part else ""


def _so_far(summary: Summary) -> str:
    if not summary.part:
        return ""
    return (
        f"{_part(summary)}; continue with a higher --max-failures, "
        "or with --retry-failed after repairing the files"
    )


def _not_listed(unlisted: Unlisted) -> str:
    count, first = unlisted.count, unlisted.first
    some = first if count == 1 else f"{first} and {count - 1:,} more"
    return (
        f"not complete: {counted(count, 'folder')} could not be listed: {some}; "
        "their files have no rows; make a folder readable, or an archive again, and run classify "
        "--update; or unpack the archive and classify that folder"
    )
