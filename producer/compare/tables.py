"""Opens two tables and compares them, with a page where one is wanted."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import msgspec

from producer.compare.compare_page import compare_page
from producer.compare.comparison import Comparison, compare
from producer.compare.pictured_pairs import Disagreements
from producer.jobs.find_job import find_output
from producer.journal.sealed_journal import SealedJournal
from producer.locations import row_files
from producer.locations.row_files import RowFiles
from producer.output.output_path import located
from producer.pages import page
from producer.pages.pictures import PageImages
from producer.present.meter import Stages
from producer.present.progress import make_progress
from producer.rows.row_batch import Row
from shared.errors import UsageError
from shared.image_status import Status


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
