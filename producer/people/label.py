"""`hangtag label`: serves the page of one folder until Ctrl-C."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from producer.pages.thumbnails import Thumbnails
from producer.people import accepted_rows, existing_labels, serving
from producer.people.folder_decisions import FolderDecisions
from producer.people.folder_images import Computed, FolderImages
from producer.people.folder_names import FolderNames
from producer.people.folder_queue import FolderQueue
from producer.people.learner import Learner
from producer.present.formatting import counted, one_line
from shared.labels.labels_file import LabelsFile
from shared.messages.labelling import Counts
from shared.messages.replies import DescribedFolder, decode_features

#: Unreadable files that are named.
NAMED = 5


class Ended(NamedTuple):
    """What was reached."""

    counts: Counts
    by_folders: int  #: of the named images, those whose label no person has seen
    labels: Counter[str]  #: with the number of different images of each


def serve(
    folder: str,
    file: Path,
    compute: Callable[[], Computed],
    *,
    tables: Sequence[Path] = (),
    accept: float | None = None,
    folders: bool | None = None,
    port: int = 0,
    open_browser: bool = False,
    on_ready: serving.Ready,
) -> Ended:
    """Have the features of a folder computed, then serve its page. `port` 0: a free one.
    Nothing is computed while another process has the labels file. The corrections of `tables` are
    labels, and with `folders` the names of class folders beside loose images; None: the page asks.
    The head begins with the rows of the tables that are accepted at the precision `accept`.

    Raises:
        UsageError: another process has the labels file, the port is taken, a table has no
            corrections, or its version no threshold for `accept`; or as `compute`.
        SetupError: a package is missing, or the labels file is damaged; or as `compute`.
    """
    serving.check_installed("the page for labels")
    with closing(LabelsFile(file)) as labels:  # before the long work
        of_tables = existing_labels.of_tables(tables, some=accept is None)
        accepted = accepted_rows.read(tables, accept) if accept is not None else []
        answer, data = compute()
        features = decode_features(data)
        images = FolderImages(features, folder)
        notes = serving.unproven(file, labels.unnumbered)
        notes += existing_labels.take(images, labels, serving.user(), of_tables, folders)
        decisions = FolderDecisions(images, labels, serving.user())
        names = FolderNames(images, decisions, serving.user(), folders is None)
        with Thumbnails() as thumbnails, closing(Learner(data)) as learner:
            queue = FolderQueue(
                os.path.basename(os.path.abspath(folder)), str(file), answer.unreadable, images,
                decisions, learner, thumbnails, names,
            )  # fmt: skip
            notes += names.notes()
            for rows in accepted:
                suggested = rows.of(images)
                queue.suggest(suggested)
                notes.append(accepted_rows.summary_line(len(suggested), rows))
            notes += unread(answer, [os.fsdecode(path) for path in features.unreadable])
            serving.serve(
                queue, port, lambda link: on_ready(link, len(images), notes), open_browser
            )
            counts = queue.counts(settled=True)
            return Ended(counts, decisions.by_folders(), labels.so_far.labels())


def unread(answer: DescribedFolder, names: Sequence[str]) -> list[str]:
    """What to say of files that are not shown."""
    lines = [f"cannot be read: {one_line(name)}" for name in [*names[:NAMED], *answer.closed]]
    if answer.other_kinds:
        kinds = "of other kinds, such as raw files; convert them first"
        lines.insert(0, f"skipped: {counted(answer.other_kinds, 'image')} {kinds}")
    if len(names) > NAMED:
        lines.append(f"... and {len(names) - NAMED:,} more")
    return lines
