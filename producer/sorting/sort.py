"""`hangtag sort`: the images of a table into folders, one for each label, and back."""

from __future__ import annotations

import os
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial
from itertools import islice
from pathlib import Path

import msgspec

from producer.formats.table_file import is_foreign
from producer.journal.no_table import no_table
from producer.journal.sealed_journal import SealedJournal
from producer.journal.snapshot import has_journal
from producer.locations import row_files, sorted_into
from producer.output.output_path import located, nearest
from producer.present.formatting import near, typed
from producer.present.meter import Stages
from producer.present.progress import make_progress
from producer.rendering.display_options import lacks_corrections, table_of
from producer.sort_log.entry import Way
from producer.sort_log.log import SortLog
from producer.sorting import out_folder, placing, reach, sort_index
from producer.sorting.folders import Folders
from producer.sorting.placing import Placing, no_links
from producer.sorting.plan import Plan, PlanCounts, PlannedFile, Planner, Remaining
from producer.sorting.settle import settle
from producer.sorting.undo import Undo
from producer.sources.job_sources import JobSources
from producer.summary.sorted_files import Sorted
from shared.errors import UsageError
from shared.labels.class_folders import SORT_LOG
from shared.messages.files import printable

#: Places that a dry run lists.
EXAMPLES = 5


def sort(table: Path, into: Path, way: Way, quiet: bool = False) -> Sorted:
    """Put the images of a table into folders of `into`. The same call continues after a crash.

    Raises:
        UsageError: there is no finished job of this table, a label can be no folder's name, or the
            folder has files of this table that were sorted otherwise, or files of a stranger.
        SetupError: a disk is full or read-only, and the same call continues; or the folder's log is
            damaged.
    """
    table, out = located(table), _checked(into)
    with (
        _opened(table) as sealed,
        closing(Stages(make_progress(quiet))) as progress,
        row_files.of_table(table, sealed.options) as files,
    ):
        _check_way(files.sources, out, way)
        plan = Plan(sealed, files.sources, table_of(sealed).rules)
        outdated = lacks_corrections(sealed)  # before a file moves: the log may be damaged
        survey = _survey(plan, out, sealed, progress)
        _check_apart(table, out, survey)
        with out_folder.new_log(out) as log:
            entry = reach.check(log, out, survey.sources)
            sort_index.remember(reach.with_table(entry, out, table))
            settle(log, os.fsencode(out), reach.own(entry, out))
            sorting = log.sorting(str(table), sealed.record.id, way, survey.rule)
            sorted_into.remember(table, out)
            left = Remaining()
            progress.stage("", survey.counts.total())
            passed = partial(_count, progress, left)
            planner = Planner(log, sorting, way, left)
            work = Placing(log, os.fsencode(out), planner, left, files, passed)
            for rows in _batches(plan.files()):
                work.place(rows)
            work.finish()
            result = _sorted(out, way, log.counts(sorting), left, work.there)
            return msgspec.structs.replace(result, outdated=outdated)


def rehearse(table: Path, into: Path, way: Way, quiet: bool = False) -> Sorted:
    """What `sort` would do, as far as that shows without reading the files; nothing is written."""
    table, out = located(table), _checked(into)
    with (
        _opened(table) as sealed,
        tempfile.TemporaryDirectory(prefix="hangtag-") as scratch,
        closing(Stages(make_progress(quiet))) as progress,
        closing(JobSources(sealed.options)) as sources,
    ):
        _check_way(sources, out, way)
        plan = Plan(sealed, sources, table_of(sealed).rules)
        survey = _survey(plan, out, sealed, progress)
        _check_apart(table, out, survey)
        left_log = out_folder.left_by(out)
        with SortLog.copied(Path(out, SORT_LOG), Path(scratch, SORT_LOG), left_log) as log:
            reach.check(log, out, survey.sources)
            sorting = log.sorting(str(table), sealed.record.id, way, survey.rule)
            progress.stage("", survey.counts.total())
            left, examples, there = Remaining(), list[tuple[str, str]](), Counter[str]()
            planner = Planner(log, sorting, way, left)
            for rows in _batches(plan.files()):
                with Folders(os.fsencode(out)) as folders, log.transaction():
                    planned = planner.plan(rows, folders)
                    there.update(entry.folder for entry in planned if folders.is_placed(entry))
                    entries = [entry for entry in planned if not folders.is_placed(entry)]
                examples += [
                    (entry.shown, f"{out}/{entry.folder}/{printable(entry.name)}")
                    for entry in entries[: EXAMPLES - len(examples)]
                ]
                progress.passed(len(rows), left.counts.total())
            result = _sorted(out, way, log.counts(sorting), left, there)
        return msgspec.structs.replace(result, dry_run=True, examples=examples)


def _sorted(
    out: str, way: Way, placed: dict[str, int], left: Remaining, there: Counter[str]
) -> Sorted:
    folders = dict(Counter(placed) + there)
    return Sorted(out, way, folders, dict(left.counts), left.first, there.total())


def undo(into: Path, quiet: bool = False, back_to: Path | None = None) -> Sorted:
    """Take back what was sorted into a folder, from all tables; with `back_to` below that folder.
    The same call continues after a crash.

    Raises:
        UsageError: nothing was sorted into it, or its log is not of this user.
        SetupError: a disk is full or read-only, and the same call continues; or the log is damaged.
    """
    out, left = _checked(into), Remaining()
    if out_folder.was_left(out):
        return Sorted(out, "", {}, {}, {})
    with out_folder.log_of(out) as log:
        entry = reach.check(log, out) if back_to is None else reach.recorded(log, out)
        if back_to is None:
            allowed = reach.own(entry, out)
        else:
            allowed = reach.back_to(log, _checked(back_to))
        settle(log, os.fsencode(out), allowed)
        folders = partial(Folders, os.fsencode(out), allowed)
        with closing(Stages(make_progress(quiet))) as progress:
            progress.stage("", log.count())
            count = Undo(log, folders, left, partial(_count, progress, left)).run()
        if not log.count():
            out_folder.remove_log(log, entry)
    return Sorted(out, "", dict(count), dict(left.counts), left.first)


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


def _check_apart(table: Path, out: str, survey: PlanCounts) -> None:
    """Check that the folder, unless it was sorted into before, does not mix the images of the table
    with each other."""
    if not survey.within or os.path.lexists(Path(out, SORT_LOG)):
        return
    is_source = survey.sources.has(os.fsencode(out) + b"/")
    if is_source or survey.within & set(map(os.fsencode, survey.counts)):
        apart = typed(["--into", f"{near(out)}-sorted"])
        raise UsageError(
            f"{near(out)} has images of {table.name}, which would be mixed with the sorted ones; "
            f"name another folder, for example {apart}"
        )


def _batches(rows: Iterator[PlannedFile]) -> Iterator[list[PlannedFile]]:
    while batch := list(islice(rows, placing.BATCH_FILES)):
        yield batch


def _survey(plan: Plan, out: str, sealed: SealedJournal, progress: Stages) -> PlanCounts:
    """The survey of a plan, which reads all rows."""
    progress.stage("reading", sealed.count)
    sealed.passed = progress.passed
    try:
        return plan.survey(os.fsencode(out))
    finally:
        sealed.passed = lambda rows: None  # they are read again while files are counted


def _count(progress: Stages, left: Remaining) -> None:
    """Count a file that was placed, or stays where it is."""
    progress.passed(1, left.counts.total())
