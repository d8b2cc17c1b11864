"""The table: rows of CSV from the journal, in path order, written atomically.

Columns: path,label,confidence,status,error,flag,model, then label_2,confidence_2,... (--top-k) and
p_LABEL,... (--probabilities). UTF-8 without a byte order mark, lines end in a line feed.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Protocol

from producer.journal.journal import Journal
from producer.output.csv_cells import escape, quote
from shared import atomic_file
from shared.failpoints import failpoint
from shared.image_status import BY_CODE, FLAGS, Status
from shared.messages.batch import BatchResult, decode_result, numbers
from shared.messages.model_card import Card

COLUMNS = ("path", "label", "confidence", "status", "error", "flag", "model")
PART_SUFFIX = ".part"
_WRITE_BUFFER_BYTES = 1 << 20
#: Usually no name of a batch needs escaping or quoting, which one search finds out.
_SPECIAL = re.compile(r"""[",\\\x01-\x1f\x7f-\x9f]|(?:^|\0)[=+\-@']""")


class Table:
    """Formats the rows of one job."""

    def __init__(self, card: Card, top_k: int, probabilities: bool) -> None:
        self._labels = [_cell(label) for label in card.labels]
        self._names = card.labels
        self._k = min(top_k, len(card.labels))
        self._probabilities = probabilities
        self._model = _cell(card.ref)
        empty = "," * (2 * (self._k - 1) + (len(card.labels) if probabilities else 0))
        self._failures = {
            code: f",,,{status},{_cell(status.sentence)},,{self._model}{empty}\n"
            for code, status in enumerate(BY_CODE)
        }
        self._endings = [f",ok,,{flag},{self._model}" for flag in FLAGS]

    @property
    def header(self) -> str:
        more = [f"{c}_{k}" for k in range(2, self._k + 1) for c in ("label", "confidence")]
        every = [_cell(f"p_{label}") for label in self._names] if self._probabilities else []
        return ",".join([*COLUMNS, *more, *every]) + "\n"

    def rows(self, names: Sequence[bytes], result: BatchResult) -> list[str]:
        """The rows of one batch."""
        paths = cells(names)
        indices: Sequence[int] = numbers("H", result.indices)
        values: Sequence[float] = numbers("f", result.probabilities)
        if result.k == 1 and not self._probabilities:
            lines = self._plain(paths, indices, values)
        else:
            lines = [
                self._wide(path, indices[at : at + result.k], values[at : at + result.k])
                for path, at in zip(paths, range(0, len(indices), result.k), strict=True)
            ]
        for i, flag in enumerate(result.flags):  # usually empty
            if flag:
                some = slice(i * result.k, (i + 1) * result.k)
                lines[i] = self._wide(paths[i], indices[some], values[some], flag)
        if any(result.statuses):
            for i, code in enumerate(result.statuses):
                if code:
                    lines[i] = paths[i] + self._failures[code]
        return lines

    def _plain(
        self, paths: list[str], indices: Sequence[int], values: Sequence[float]
    ) -> list[str]:
        labels, ending = self._labels, f"{self._endings[0]}\n"
        return [
            f"{path},{labels[i]},{p:.4f}{ending}"
            for path, i, p in zip(paths, indices, values, strict=True)
        ]

    def _wide(
        self, path: str, indices: Sequence[int], values: Sequence[float], flag: int = 0
    ) -> str:
        labels = self._labels
        cells = [f"{path},{labels[indices[0]]},{values[0]:.4f}{self._endings[flag]}"]
        cells += [f"{labels[indices[k]]},{values[k]:.4f}" for k in range(1, self._k)]
        if self._probabilities:
            by_label = sorted(zip(indices, values, strict=True))
            cells += [f"{p:.4f}" for _, p in by_label]
        return ",".join(cells) + "\n"


def cells(names: Sequence[bytes]) -> list[str]:
    """Paths as cells of the table."""
    joined = b"\0".join(names)
    try:
        text = joined.decode()
    except UnicodeDecodeError:
        text = '"'
    if _SPECIAL.search(text) is None:
        return text.split("\0")
    return [quote(escape(name)) for name in names]


def write(
    journal: Journal,
    table: Table,
    output: Path,
    count: Callable[[Sequence[bytes], BatchResult], None] | None = None,
) -> str:
    """Write the rows of every finished batch, and replace the output atomically. Returns the
    SHA-256 of the table, in hexadecimal. `count` is called with each batch.

    Raises:
        SetupError: the disk is full or the folder read-only; the journal is intact.
    """
    part = Path(f"{output}{PART_SUFFIX}")
    sha256 = hashlib.sha256()
    with atomic_file.writing(output, "fix this and run the same command again"):
        with atomic_file.created(part, _WRITE_BUFFER_BYTES) as file:
            for text in lines(journal, table, count):
                data = text.encode()
                sha256.update(data)
                file.write(data)
        failpoint("table.written")
        atomic_file.place(part, output)
        failpoint("table.placed")
    return sha256.hexdigest()


class Rows(Protocol):
    """A source of rows: a journal."""

    def rows(self) -> Iterator[tuple[list[bytes], bytes]]:
        """(names, result) of every finished batch, in order."""


def lines(
    journal: Rows,
    table: Table,
    count: Callable[[Sequence[bytes], BatchResult], None] | None = None,
) -> Iterator[str]:
    """The table line by line, one batch in memory at a time. `count` is called with each batch."""
    yield table.header
    for names, data in journal.rows():
        result = decode_result(data, len(names))
        yield "".join(table.rows(names, result))
        if count is not None:
            count(names, result)


def failures(result: BatchResult) -> int:
    """The number of images of a batch without a label."""
    return len(result.statuses) - result.statuses.count(Status.OK.code)


def _cell(text: str) -> str:
    return quote(escape(text.encode()))
