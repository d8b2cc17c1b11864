"""`python -m benchmarks.rendering`: processor time of the rows of a table, beside that of 69e60f4f.

Results of the packaged version's size, with as many labels for an image as a job keeps, are
rendered from the bytes of a journal to those of a file, in one process and in turns; the median of
the ratios leaves out what else the machine does. Memory is the greatest of a process that renders
one form of batches that it makes one after the other.
"""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
import textwrap
import time
from array import array
from collections.abc import Callable, Iterator, Sequence
from datetime import date
from functools import partial
from statistics import median

from benchmarks.environment import machine
from benchmarks.environment.paths import ROOT
from benchmarks.measure.peak_memory import peak_bytes
from benchmarks.report.page_blocks import written
from benchmarks.report.tables import markdown
from producer.formats.table_file import render
from producer.formats.table_formats import CSV, FORMATS
from producer.inputs.job_options import KEPT_LABELS
from producer.journal.batch_reader import BatchReader
from producer.journal.records import Record
from producer.journal.sqlite_errors import blob
from producer.rows.columns import Table, table_columns
from producer.rows.row_batch import AS_CLASSIFIED, START, Position, RowBatch, Rules
from shared.messages.batch import BatchResult, decode_result, encode_result
from shared.messages.job_record import JobRecord
from shared.registry import packaged
from tests.support.jobs.frozen_table import FrozenTable

PAGE, WIDTH = ROOT / "benchmarks" / "RESULTS.md", 108
ROWS, BATCH_ROWS, REPEATS = 1_000_000, 1_024, 5
#: Of a form that is rendered once.
SLOW_S = 10.0
JOB = JobRecord("benchmrk", "fashion-mnist", 0, "0" * 64, "litert", KEPT_LABELS, "out", "host", 0.0)


class Journal(BatchReader):
    """Finished batches, in memory if they are read several times."""

    def __init__(self, rows: int, kept: bool = True) -> None:
        self._rows = rows
        self._batches = list(self._made()) if kept else None

    def records(self) -> Iterator[Record]:
        yield from self._made() if self._batches is None else self._batches

    def row_batches(
        self, rules: Rules = AS_CLASSIFIED, after: Position = START
    ) -> Iterator[RowBatch]:
        for record in self.records():
            batch = record.rows(after.rows + 1, rules)
            yield batch
            after = batch.end

    def _made(self) -> Iterator[Record]:
        chance, labels = random.Random(1), len(packaged.card().labels)
        for n in range(-(-self._rows // BATCH_ROWS)):
            yield _batch(chance, n, labels)


def _batch(chance: random.Random, n: int, labels: int) -> Record:
    """Most rows are confident, as on images like those that the model has learned from."""
    numbers = range(n * BATCH_ROWS, (n + 1) * BATCH_ROWS)
    names = b"\0".join(b"photos/%03d/img_%07d.png" % (n, i) for i in numbers)
    found, confidences = array("H"), array("f")
    for _ in numbers:
        best = min(1.0, max(0.4, chance.betavariate(8, 0.4)))
        found.extend(chance.sample(range(labels), KEPT_LABELS))
        confidences.extend((best, 0.7 * (1 - best), 0.2 * (1 - best)))
    result = BatchResult(KEPT_LABELS, bytes(BATCH_ROWS), found.tobytes(), confidences.tobytes())
    return Record(n, 0, BATCH_ROWS, names, b"", b"", None, result=encode_result(result))


class Bytes:
    """Counts what is written, and collects it if that is compared."""

    def __init__(self, kept: bool = False) -> None:
        self.pieces: list[bytes] | None = [] if kept else None
        self.size = 0

    def write(self, data: bytes, /) -> int:
        self.size += len(data)
        if self.pieces is not None:
            self.pieces.append(data)
        return len(data)

    def flush(self) -> None:
        """Nothing is stored."""


def frozen(journal: Journal, to: Bytes) -> None:
    """The rows as 69e60f4f rendered them."""
    table = FrozenTable(packaged.card())
    to.write(table.header.encode())
    for record in journal.records():
        names = record.names.split(b"\0")
        result = decode_result(blob(record.result), len(names))
        to.write("".join(table.rows(names, result)).encode())


def rendered(journal: Journal, form: str, to: Bytes) -> None:
    """The same of the product."""
    card = packaged.card()
    table = Table(table_columns(card, AS_CLASSIFIED), AS_CLASSIFIED, JOB, card)
    render(journal, table, form, to)


def seconds(work: Callable[[Bytes], None]) -> float:
    """Of the processor."""
    start = time.process_time()
    work(Bytes())
    return time.process_time() - start


def measured(journal: Journal, form: str) -> tuple[float, float]:
    """The seconds of a form, and their ratio to those of the frozen CSV: medians. A slow form is
    rendered once."""
    runs: list[tuple[float, float]] = []
    while len(runs) < REPEATS and not (runs and runs[0][0] > SLOW_S):
        new = seconds(partial(rendered, journal, form))
        runs.append((new, seconds(partial(frozen, journal))))
    return median(new for new, _ in runs), median(new / old for new, old in runs)


def used(rows: int, form: str) -> tuple[int, int]:
    """The memory of a process that renders a form, and the size of the file, in bytes."""
    command = [sys.executable, "-m", "benchmarks.rendering", "--rows", str(rows), "--form", form]
    found = subprocess.run(command, check=True, capture_output=True, text=True)
    memory, size = map(int, found.stdout.split())
    return memory, size


def alone(rows: int, form: str) -> None:
    """Print what `used` returns, of this process."""
    to = Bytes()
    rendered(Journal(rows, kept=False), form, to)
    print(peak_bytes(), to.size)


def compared(rows: int) -> str:
    """A table with a row for each form."""
    journal = Journal(rows)
    new, old = Bytes(kept=True), Bytes(kept=True)
    rendered(journal, CSV, new)
    frozen(journal, old)
    if new.pieces != old.pieces:
        raise SystemExit("the rows differ from those of 69e60f4f")
    cells = []
    for form in FORMATS:
        (s, ratio), (memory, size) = measured(journal, form), used(rows, form)
        mb = (f"{count / 1e6:,.0f}" for count in (memory, size))
        cells.append((form, f"{s:.2f}", f"{ratio:.2f}", *mb))
    return markdown(("form", "s", "of 69e60f4f's CSV", "memory, MB", "size, MB"), cells)


def origin(rows: int) -> str:
    """What is measured, and on what."""
    text = (
        f"{date.today()}, commit {revision()}, {machine.place()}, load {os.getloadavg()[1]:.0f}: "
        f"{rows:,} rows, {KEPT_LABELS} labels of each image, processor seconds."
    )
    return textwrap.fill(text, WIDTH)


def revision() -> str:
    """The start of the commit."""
    command = ["git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--form", choices=FORMATS, help="print its memory and size alone")
    parser.add_argument("--write", action="store_true", help="write the table to RESULTS.md, too")
    given = parser.parse_args(arguments)
    if given.form:
        alone(given.rows, given.form)
        return
    before, table = origin(given.rows), compared(given.rows)
    print(table)
    if given.write:
        blocks = {"forms": f"{before}\n\n{table}"}
        PAGE.write_text(written(PAGE.read_text("utf-8"), "rows", blocks), "utf-8")


if __name__ == "__main__":
    main()
