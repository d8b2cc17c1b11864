"""`hangtag sort`: the images of a table into folders, one for each label, and back."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path

import msgspec

from producer.job.job_index import no_table
from producer.job.sealed_journal import SealedJournal
from producer.job.snapshot import has_journal
from producer.present.formatting import near, typed
from producer.present.progress import Stages, make_progress
from producer.sort_log import sorted_folder
from producer.sort_log.log import Way, base_of, batches
from producer.sorting import placing
from producer.sorting.folders import Folders
from producer.sorting.placing import Placing
from producer.sorting.plan import Plan, PlanCounts, Planner, Remaining
from producer.sorting.settle import settle
from producer.sorting.transfer import no_links
from producer.sorting.undo import Undo
from producer.sources import row_files
from producer.sources.job_sources import JobSources
from producer.table.display_options import lacks_corrections, table_of
from producer.table.job_text import Sorted
from producer.table.output_path import located, nearest
from producer.table.table_file import is_foreign
from shared.errors import UsageError
from shared.messages.files import printable

#: Places that a dry run lists.
EXAMPLES = 5


def sort(table: Path, into: Path, way: Way, quiet: bool = False) -> Sorted:
    """Put the images of a table into folders of `into`. The same call continues after a crash.

    Raises:
        UsageError: there is no finished job of this table, a label can be no folder's name, or the
            folder has files of this table that were sorted otherwise, or files of a stranger.
        SetupError: a disk is full or read-only, and the same call continues; or the log is damaged.
    """
    table, out = located(table), _checked(into)
    with (
        _opened(table) as sealed,
        closing(Stages(make_progress(quiet))) as progress,
        row_files.of_table(table, sealed.options) as files,
    ):
        plan, survey = _planned(table, out, way, sealed, files.sources, progress)
        outdated = lacks_corrections(sealed)  # before a file moves: the log may be damaged
        with sorted_folder.locked(out, create=True) as folder:
            log = folder.log(sealed.record.id)
            log.check()
            folder.make(survey.counts)
            settle(log)
            log.start(way, survey.rule)
            remaining = Remaining()
            progress.stage("", survey.counts.total())
            passed, planner = (
                partial(_count_files, progress, remaining),
                Planner(way, log, remaining),
            )
            work = Placing(log, remaining, passed, planner, files)
            for rows in batches(plan.files(), placing.BATCH_FILES):
                work.place_rows(rows)
            log.write()
            result = _result(out, way, log.counts(), remaining, work.there)
            return msgspec.structs.replace(result, outdated=outdated)


def rehearse(table: Path, into: Path, way: Way, quiet: bool = False) -> Sorted:
    """What `sort` would do, as far as that shows without reading the files; nothing is written."""
    table, out = located(table), _checked(into)
    with (
        _opened(table) as sealed,
        closing(Stages(make_progress(quiet))) as progress,
        closing(JobSources(sealed.options)) as sources,
    ):
        plan, survey = _planned(table, out, way, sealed, sources, progress)
        log = sorted_folder.log_of(sorted_folder.token_of(out), sealed.record.id, out)
        log.check_same(way, survey.rule)
        progress.stage("", survey.counts.total())
        remaining, examples, there = Remaining(), list[tuple[str, str]](), Counter[str]()
        counts, planner = log.counts(), Planner(way, log, remaining)
        for rows in batches(plan.files(), placing.BATCH_FILES):
            with Folders(out) as folders:
                entries, placed = planner.plan(rows, folders)
            there.update(entry.folder for entry in placed)
            counts.update(entry.folder for entry in entries)
            examples += [
                (entry.source_text, f"{out}/{entry.place_text}")
                for entry in entries[: EXAMPLES - len(examples)]
            ]
            progress.passed(len(rows), remaining.counts.total())
        result = _result(out, way, counts, remaining, there)
        return msgspec.structs.replace(result, dry_run=True, examples=examples)


def _planned(
    table: Path,
    out: str,
    way: Way,
    sealed: SealedJournal,
    sources: JobSources,
    progress: Stages,
) -> tuple[Plan, PlanCounts]:
    """Where the rows of a table go. Raises UsageError, SetupError."""
    _check_way(sources, out, way)
    plan = Plan(sealed, sources, table_of(sealed).rules)
    progress.stage("reading", sealed.count)
    sealed.passed = progress.passed
    survey = plan.survey(out)
    sealed.passed = lambda rows: None  # they are read again while files are counted
    if survey.is_mixed and not sorted_folder.token_of(out):
        apart = typed(["--into", f"{near(out)}-sorted"])
        raise UsageError(
            f"{near(out)} has images of {table.name}, which would be mixed with the sorted ones; "
            f"name another folder, for example {apart}"
        )
    return plan, survey


def _result(
    out: str, way: Way, placed: Mapping[str, int], remaining: Remaining, there: Counter[str]
) -> Sorted:
    folders = dict(Counter(placed) + there)
    return Sorted(out, way, folders, dict(remaining.counts), remaining.first, there.total())


def undo(into: Path, quiet: bool = False, back_to: Path | None = None) -> Sorted:
    """Take back what was sorted into a folder, from all tables; with `back_to` below that folder.
    The same call continues after a crash. What a damaged log does not say stays, and is counted.

    Raises:
        UsageError: nothing was sorted into it, or its log is not of this user.
        SetupError: a disk is full or read-only, and the same call continues.
    """
    out, remaining, count = _checked(into), Remaining(), Counter[str]()
    to = None if back_to is None else os.fsencode(_checked(back_to)).rstrip(b"/")
    with (
        sorted_folder.locked(out) as folder,
        closing(Stages(make_progress(quiet))) as progress,
    ):
        logs = folder.logs()
        progress.stage("", sum(len(log.entries) for log in logs))
        for log in logs:
            if to is not None:
                log.return_below(to, base_of(logs))
            settle(log)
            count += Undo(log, remaining, partial(_count_files, progress, remaining)).run()
        if not remaining.counts:
            folder.remove()
    return Sorted(out, "", dict(count), dict(remaining.counts), remaining.first)


def _checked(into: Path) -> str:
    """The absolute path of a folder, without symbolic links."""
    out = os.path.realpath(into)
    if not out.isprintable():
        raise UsageError(f"the path {printable(into)} cannot be printed; choose another folder")
    if os.path.lexists(out) and not os.path.isdir(out):
        raise UsageError(f"{out} is no folder; name one, which may be new")
    return out


@contextmanager
def _opened(table: Path) -> Iterator[SealedJournal]:
    """The journal of a finished job."""
    try:
        str(table).encode()
    except UnicodeEncodeError:
        raise UsageError(
            f"{printable(table)} has bytes that are not UTF-8; rename the table or its folder"
        ) from None
    if not has_journal(table):
        raise UsageError(no_table(table))
    with SealedJournal(table) as sealed:
        if not sealed.finished:
            raise UsageError(
                f"the job of {table} is not finished; finish it with: "
                f"{typed(['hangtag', 'classify', str(table)])}"
            )
        if is_foreign(sealed, table):
            again = typed(["hangtag", "table", str(table), "--force"])
            raise UsageError(
                f"{table} is not what its job wrote, and images are sorted by what the job found; "
                f"write it again with: {again}"
            )
        yield sealed


def _check_way(sources: JobSources, out: str, way: Way) -> None:
    """Check before anything is done that all images are in files, unless they are copied, and that
    hard links to the given folders are possible."""
    if way is not Way.COPY and (name := sources.first_without_files):
        raise UsageError(
            f"the images of {printable(name)} are in no files of their own, which could be moved "
            "or linked; use --copy"
        )
    if way is not Way.LINK:
        return
    device = os.stat(nearest(Path(out))).st_dev
    for argument in sources.local_arguments():
        root = argument.place
        if os.path.exists(root) and os.stat(root).st_dev != device:
            raise no_links(printable(argument.typed))


def _count_files(progress: Stages, remaining: Remaining, files: int) -> None:
    """Count files that were placed, or stay where they are."""
    progress.passed(files, remaining.counts.total())
