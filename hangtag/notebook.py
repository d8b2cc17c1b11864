"""A result in a notebook: counts, failures, and some pictures of each label."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from functools import partial
from itertools import chain, islice, zip_longest
from pathlib import Path
from typing import Any

from producer.job.columns import displayed_label
from producer.job.row_batch import Row
from producer.job.sealed_journal import SealedJournal
from producer.job.snapshot import JobView
from producer.job.totals import AnswerCounts
from producer.pages import page, text
from producer.pages.thumbnails import PageImages
from producer.present.formatting import counted, near, percent
from producer.present.progress import Quiet, Stages
from producer.present.style import LABELS_SHOWN
from producer.sources import row_files
from producer.table.display_options import table_of
from shared.messages.helpers import Thumbnail

#: Pictures, and those of one label.
PICTURES, OF_LABEL = 12, 2
#: The first rows, from which pictures are chosen: a result of any size is displayed at once.
CONSIDERED = 10_000


def result_html(view: JobView, answers: AnswerCounts, sealed: SealedJournal) -> str:
    """HTML of a result. Its pictures are read from their files now."""
    bars = [(label, n) for label, n in answers.labels.items() if n]
    shown, others = bars[:LABELS_SHOWN], bars[LABELS_SHOWN:]
    pictures, missing = _pictures(sealed, Path(view.output))
    return page.part(
        "notebook.html",
        "notebook.css",
        rows=counted(view.done, "image"),
        failed=f"{view.failed:,} failed" if view.failed else "",
        facts=list(_facts(view, answers)),
        model=view.model,
        output=near(view.output),
        bars=[_bar(label, n, shown[0][1]) for label, n in shown],
        rest=_rest(others),
        failures=[
            {"status": status, "images": counted(some.count, "image"), "first": some.first}
            for status, some in answers.failures.items()
        ],
        pictures=pictures,
        missing=missing,
    )


def _facts(view: JobView, answers: AnswerCounts) -> Iterator[str]:
    if view.exit_code is None:
        yield f"so far, of {view.images:,}"
    for flag, images in view.flagged.items():
        yield f"{images:,} {flag}"
    if answers.accepted is not None:
        yield f"{answers.accepted.images:,} accepted"
    if answers.in_label_folders:
        right = answers.as_folder / answers.in_label_folders
        yield f"{percent(right)} as their folders say"


def _bar(label: str, images: int, most: int) -> Mapping[str, Any]:
    return {
        "label": text.label(label),
        "images": f"{images:,}",
        "percent": 100 * images / most,
    }


def _rest(others: list[tuple[str, int]]) -> str:
    if not others:
        return ""
    images = sum(n for _, n in others)
    return f"and {counted(images, 'image')} of {len(others):,} other labels"


def _pictures(sealed: SealedJournal, table: Path) -> tuple[list[Mapping[str, Any]], str]:
    """Some rows with their pictures; and what is missing to make them."""
    chosen = _chosen(sealed)
    if not chosen:
        return [], ""
    with row_files.of_table(table, sealed.options) as files, PageImages() as images:
        reads = {row: partial(files.classified, row.name, row.stamp, row.digest) for row in chosen}
        made = images.thumbnails(reads, Stages(Quiet()))
        missing = images.missing
    return [_picture(row, label, made[row]) for row, label in chosen.items()], missing


def _picture(row: Row, label: str, picture: Thumbnail) -> Mapping[str, Any]:
    return {
        "name": text.path(row.name),
        "source": picture.source,
        "why": picture.why,
        "label": text.label(label),
        "detail": row.flag or percent(row.confidence),
    }


def _chosen(sealed: SealedJournal) -> dict[Row, str]:
    """Some of the first rows, with the labels that they are displayed with: one of each label, then
    another one, until there are enough."""
    table = table_of(sealed)
    label = displayed_label(table.card.labels, table.rules)
    of_label = defaultdict[str, list[Row]](list)
    for batch in sealed.row_batches(table.rules):
        codes = label.codes(batch)
        for i in range(len(batch)):
            some = of_label[label.words[codes[i]]]
            if len(some) < OF_LABEL and not batch.statuses[i]:
                some.append(batch.row(i, 1))
        if batch.end.rows >= CONSIDERED:
            break
    turns = chain.from_iterable(zip_longest(*of_label.values()))
    chosen = {row.number for row in islice(filter(None, turns), PICTURES)}
    return {row: word for word, some in of_label.items() for row in some if row.number in chosen}
