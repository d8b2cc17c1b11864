"""The page of a dataset check: what is probably wrong with a folder, with its pictures."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from producer.dataset_check.findings import Findings
from producer.journal.sealed_journal import SealedJournal
from producer.locations.row_files import RowFiles
from producer.pages import page as pages
from producer.pages import text
from producer.pages.pictures import PageImages, Picture
from producer.pages.shots import FileList, Group, Shot, shot_of
from producer.present.progress import Stages
from producer.sources.job_sources import JobSources
from shared.messages.model_card import Card
from shared.messages.replies import CheckedDataset, DataReport

#: Likely wrong labels, outliers, and groups of near-duplicates with pictures; pictures of a group.
SUSPECTS, OUTLIERS, GROUPS, OF_GROUP = 400, 100, 60, 6
#: Lines of lists without pictures.
LISTED = 1_000
#: Labels of one image.
TOP_LABELS = 3


class ClassLine(NamedTuple):
    text: str
    learn: int  #: images of it to learn from
    test: int
    share: float  #: of the largest class
    suspects: int


def write(
    findings: Findings,
    card: Card,
    answer: CheckedDataset,
    folder: str,
    progress: Stages,
    *,
    table: Path,
    page: Path,
) -> None:
    """Write the page; the table is there already, and its journal says where the files are.

    Raises:
        SetupError: the disk is full, or the folder read-only.
    """
    groups = findings.groups[:GROUPS]
    chosen = _unique(
        findings.suspects[:SUSPECTS],
        (i for group in groups for i in group[:OF_GROUP]),
        findings.outliers[:OUTLIERS],
    )
    with SealedJournal(table) as sealed:
        files = RowFiles(JobSources(sealed.options))
    with PageImages() as images:
        reads = {i: partial(_content, files, findings, i) for i in chosen}
        pictures = images.thumbnails(reads, progress)
        missing = images.missing
    shot = _shots(findings, card.labels, pictures)
    rendered = pages.render(
        "check.html",
        title=f"Check of {text.path(os.fsencode(folder))}",
        missing=missing,
        **_values(findings, answer, groups, shot),
    )
    pages.write(page, rendered)


def _unique(*some: Iterable[int]) -> list[int]:
    return list(dict.fromkeys(i for indices in some for i in indices))


def _content(files: RowFiles, findings: Findings, row: int) -> Any:
    batch = findings.batch
    return files.classified(batch.names[row], batch.stamps[row], batch.digests[row])


def _values(
    findings: Findings,
    answer: CheckedDataset,
    groups: Sequence[list[int]],
    shot: Callable[[int], Shot],
) -> dict[str, Any]:
    """The values of the template by name."""
    data, rows = answer.data, findings.rows
    return {
        "answer": answer,
        "files": len(rows.paths),
        "readable": len(findings.readable),
        "suspects": [shot(i) for i in findings.suspects[:SUSPECTS]],
        "suspects_count": len(findings.suspects),
        "expected_wrong": findings.expected_wrong,
        "others_count": len(findings.disagreeing) - len(findings.suspects),
        "groups": [_alike(findings, i, group, shot) for i, group in enumerate(groups, 1)],
        "groups_count": len(findings.groups),
        "crossing": sum(map(findings.crosses, findings.groups)),
        "copies": findings.copies,
        "near_duplicates": findings.near_duplicates,
        "outliers": [shot(i) for i in findings.outliers[:OUTLIERS]],
        "outliers_count": len(findings.outliers),
        "unreadable": list(_unreadable(findings)),
        "unreadable_count": len(rows.paths) - len(findings.readable),
        "classes": list(_classes(findings, data)),
        "tested": any(data.test),
        "notes": [text.bounded(note, text.PATH_CHARS) for note in data.notes],
    }


def _shots(
    findings: Findings, labels: Sequence[str], pictures: Mapping[int, Picture]
) -> Callable[[int], Shot]:
    """A function from a row to its image."""
    names, truths = [text.label(label) for label in labels], findings.rows.labels

    def shot(index: int) -> Shot:
        row = findings.batch.row(index, TOP_LABELS)
        image = shot_of(row, names, truths[index], pictures[index])
        return image._replace(path=_path(findings, index))

    return shot


def _path(findings: Findings, row: int) -> str:
    """Below the folder; of a corrected file from elsewhere all of it."""
    return text.path(findings.rows.paths[row].removeprefix(findings.rows.root + b"/"))


def _alike(
    findings: Findings, number: int, group: Sequence[int], shot: Callable[[int], Shot]
) -> Group:
    same = [findings.is_copy(i) for i in group]
    warnings = []
    if findings.crosses(group):
        warnings.append("In training and test data: an accuracy on the test data is too high.")
    if findings.mixes(group):
        warnings.append("In several classes: one of them is wrong.")
    kind = "copies" if all(same[1:]) else "near-duplicates"
    shots = [shot(i) for i in group[:OF_GROUP]]
    left_out = len(group) - len(shots)
    more = f"{left_out:,} more are not displayed" if left_out else ""
    return Group(f"group-{number}", f"{len(group):,} {kind}", more, shots, warnings=warnings)


def _unreadable(findings: Findings) -> Iterator[FileList]:
    for status, rows in findings.unreadable():
        files = [(0, _path(findings, i)) for i in rows[:LISTED]]
        yield FileList(str(status), status.sentence, len(rows), files)


def _classes(findings: Findings, data: DataReport) -> Iterator[ClassLine]:
    """The classes, the largest first."""
    most = max([*data.training, 1])
    order = sorted(range(len(data.labels)), key=lambda i: (-data.training[i], i))
    for i in order[:LISTED]:
        learn = data.training[i]
        yield ClassLine(
            text.label(data.labels[i]), learn, data.test[i], learn / most, findings.suspects_of[i]
        )
