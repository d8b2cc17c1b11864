"""`hangtag report`: a table as one HTML file, from its journal, its files and its model's card."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

import msgspec

from producer.formats.table_file import is_foreign
from producer.jobs.find_job import find_output
from producer.journal.sealed_journal import SealedJournal
from producer.locations import row_files
from producer.locations.row_files import RowFiles
from producer.models.load_catalog import load_catalog
from producer.models.show import VersionDetails, find
from producer.pages import page, text
from producer.pages.pictures import PageImages
from producer.present.formatting import typed
from producer.present.meter import Stages
from producer.present.progress import make_progress
from producer.rendering.display_options import acceptance, stored_display
from producer.rendering.person_labels import labels_now
from producer.report import model_part, table_part
from producer.report.displayed_rows import Choice
from producer.report.survey import Survey
from producer.rows.row_batch import Rules
from shared.errors import HangtagError
from shared.messages.model_card import card_sha256
from shared.messages.model_name import ModelName
from shared.settings import Settings


class Written(msgspec.Struct, frozen=True):
    """A report that was written."""

    report: str
    rows: int
    pictures: int  #: images that are displayed
    bytes: int
    notice: str = ""  #: what is missing or changed, and what to do
    is_foreign: bool = False  #: the table is not what its job wrote; the page is of the journal


def report_path(table: Path) -> Path:
    """The default: beside the table."""
    return table.with_suffix(page.SUFFIX)


def write_report(
    settings: Settings,
    job: str,
    output: Path | None = None,
    *,
    force: bool = False,
    quiet: bool = False,
) -> Written:
    """Write the report of a job, running or not, given its id or its table.

    Raises:
        UsageError: there is no such job, or the output is another file.
        SetupError: the journal cannot be read, or the disk is full.
    """
    table = find_output(job)
    output = report_path(table) if output is None else output
    page.check(output, page.Kind.REPORT, force)
    progress = Stages(make_progress(quiet))
    try:
        with (
            SealedJournal(table, or_running=True) as sealed,
            row_files.of_table(table, sealed.options) as files,
            PageImages() as images,
        ):
            return _write(settings, sealed, table, output, images, files, progress)
    finally:
        progress.close()


def _write(
    settings: Settings,
    sealed: SealedJournal,
    table: Path,
    output: Path,
    images: PageImages,
    files: RowFiles,
    progress: Stages,
) -> Written:
    progress.stage("reading", 2 * sealed.count)
    sealed.passed = progress.passed
    shown = acceptance(sealed.card, stored_display(sealed))
    rules = Rules(shown, labels_now(table, sealed.card.labels))
    survey = Survey(sealed.card, shown)
    for batch in sealed.row_batches(rules):
        survey.add(batch)
    choice = Choice(survey)
    for batch in sealed.row_batches(rules):
        choice.add(batch)
    rows = choice.pictured
    reads = {row: partial(files.classified, row.name, row.stamp, row.digest) for row in rows}
    pictures = images.thumbnails(reads, progress)
    details, plots = _model(settings, sealed, images)
    missing = images.missing or files.out_of_reach
    made = page.render(
        "report.html",
        title=f"Report on {text.path(os.fsencode(table.name))}",
        missing=missing,
        **table_part.values(sealed, survey, choice, pictures, table),
        **model_part.values(details, plots),
    )
    page.write(output, made)
    foreign = sealed.finished and is_foreign(sealed, table)
    notices = [missing, _foreign(table) if foreign else ""]
    size = len(made.html.encode(errors="replace"))
    return Written(
        str(output), survey.rows, len(rows), size, "\n".join(filter(None, notices)), foreign
    )


def _foreign(table: Path) -> str:
    verify = typed(["hangtag", "verify", str(table)])
    return (
        f"{table} is not what its job wrote, so the page is of the journal beside it; see the "
        f"differences with: {verify}"
    )


def _model(
    settings: Settings, sealed: SealedJournal, images: PageImages
) -> tuple[VersionDetails, dict[str, model_part.Plot]]:
    """The version of the table and its plots, as far as this machine has them. The card is always
    that of the journal."""
    card = sealed.card
    details = VersionDetails(card, {}, (), ())
    read: Callable[[str], bytes]
    try:
        catalog = load_catalog(settings)
        stored = find(catalog, ModelName(card.name, card.version, None))
        if card_sha256(stored.card) != card_sha256(card):
            return details, {}
        read = partial(catalog.read, card)
        return stored, model_part.plots(card, read, images)
    except HangtagError:  # a removed version, an unreachable broker
        return details, {}
