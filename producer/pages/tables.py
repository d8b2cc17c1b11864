"""Compares two tables, or first classifies a folder with two versions, with a page where one is
wanted."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

import msgspec

from producer.job.find_job import find_output
from producer.job.job_options import JobOptions
from producer.job.row_batch import Row
from producer.job.sealed_journal import SealedJournal
from producer.pages import page
from producer.pages.comparison import Comparison, compare
from producer.pages.comparison_text import Disagreements, compare_page
from producer.pages.thumbnails import PageImages
from producer.present.formatting import near
from producer.present.progress import Stages, make_progress
from producer.run.run import Summary
from producer.sources import row_files
from producer.sources.row_files import RowFiles
from producer.table.output_path import checked_output, located
from producer.versions.catalog import Catalog
from shared.errors import COMPLETE, SetupError, UsageError
from shared.image_status import Status
from shared.messages.model_name import parse
from shared.settings import Settings


class Compared(msgspec.Struct, frozen=True):
    """A comparison, and where its page is."""

    comparison: Comparison
    page: str = ""  #: empty: none was wanted
    notice: str = ""  #: what is missing in it, and how to get it


def compare_tables(
    a: str, b: str, output: Path | None = None, *, force: bool = False, quiet: bool = False
) -> Compared:
    """Compare two jobs, each by its table or its id; of an unfinished one the rows so far.

    Raises:
        UsageError: there is no such job, both are the same, they have no file in common, or the
            page would replace another file.
        SetupError: a journal cannot be read, or the disk is full.
    """
    if output is not None:
        page.check(output, page.Kind.COMPARISON, force)
    first, second = located(find_output(a)), located(find_output(b))
    if first == second:
        raise UsageError(f"{first} is compared with itself; name two tables")
    progress = Stages(make_progress(quiet))
    try:
        with SealedJournal(first, True) as a_job, SealedJournal(second, True) as b_job:
            return _compare(a_job, b_job, output, progress)
    finally:
        progress.close()


def _compare(a: SealedJournal, b: SealedJournal, output: Path | None, progress: Stages) -> Compared:
    progress.stage("reading", a.count + b.count)
    a.passed = b.passed = progress.passed
    if output is None:
        return Compared(compare(a, b)[0])
    disagreements = Disagreements()
    comparison, tally = compare(a, b, disagreements.add)
    chosen = disagreements.chosen()
    with (
        row_files.of_table(Path(a.options.output), a.options) as files_a,
        row_files.of_table(Path(b.options.output), b.options) as files_b,
        PageImages() as images,
    ):
        reads = {pair: partial(_content, files_a, files_b, pair.a, pair.b) for pair in chosen}
        pictures = images.thumbnails(reads, progress)
        missing = images.missing or files_b.out_of_reach  # they are read where those of a are not
        page.write(output, compare_page(comparison, tally, pictures, missing))
        return Compared(comparison, str(output), missing)


def _content(files_a: RowFiles, files_b: RowFiles, a: Row, b: Row) -> bytes | Status:
    """The bytes of an image. The sort of either table may have moved it."""
    content = files_a.classified(a.name, a.stamp, a.digest)
    if isinstance(content, Status):
        other = files_b.classified(b.name, b.stamp, b.digest)
        return content if isinstance(other, Status) else other
    return content


#: Classifies with these options. Raises what `producer.run.classify` does.
Classify = Callable[[JobOptions], Summary]


def compare_versions(
    models: tuple[str, str],
    folder: bytes,
    settings: Settings,
    classify: Classify,
    output: Path | None = None,
    *,
    force: bool = False,
    quiet: bool = False,
    report: Callable[[str], None] = lambda line: None,
) -> Compared:
    """Compare two versions on a folder. Each has a table in the current folder, named after the
    folder and the version; an interrupted one is resumed, a finished one is used again.

    Raises:
        UsageError: both names are the same version, or there is no such folder.
        SetupError: there is no such version, or a job could not be finished.
    """
    if output is not None:
        page.check(output, page.Kind.COMPARISON, force)
    folder = folder.rstrip(b"/") or b"/"  # so that a typed slash makes no other job
    catalog = Catalog(settings)
    refs = [catalog.version(parse(model)).card.ref for model in models]
    if refs[0] == refs[1]:
        raise UsageError(f"{models[0]} and {models[1]} are both {refs[0]}; name two versions")
    tables = []
    for ref in refs:
        table = table_of(folder, ref)
        report(f"classifying {os.fsdecode(folder)} with {ref} -> {near(table)}")
        _check_complete(classify(_options(folder, ref, table)))
        tables.append(table)
    return compare_tables(tables[0], tables[1], output, force=force, quiet=quiet)


def table_of(folder: bytes, ref: str) -> str:
    """The table of a version, in the current folder."""
    name = os.path.basename(os.path.abspath(folder)) or b"root"
    return checked_output(f"{os.fsdecode(name)}.{ref}.csv")


def _options(folder: bytes, ref: str, table: str) -> JobOptions:
    return JobOptions(roots=(folder,), cwd=os.getcwdb(), output=table, model=ref)


def _check_complete(summary: Summary) -> None:
    if summary.exit_code not in COMPLETE:
        raise SetupError(
            f"{near(summary.view.output)} is not complete; run the same command again to resume it"
        )
