"""`hangtag verify`: proves that a table is complete and unchanged, or reports the problems."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import msgspec

from producer.job.job_index import no_table
from producer.job.journal import journal_path
from producer.job.sealed_journal import SealedJournal
from producer.job.snapshot import has_journal
from producer.present.formatting import counted, typed
from producer.present.progress import Stages
from producer.sources import row_files
from producer.sources.row_files import RowFiles
from producer.table.check_files import GONE, PROBLEMS_MAX, file_problems
from producer.table.check_rows import table_problems
from producer.table.table_formats import no_room
from shared import regular_file
from shared.errors import Damaged, Exit, SetupError, UsageError
from shared.messages.model_card import card_sha256

#: The number of times that the rows are read: for the table, for the files, for the totals.
PASSES = 3


class Proof(msgspec.Struct, frozen=True):
    """The result of a check. `proven` if the table is complete, in order and unchanged."""

    output: str
    proven: bool
    problems: list[str]  #: one line each, at most PROBLEMS_MAX
    unproven: list[str]  #: what was not checked, and why
    job: str = ""
    model: str = ""
    rows: int = 0
    failed: int = 0
    skipped: dict[str, int] = {}  #: entries without a row, by reason, if all folders were walked


def verify(output: Path, deep: bool = False, progress: Stages | None = None) -> Proof:
    """Compare a table with its journal, and both with the folders; `deep` reads every file again.

    Raises:
        UsageError: there is no such table, it is a folder, or its job is running.
        SetupError: the table or its journal cannot be read, or a bucket not be asked.
    """
    output = output.absolute()
    if output.is_dir() or not (has_journal(output) or os.path.exists(output)):
        raise UsageError(no_table(output))
    try:
        if os.path.exists(output):
            regular_file.check(output)
        if not has_journal(output):
            return _without_journal(output)
        with SealedJournal(output) as sealed:
            if progress is not None:
                progress.stage("", sealed.count, PASSES)
                sealed.passed = progress.passed
            return _with_journal(output, sealed, deep)
    except Damaged as error:
        return Proof(str(output), False, [str(error)], [])
    except OSError as error:
        raise SetupError(f"{output}: {error.strerror}; check its permissions") from error


def _without_journal(output: Path) -> Proof:
    journal = journal_path(output)
    unproven = [f"{journal} does not exist: without it no difference can be detected"]
    return Proof(str(output), False, [], unproven)


def _with_journal(output: Path, sealed: SealedJournal, deep: bool) -> Proof:
    if not sealed.finished:
        return _proof(output, sealed, [_not_finished(output, sealed)], [])
    problems = [*_pinned(sealed)]
    if output.exists():
        problems += _first_problems(table_problems(output, sealed))
    elif sealed.exit_code is Exit.SETUP:
        problems.append(no_room(sealed.options.form, sealed.count, output))
    else:
        problems.append(f"{output}: was removed; run its classify command again to rewrite it")
    skipped: dict[str, int] = {}
    with row_files.of_table(output, sealed.options) as files:
        problems += _first_problems(file_problems(sealed, files, deep, skipped))
        unproven = [*_unproven(sealed, deep), *_not_found(files, problems)]
    return _proof(output, sealed, problems[:PROBLEMS_MAX], unproven, skipped)


def _not_found(files: RowFiles, problems: list[str]) -> Iterator[str]:
    """The line on files that another user, or this one on another machine, may have sorted."""
    if any(problem.endswith(GONE) for problem in problems) and not files.were_sorted:
        yield (
            "files that hangtag sort has moved: only the user who sorted them finds them, on that "
            "machine"
        )


def _not_finished(output: Path, sealed: SealedJournal) -> str:
    if sealed.stopped is Exit.BUDGET:
        return "its job was stopped by --max-failures; classify with a higher limit to finish it"
    return f"its job is not finished; finish it with: {typed(['hangtag', 'classify', str(output)])}"


def _proof(
    output: Path,
    sealed: SealedJournal,
    problems: list[str],
    unproven: list[str],
    skipped: dict[str, int] | None = None,
) -> Proof:
    rows = failed = 0
    if sealed.finished:
        for batch in sealed.row_batches():
            rows += len(batch)
            failed += batch.failed
    return Proof(
        output=str(output),
        proven=not problems,
        problems=problems,
        unproven=unproven,
        job=sealed.record.id,
        model=sealed.card.ref,
        rows=rows,
        failed=failed,
        skipped=skipped or {},
    )


def _pinned(sealed: SealedJournal) -> Iterator[str]:
    record, card = sealed.record, sealed.card
    pinned = (record.name, record.version, record.card_sha256)
    if pinned != (card.name, card.version, card_sha256(card)):
        yield f"{sealed.path}: its card differs from the one that the job is pinned to"


def _unproven(sealed: SealedJournal, deep: bool) -> list[str]:
    if not deep:
        return ["the files' content, beyond size and time; check it with --deep"]
    if any(not digest for batch in sealed.row_batches() for digest in batch.digests):
        return ["some files' content: the journal has no digests of them"]
    return []


def _first_problems(problems: Iterator[str]) -> list[str]:
    return list(islice(problems, PROBLEMS_MAX))


def verdict(proof: Proof) -> str:
    """The last line: what is proven, or that nothing is."""
    if proof.proven:
        return (
            f"{proof.output}: proven: {counted(proof.rows, 'row')} ({proof.failed:,} failed), one "
            f"for each file, in order, as job {proof.job} wrote them with {proof.model}"
        )
    if not proof.problems:
        return (
            f"{proof.output}: NOT proven: there is no journal beside it; a table that "
            "hangtag table -o wrote is checked through the table that it was made from"
        )
    count = f"{len(proof.problems):,}{'+' if len(proof.problems) == PROBLEMS_MAX else ''}"
    what = "problem" if len(proof.problems) == 1 else "problems"
    return f"{proof.output}: NOT proven: {count} {what}"
