"""`hangtag dataset check`: class folders searched by the trainer for wrong labels, near-duplicates,
unusual and unreadable images.

The table of a check is that of a finished job whose answers were given out of fold. So it is
reported, reviewed and rendered like every table, and its corrections are used like all.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

import msgspec

from producer.job.job_options import JobOptions
from producer.job.job_properties import Pinned
from producer.job.records import FrozenBatch, StoredResult
from producer.job.sealed_journal import SealedJournal
from producer.job.snapshot import JobState, has_journal, read_snapshot
from producer.pages import check_page
from producer.pages import page as pages
from producer.pages.check_page import Findings
from producer.present.events import Events
from producer.present.formatting import counted, percent, typed
from producer.present.progress import Stages, make_progress
from producer.run.job import Job
from producer.table.output_path import check_folder, checked_output
from producer.table.table_file import check_part, is_foreign
from producer.trainer.check_class_folders import check_class_folders
from producer.trainer.client import make_request
from producer.trainer.corrected_files import corrections_input
from producer.trainer.existing import own_open_request
from producer.trainer.submit import answer_file, data_place, submit
from producer.trainer.train import troubles
from shared.errors import Exit, UsageError
from shared.labels.submitted_lines import input_sha256
from shared.messages import replies
from shared.messages.batch import BatchResult, JobRecord, encode_result, new_id
from shared.messages.files import DIGEST_BYTES, printable
from shared.messages.model_card import Card, card_sha256, decode_card
from shared.messages.replies import CheckedDataset, CheckedRows, DataReport, decode_rows
from shared.messages.requests import CheckDataset
from shared.settings import Settings
from shared.stop import Stop, Waits

BATCH_ROWS = 2048
#: The property of a journal that a check has written, so that the next one may replace it.
CHECK = "check"
NAMED = 1000  #: in the answer
SHOWN = 10  #: on the terminal


def check_output(output: Path, force: bool) -> None:
    """Check that the table and its journal may be written.

    Raises:
        UsageError: there is no folder for it, a job is running there, or a file or job is there
            that no check has written (unless `force`).
        SetupError: what is there cannot be read.
    """
    check_folder(output)
    if not has_journal(output):
        check_part(output)
    view = read_snapshot(output)
    if view is not None and view.state is JobState.RUNNING:
        raise UsageError(f"the job of {output} is running; choose another -o")
    if force or (view is None and not os.path.lexists(output)):
        return
    if view is None or view.state is JobState.UNREADABLE or not _is_own(output):
        raise UsageError(
            f"a file or a job that no check has written is at {output}, and is not replaced; "
            "choose another -o, or replace it with --force"
        )


def _is_own(output: Path) -> bool:
    """Whether the job of this output, and the file that is there, are those of a check."""
    with SealedJournal(output, or_running=True, check=False) as journal:
        return journal.get(CHECK) is not None and not is_foreign(journal, output)


def write_table(
    rows: CheckedRows,
    card: Card,
    typed: bytes,
    output: str,
    progress: Stages,
    *,
    force: bool = False,
) -> None:
    """Write the table and its journal; `typed` is the folder as typed. An earlier table of this
    output is replaced, and its corrections stay beside it.

    Raises:
        UsageError: as `check_output`.
        SetupError: the journal or the table cannot be written.
    """
    check_output(Path(output), force)
    cwd = os.fsencode(os.getcwd())
    # The model differs from that of every job, so that none takes this journal for its own.
    options = JobOptions((typed,), cwd, output, model=card.ref, top_k=rows.k, restart=True)
    record = JobRecord(
        id=new_id(),
        name=card.name,
        version=card.version,
        card_sha256=card_sha256(card),
        runtime=options.runtime,
        top_k=rows.k,
        output=Path(output).name.encode(errors="backslashreplace").decode(),
        host=socket.gethostname(),
        created=time.time(),
    )
    with closing(Job(options)) as job:
        job.start(Pinned(record, card, options), **{CHECK: b"1"})
        for n, start in enumerate(range(0, len(rows.paths), BATCH_ROWS)):
            frozen, result = _batch(n, slice(start, start + BATCH_ROWS), rows, typed)
            job.journal.commit([frozen], [StoredResult.of(n, encode_result(result), result)])
        progress.stage("writing the table", len(rows.paths))
        sha256 = job.table.write_table(passed=progress.passed)
        job.finish(Exit.SOME_FAILED if job.journal.totals.failed else Exit.OK, sha256)


def _batch(n: int, some: slice, rows: CheckedRows, typed: bytes) -> tuple[FrozenBatch, BatchResult]:
    names = [_name(path, rows.root, typed) for path in rows.paths[some]]
    frozen = FrozenBatch(n, 0, names, rows.stamps[some], _part(rows.digests, some, DIGEST_BYTES))
    flags = rows.flags[some]
    result = BatchResult(
        rows.k,
        rows.statuses[some],
        _part(rows.indices, some, 2 * rows.k),
        _part(rows.probabilities, some, 4 * rows.k),
        flags if any(flags) else b"",
    )
    return frozen, result


def _part(column: bytes, some: slice, width: int) -> bytes:
    return column[some.start * width : some.stop * width]


def _name(path: bytes, root: bytes, typed: bytes) -> bytes:
    """A path below the folder as typed; a corrected file from elsewhere keeps its own."""
    if not path.startswith(root + b"/"):
        return path
    return typed.rstrip(b"/") + path[len(root) :]


class Suspect(msgspec.Struct, frozen=True):
    """An image whose label is probably wrong."""

    path: str
    label: str  #: of the folder, or of a correction
    guess: str  #: out of fold
    confidence: float  #: of the guess
    given: float  #: probability of the label
    wrong: float  #: probability that the label is wrong


class DatasetCheck(msgspec.Struct, frozen=True):
    """What was found. `table` has every image, its guess and its flag."""

    table: str
    data: DataReport
    accuracy: float  #: share of the images whose guess is their label
    error: float  #: standard error of it
    suspects: int
    expected_wrong: float  #: share of the suspects whose label should be wrong
    disagreeing: int  #: images whose guess is not their label, the suspects among them
    #: The first thousand: those whose label is most certainly wrong first.
    first_suspects: tuple[Suspect, ...]
    unlike_others: int
    copies: int  #: files with the bytes of an earlier one
    near_duplicates: int
    crossing: int  #: groups of copies and near-duplicates in training and test data
    page: str = ""


def default_output(folder: str) -> Path:
    """The table of a folder, in the current folder."""
    return Path(f"{os.path.basename(os.path.abspath(folder))}-check.csv")


def check(
    settings: Settings,
    folder: str,
    output: Path,
    *,
    page: Path | None = None,
    force: bool = False,
    corrections: Sequence[Path] = (),
    max_unreadable: float = 0.5,
    backbone: str = "",
    quiet: bool = False,
    events: Events | None = None,
    stop: Stop | None = None,
) -> DatasetCheck:
    """Have the folder checked, and write the table, and the page if one is named. An empty
    `backbone` is one that ships. What takes long while they are written is displayed, unless
    `quiet`.

    Raises:
        UsageError: the folder does not exist, an output is no file that can be written, or another
            file or job is there (unless `force`).
        SetupError, Stopped: the folder has no classes, an output cannot be written; or as `submit`.
    """
    table = checked_output(str(output))
    check_output(Path(table), force)  # before the long work
    if page is not None:
        pages.check(page, pages.Kind.CHECK, force)
    input = corrections_input(corrections)
    place = data_place(folder, settings)
    check_class_folders(place, "train", settings, corrections=input, events=events, stop=stop)
    work = CheckDataset(place, max_unreadable, input_sha256(input), backbone)
    request = make_request(work, own_open_request(settings, work))
    outcome = submit(settings, request, input=input, events=events, stop=stop)
    answer = outcome.decode(CheckedDataset)
    rows = decode_rows(answer_file(settings, request.id, replies.ROWS_FILE, stop))
    card, findings = decode_card(rows.card), Findings(rows)
    with (
        closing(Waits(stop or Stop())) as waits,
        closing(Stages(make_progress(quiet), waits.check)) as progress,
    ):
        write_table(rows, card, os.fsencode(folder), table, progress, force=force)
        if page is not None:
            check_page.write(findings, card, answer, folder, progress, table=output, page=page)
    return _outcome(answer, findings, card.labels, output, page)


def _outcome(
    answer: CheckedDataset,
    findings: Findings,
    labels: Sequence[str],
    output: Path,
    page: Path | None,
) -> DatasetCheck:
    return DatasetCheck(
        table=str(output),
        data=answer.data,
        accuracy=answer.accuracy,
        error=answer.error,
        suspects=len(findings.suspects),
        expected_wrong=findings.expected_wrong,
        disagreeing=len(findings.disagreeing),
        first_suspects=tuple(_suspect(findings, i, labels) for i in findings.suspects[:NAMED]),
        unlike_others=len(findings.outliers),
        copies=findings.copies,
        near_duplicates=findings.near_duplicates,
        crossing=sum(map(findings.crosses, findings.groups)),
        page="" if page is None else str(page),
    )


def _suspect(findings: Findings, row: int, labels: Sequence[str]) -> Suspect:
    rows = findings.rows
    return Suspect(
        printable(rows.paths[row].removeprefix(rows.root + b"/")),
        labels[rows.labels[row]],
        labels[findings.guesses[row]],
        findings.confidences[row],
        rows.given[row],
        rows.wrong[row],
    )


def lines(checked: DatasetCheck, folder: str, corrections: Sequence[Path] = ()) -> Iterator[str]:
    """The answer as lines of text, with the next commands; `corrections` were used already."""
    data, error = checked.data, f"± {percent(checked.error)}"
    total = sum(data.training) + sum(data.test)
    yield (
        f"{counted(total, 'image')} in {len(data.labels)} classes; each answered by a model "
        f"that did not learn from it: {percent(checked.accuracy)} ({error}) as their folders"
    )
    yield from _suspects(checked)
    if checked.copies or checked.near_duplicates:
        yield _copies(checked)
    if checked.unlike_others:
        yield f"{counted(checked.unlike_others, 'image')} unlike the others (flagged in the table)"
    yield from troubles(checked.data)
    table = checked.table
    if checked.page:
        yield f"look:    {checked.page}"
    else:
        page = str(Path(table).with_suffix(".html"))
        yield f"look:    {typed(['hangtag', 'dataset', 'check', folder, '-o', page])}"
    yield f"correct: {typed(['hangtag', 'review', table, '--rows', 'disagreeing'])}"
    used = [word for each in (*corrections, table) for word in ("--corrections", str(each))]
    yield f"train:   {typed(['hangtag', 'train', folder, *used])}"


def _suspects(checked: DatasetCheck) -> Iterator[str]:
    """The labels that are probably wrong, and the number of the other disagreements."""
    others = checked.disagreeing - checked.suspects
    if checked.suspects:
        labels, share = counted(checked.suspects, "label"), percent(checked.expected_wrong, 0)
        yield f"{labels} probably wrong, {share} of them in truth, the most certain first:"
    else:
        yield "no label is probably wrong"
    for suspect in checked.first_suspects[:SHOWN]:
        guess = f"more like {suspect.guess} (wrong: {percent(suspect.wrong, 0)})"
        yield f"  {suspect.path}: {suspect.label}? {guess}"
    if checked.suspects > SHOWN:
        yield f"  ... and {checked.suspects - SHOWN:,} more on the page"
    if others:
        yield f"{counted(others, 'other image')} taken for another class, probably since hard"


def _copies(checked: DatasetCheck) -> str:
    """The numbers of copies and near-duplicates, in words."""
    texts = []
    if checked.copies:
        texts.append(counted(checked.copies, "copy", "copies"))
    if checked.near_duplicates:
        texts.append(counted(checked.near_duplicates, "near-duplicate"))
    crossing = f", {checked.crossing:,} in training and test data" if checked.crossing else ""
    return " and ".join(texts) + crossing
