"""`python -m benchmarks.rendering`: processor time of the rows of a table, beside that of 69e60f4f.

Results of the packaged version's size are rendered from the bytes of a journal to those of a file,
in one process and in turns; the median of the ratios leaves out what else the machine does.
"""

from __future__ import annotations

import argparse
import random
import time
from array import array
from collections.abc import Callable, Iterator, Sequence
from statistics import median

from benchmarks.report.tables import markdown
from producer.journal.records import FinishedBatch
from producer.rendering.forms import CSV, FORMS, text_rows
from producer.rows.batch import AS_CLASSIFIED, batches
from producer.rows.columns import table_columns
from shared.messages.batch import BatchResult, decode_result, encode_result
from shared.registry import packaged
from tests.support.jobs.frozen_table import FrozenTable

ROWS, BATCH_ROWS, REPEATS = 1_000_000, 1_024, 5


class Journal:
    """Finished batches in memory."""

    def __init__(self, rows: int) -> None:
        chance, labels = random.Random(1), len(packaged.card().labels)
        self._batches = [_batch(chance, n, labels) for n in range(-(-rows // BATCH_ROWS))]

    def finished_batches(self) -> Iterator[FinishedBatch]:
        yield from self._batches


def _batch(chance: random.Random, n: int, labels: int) -> FinishedBatch:
    """Most rows are confident, as on images like those that the model has learned from."""
    numbers = range(n * BATCH_ROWS, (n + 1) * BATCH_ROWS)
    names = b"\0".join(b"photos/%03d/img_%07d.png" % (n, i) for i in numbers)
    confidences = array("f", (min(1.0, max(0.2, chance.betavariate(8, 0.4))) for _ in numbers))
    found = array("H", (chance.randrange(labels) for _ in numbers))
    result = BatchResult(1, bytes(BATCH_ROWS), found.tobytes(), confidences.tobytes())
    return FinishedBatch(names, b"", b"", encode_result(result))


def frozen(journal: Journal) -> Iterator[bytes]:
    """The rows as 69e60f4f rendered them."""
    table = FrozenTable(packaged.card())
    for batch in journal.finished_batches():
        names = batch.names.split(b"\0")
        yield "".join(table.rows(names, decode_result(batch.result, len(names)))).encode()


def rendered(journal: Journal, form: str) -> Iterator[bytes]:
    """The same of the product."""
    rows = text_rows(form)(table_columns(packaged.card(), AS_CLASSIFIED))
    for batch in batches(journal):
        yield rows.lines(batch).encode()


def seconds(render: Callable[[], Iterator[bytes]]) -> float:
    """Of the processor."""
    start = time.process_time()
    for _ in render():
        pass
    return time.process_time() - start


def measured(journal: Journal, form: str) -> tuple[float, float]:
    """The seconds of a form, and their ratio to those of the frozen CSV: medians."""
    runs = [
        (seconds(lambda: rendered(journal, form)), seconds(lambda: frozen(journal)))
        for _ in range(REPEATS)
    ]
    return median(new for new, _ in runs), median(new / old for new, old in runs)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=ROWS)
    journal = Journal(parser.parse_args(arguments).rows)
    if b"".join(rendered(journal, CSV)) != b"".join(frozen(journal)):
        raise SystemExit("the rows differ from those of 69e60f4f")
    found = {form: measured(journal, form) for form in FORMS}
    cells = [(form, f"{s:.2f}", f"{ratio:.2f}") for form, (s, ratio) in found.items()]
    print(markdown(("form", "s", "of 69e60f4f's CSV"), cells))


if __name__ == "__main__":
    main()
