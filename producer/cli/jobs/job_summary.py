"""The summary that classify and collect print at their end."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import click

from producer.inputs.skipped import listed
from producer.jobs.classify import Summary
from producer.output.formatting import counted, mib, typed
from shared.errors import Exit
from shared.messages.batch import MAX_FILE_BYTES

_RESTART = "--restart"


def show_job_summary(summary: Summary) -> None:
    """Print the result of a run and the next command to standard error."""
    click.echo(
        f"job {summary.job}: {_images(summary)}, {summary.failed:,} failed, "
        f"{_pace(summary)}{summary.model} -> {summary.output}",
        err=True,
    )
    if summary.flagged:
        flags = ", ".join(f"{n:,} {flag}" for flag, n in summary.flagged.items())
        click.echo(f"flagged: {flags} (see the column flag)", err=True)
    if skipped := listed(summary.skipped):
        click.echo(f"skipped: {skipped}", err=True)
    if summary.unlisted.count:
        click.echo(_not_listed(summary), err=True)
    if summary.max_file_bytes < MAX_FILE_BYTES:
        click.echo(
            f"files above {mib(summary.max_file_bytes)} are too_large in this job: it was started "
            "with a Redis whose maxmemory allows no larger files",
            err=True,
        )
    if last := _next(summary):
        click.echo(last, err=True)


def resuming(arguments: Sequence[str]) -> list[str]:
    """The arguments that resume a job: without --restart, which would empty it."""
    end = arguments.index("--") if "--" in arguments else len(arguments)
    return [a for i, a in enumerate(arguments) if a != _RESTART or i > end]


def _next(summary: Summary) -> str:
    code, arguments = Exit(summary.exit_code), sys.argv[1:]
    resume = resuming(arguments)
    if code is Exit.INTERRUPTED:
        return f"resume it with: {typed(['hangtag', *resume])}"
    if code is Exit.CANCELLED:
        without = "" if resume == arguments else f" without {_RESTART}"
        return f"cancelled; the same command{without} resumes it"
    if code is Exit.BUDGET:
        return f"more failures than --max-failures allows{_so_far(summary)}"
    return ""


def _images(summary: Summary) -> str:
    found = counted(summary.found, "image")
    return found if summary.done == summary.found else f"{summary.done:,} of {found}"


def _pace(summary: Summary) -> str:
    if not summary.classified:
        return ""
    rate = summary.classified / max(summary.seconds, 1e-3)
    return f"{summary.seconds:.1f} s ({rate:,.0f} images/s), "


def _so_far(summary: Summary) -> str:
    if not summary.part:
        return ""
    return (
        f"; the rows so far are in {summary.part}; continue with a higher --max-failures, "
        "or with --retry-failed after repairing the files"
    )


def _not_listed(summary: Summary) -> str:
    count, first = summary.unlisted.count, summary.unlisted.first
    some = first if count == 1 else f"{first} and {count - 1:,} more"
    return (
        f"not complete: {counted(count, 'folder')} could not be listed: {some}; "
        f"their files have no rows; make them readable and run classify {_RESTART}"
    )
