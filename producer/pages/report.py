"""`hangtag report`: a table as one HTML file, from its journal, its files and its model's card."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from producer.job.acceptance import Acceptance, doubtless
from producer.job.find_job import find_output
from producer.job.folder_labels import FolderLabels
from producer.job.job_options import JobOptions
from producer.job.row_batch import Row, Rules
from producer.job.sealed_journal import SealedJournal
from producer.job.totals import Withdrawn
from producer.pages import page, text
from producer.pages.figures import histogram, matrix
from producer.pages.model_report import Plot, version_plots, version_values
from producer.pages.shots import FileList, Shot, galleries, shot_of
from producer.pages.survey import Choice, Survey
from producer.pages.thumbnails import PageImages
from producer.present.formatting import near, typed
from producer.present.progress import Stages, make_progress
from producer.sources import row_files
from producer.sources.lists import list_name
from producer.sources.row_files import RowFiles
from producer.table import promise
from producer.table.display_options import acceptance, stored_display
from producer.table.person_labels import labels_now
from producer.table.table_file import is_foreign
from producer.versions.catalog import Catalog
from shared.errors import HangtagError
from shared.image_status import BY_CODE, FLAGS
from shared.messages.helpers import Thumbnail
from shared.messages.model_card import card_sha256
from shared.messages.model_name import ModelName
from shared.registry.catalog import VersionDetails
from shared.settings import Settings

#: Rows of the table of labels; a model may have 65,536 labels.
MAX_LABELS = 1_000
#: The folders of a command that are named.
MAX_FOLDERS = 3
_MEANINGS = {
    "unlike_training": "The image is unlike nearly all training images.",
    "busy_background": "The garment could not be cut out from its background.",
}


class LabelLine(NamedTuple):
    """The figures of one label."""

    label: int
    text: str
    rows: int
    share: float  #: of the most frequent label's rows
    confidence: float | None  #: mean
    doubtful: float | None  #: share
    precision: float | None  #: where folders are labels
    recall: float | None
    shown: bool  #: whether it has a gallery


class Flagged(NamedTuple):
    flag: str
    meaning: str
    rows: int
    shots: list[Shot]


def table_values(
    sealed: SealedJournal,
    survey: Survey,
    choice: Choice,
    pictures: Mapping[Row, Thumbnail],
    table: Path,
) -> dict[str, Any]:
    """The values of the template by name."""
    doubtful, flagged = sum(survey.doubtful), sum(survey.flags[1:])
    counted = promise.LabelledRows(survey.labelled, doubtful, flagged)
    display = stored_display(sealed)
    precision = display.threshold.precision if display.threshold else None
    withdrawn = promise.withdrawn(survey.card, counted, sealed.options, precision)
    rule = doubtless(survey.card)
    names = [text.label(label) for label in survey.labels]
    folders = FolderLabels(survey.labels)
    shots = {
        row.number: shot_of(row, names, folders.label_of(row.name), picture)._replace(
            doubtful=row.number in choice.excluded or not _accepted(rule, row),
            person=_person(row, names, row.number in choice.excluded),
        )
        for row, picture in pictures.items()
    }
    of_labels = galleries(list(shots.values()), names, survey.counts, _note)
    shown = {shot.cell[1] for shot in shots.values()}
    used = [i for i in _confused(survey) if survey.counts[i] or survey.judged_by_folder[i]]
    return {
        "folders": _folders(sealed.options),
        "job": sealed.record.id,
        "started": f"{datetime.fromtimestamp(sealed.record.created, UTC):%Y-%m-%d %H:%M} UTC",
        "finished": sealed.finished,
        "survey": survey,
        "shown": acceptance(survey.card, display) is not None,
        "has_corrections": bool(display.corrections),
        "doubtful": doubtful,
        "flagged_rows": flagged,
        "failed_rows": sum(survey.statuses[1:]),
        "sampled": len(shots) < survey.labelled,
        "pictured": len(shots),
        "galleries": of_labels,
        "label_lines": list(_label_lines(survey, names, shown))[:MAX_LABELS],
        "labels_left_out": max(0, sum(1 for n in survey.counts if n) - MAX_LABELS),
        "histogram": histogram(survey.bins, survey.wrong_bins, _thresholds(survey, withdrawn)),
        "withdrawn": withdrawn,
        "next_commands": _next_commands(sealed, table, doubtful, withdrawn),
        "matrix": matrix(survey.labels, survey.pairs.rows, shots.values(), used)
        if survey.judged and survey.pairs.counted
        else None,
        "failures": list(_failures(survey, choice)),
        "flagged": list(_flagged(survey, choice, shots)),
    }


def _thresholds(survey: Survey, withdrawn: Withdrawn | None) -> list[tuple[float, str]]:
    """The lines in the histogram; none if nothing is promised."""
    points = () if withdrawn else survey.points
    return [(p.threshold, f"{p.precision:.0%}") for p in points if p.threshold is not None]


def _next_commands(
    sealed: SealedJournal, table: Path, doubtful: int, withdrawn: Withdrawn | None
) -> list[tuple[str, str]]:
    """What to do next: an aim and the command for it."""
    if not sealed.finished:
        return [("Finish the job", _command("classify", table))]
    commands = []
    if withdrawn:
        why = f"The model may not know such images; {withdrawn.advice}"
        commands.append((why, withdrawn.train))
    if doubtful:
        commands.append(("Confirm or correct the doubtful labels", _command("review", table)))
    if not withdrawn:
        sort = _command("sort", table, "--into", "sorted", "--copy")
        commands.append(("Copy the images into a folder for each label", sort))
    return commands


def _command(name: str, table: Path, *more: str) -> str:
    return typed(["hangtag", name, near(str(table)), *more])


def _folders(options: JobOptions) -> str:
    """What was classified, as typed."""
    if options.list_file:
        return text.bounded(list_name(options), text.PATH_CHARS)
    roots = options.roots
    more = f" and {len(roots) - MAX_FOLDERS} more" if len(roots) > MAX_FOLDERS else ""
    return ", ".join(map(text.path, roots[:MAX_FOLDERS])) + more


def _accepted(rule: Acceptance, row: Row) -> bool:
    return rule.accepts(row.label, row.confidence, bool(row.flag))


def _confused(survey: Survey) -> list[int]:
    """Labels, those that are confused most often first."""
    wrong = [
        mine + taken - 2 * right
        for mine, taken, right in zip(
            survey.judged_by_folder, survey.judged_by_label, survey.right_by_label, strict=True
        )
    ]
    return sorted(range(len(wrong)), key=lambda i: (-wrong[i], i))


def _person(row: Row, names: list[str], excluded: bool) -> str:
    """What a person said of a row, in words; empty: nothing."""
    if not row.person:
        return f"not {names[row.label]}" if excluded else ""
    given = text.label(row.person)
    return "confirmed" if given == names[row.labels[0]] else f"corrected: {given}"


def _frequent(survey: Survey) -> list[int]:
    """Labels, the most frequent first."""
    return sorted(range(len(survey.labels)), key=lambda i: (-survey.counts[i], i))


def _note(shown: int, rows: int) -> str:
    if shown == rows:
        return "all of them, the least confident first"
    return (
        f"{shown:,} of them: the least confident, flagged and confused ones, and some drawn by "
        "chance; the least confident first"
    )


def _label_lines(survey: Survey, names: list[str], shown: set[int]) -> Iterator[LabelLine]:
    most = max([*survey.counts, 1])
    for i in _frequent(survey):
        count = survey.counts[i]
        judged, right = survey.judged_by_folder[i], survey.right_by_label[i]
        if not count and not judged:
            continue
        yield LabelLine(
            label=i,
            text=names[i],
            rows=count,
            share=count / most,
            confidence=survey.confidence_sums[i] / count if count else None,
            doubtful=survey.doubtful[i] / count if count else None,
            precision=right / survey.judged_by_label[i] if survey.judged_by_label[i] else None,
            recall=right / judged if judged else None,
            shown=i in shown,
        )


def _failures(survey: Survey, choice: Choice) -> Iterator[FileList]:
    for status in BY_CODE[1:]:
        if count := survey.statuses[status.code]:
            rows = [(row.number, text.path(row.name)) for row in choice.failed[status.code]]
            yield FileList(str(status), status.sentence, count, rows)


def _flagged(survey: Survey, choice: Choice, shots: Mapping[int, Shot]) -> Iterator[Flagged]:
    for flag in FLAGS[1:]:
        if count := survey.flags[flag.code]:
            chosen = sorted(row.number for row in choice.flagged[flag.code].items)
            meaning = _MEANINGS.get(str(flag), "")
            yield Flagged(str(flag), meaning, count, [shots[number] for number in chosen])


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
        **table_values(sealed, survey, choice, pictures, table),
        **version_values(details, plots),
    )
    size = page.write(output, made)
    foreign = sealed.finished and is_foreign(sealed, table)
    notices = [missing, _foreign(table) if foreign else ""]
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
) -> tuple[VersionDetails, dict[str, Plot]]:
    """The version of the table and its plots, as far as this machine has them. The card is always
    that of the journal."""
    card = sealed.card
    details = VersionDetails(card, {}, (), ())
    read: Callable[[str], bytes]
    try:
        catalog = Catalog(settings)
        stored = catalog.version(ModelName(card.name, card.version, None))
        if card_sha256(stored.card) != card_sha256(card):
            return details, {}
        read = partial(catalog.read, card)
        return stored, version_plots(card, read, images)
    except HangtagError:  # a removed version, an unreachable broker
        return details, {}
