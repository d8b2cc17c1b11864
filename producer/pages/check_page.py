"""What a dataset check found, from the rows of its answer, and its page with pictures."""

from __future__ import annotations

import functools
import os
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from producer.job.row_batch import RowBatch
from producer.job.sealed_journal import SealedJournal
from producer.pages import page as pages
from producer.pages import text
from producer.pages.shots import FileList, Group, Shot, shot_of
from producer.pages.thumbnails import PageImages
from producer.present.progress import Stages
from producer.sources.job_sources import JobSources
from producer.sources.row_files import RowFiles
from shared.image_status import BY_CODE, Status
from shared.messages.batch import BatchResult
from shared.messages.files import STAMP
from shared.messages.helpers import Thumbnail
from shared.messages.model_card import Card
from shared.messages.replies import CheckedDataset, CheckedRows, DataReport

#: How probable it must be that a label is wrong, for its image to be listed.
LISTED = 0.5
#: Likely wrong labels, outliers, and groups of near-duplicates with pictures; pictures of a group.
SUSPECTS, OUTLIERS, GROUPS, OF_GROUP = 400, 100, 60, 6
#: Lines of lists without pictures.
LISTED_LINES = 1_000
#: Labels of one image.
TOP_LABELS = 3


class Findings:
    """Rows are named by their index, in path order."""

    def __init__(self, rows: CheckedRows) -> None:
        self.rows, self.batch = rows, _batch(rows)
        self.guesses, self.confidences = self.batch.labels, self.batch.confidences

    @functools.cached_property
    def readable(self) -> list[int]:
        """Rows with an answer."""
        return [i for i, code in enumerate(self.rows.statuses) if code == Status.OK.code]

    @functools.cached_property
    def suspects(self) -> list[int]:
        """Rows whose label, by their folder or a correction, is more probably wrong than right; the
        most certain first."""
        rows = self.rows
        suspects = [i for i in self.disagreeing if rows.wrong[i] >= LISTED]
        return sorted(suspects, key=lambda i: (-rows.wrong[i], rows.paths[i]))

    @functools.cached_property
    def disagreeing(self) -> list[int]:
        """Rows that are more like another class, whether their label or the answer is wrong."""
        return [i for i in self.readable if self.guesses[i] != self.rows.labels[i]]

    @property
    def expected_wrong(self) -> float:
        """The share of the suspects whose label should be wrong; 0 without suspects."""
        values = [self.rows.wrong[i] for i in self.suspects]
        return sum(values) / max(len(values), 1)

    @functools.cached_property
    def outliers(self) -> list[int]:
        """Rows unlike all others, the least confident first."""
        flagged = [i for i in self.readable if self.rows.flags[i]]
        return sorted(flagged, key=lambda i: (self.confidences[i], i))

    @functools.cached_property
    def groups(self) -> list[list[int]]:
        """Groups of copies and near-duplicates: those in training and test data first, then
        those with several labels."""
        members = defaultdict[int, list[int]](list)
        for i, first in enumerate(self.rows.like):
            if first >= 0:
                members[self._root(first)].append(i)
        groups = [[first, *others] for first, others in members.items()]
        return sorted(groups, key=lambda g: (not self.crosses(g), not self.mixes(g), g[0]))

    def _root(self, row: int) -> int:
        first = self.rows.like[row]
        return row if first < 0 else self._root(first)

    def crosses(self, group: Sequence[int]) -> bool:
        """Whether an accuracy on the test data profits from what was learned by heart."""
        return len({self.rows.in_test[i] for i in group}) > 1

    def mixes(self, group: Sequence[int]) -> bool:
        """Whether one of its labels must be wrong."""
        return len({self.rows.labels[i] for i in group}) > 1

    def is_copy(self, row: int) -> bool:
        """Whether a row has the bytes of the row that it is like."""
        first = self.rows.like[row]
        return first >= 0 and self.batch.contents[row] == self.batch.contents[first]

    @functools.cached_property
    def copies(self) -> int:
        """Files with the bytes of an earlier one."""
        return sum(map(self.is_copy, range(len(self.rows.paths))))

    @functools.cached_property
    def near_duplicates(self) -> int:
        """Files that are nearly the same as an earlier one."""
        return sum(first >= 0 for first in self.rows.like) - self.copies

    @functools.cached_property
    def suspects_of(self) -> Counter[int]:
        """The number of suspects by the label of their folder."""
        return Counter(self.rows.labels[i] for i in self.suspects)

    def unreadable(self) -> list[tuple[Status, list[int]]]:
        """The rows of each status but `ok`."""
        rows_of = defaultdict[int, list[int]](list)
        for i, code in enumerate(self.rows.statuses):
            if code != Status.OK.code:
                rows_of[code].append(i)
        return [(BY_CODE[code], rows_of[code]) for code in sorted(rows_of)]


def _batch(rows: CheckedRows) -> RowBatch:
    """The answers out of fold, as the table of the check has them."""
    result = BatchResult(rows.k, rows.statuses, rows.indices, rows.probabilities, rows.flags)
    stamps = b"".join(STAMP.pack(*stamp) for stamp in rows.stamps)
    return RowBatch(b"\0".join(rows.paths), result, stamps=stamps, digests=rows.digests)


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
    findings: Findings, labels: Sequence[str], pictures: Mapping[int, Thumbnail]
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
        files = [(0, _path(findings, i)) for i in rows[:LISTED_LINES]]
        yield FileList(str(status), status.sentence, len(rows), files)


def _classes(findings: Findings, data: DataReport) -> Iterator[ClassLine]:
    """The classes, the largest first."""
    most = max([*data.training, 1])
    order = sorted(range(len(data.labels)), key=lambda i: (-data.training[i], i))
    for i in order[:LISTED_LINES]:
        learn = data.training[i]
        yield ClassLine(
            text.label(data.labels[i]), learn, data.test[i], learn / most, findings.suspects_of[i]
        )
