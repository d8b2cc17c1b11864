"""Decisions of people, written without a page."""

from __future__ import annotations

import hashlib
import zlib
from pathlib import Path
from typing import Any

from shared.labels import labels_file
from shared.labels.label_line import Content, LabelLine, decode, placed
from shared.labels.labels_file import LabelsFile
from shared.labels.line_log import LineFollower


def line_of(content: bytes, label: str = "", **more: Any) -> LabelLine:
    """A line about a picture; "now" is later than any other time."""
    fields = {"path": "elsewhere.png", "kind": "label", "by": "ada", "at": "now"} | more
    return LabelLine(
        sha256=hashlib.sha256(content).hexdigest(),
        size=len(content),
        crc32=f"{zlib.crc32(content):08x}",
        label=label,
        **fields,
    )


def content_of(content: bytes) -> Content:
    """What a journal knows of a file with this content."""
    return line_of(content).content


def correct(table: Path, content: bytes, label: str, *rows: int, **more: Any) -> None:
    """Decide about a picture of a table."""
    append(table, line_of(content, label, rows=rows, **more))


def append(table: Path, *lines: LabelLine) -> None:
    """Append lines to those of a table."""
    LabelsFile(labels_file.of_table(table), lambda label: "", held=False).append(lines)


def lines_of(table: Path) -> list[LabelLine]:
    """The lines beside a table, in their order."""
    return lines_in(labels_file.of_table(table))


def lines_in(path: Path) -> list[LabelLine]:
    """The lines of a file, in their order."""
    return LineFollower(path, decode, lambda line: None).new()


def file_of(content: bytes, label: str, path: Path | None = None) -> LabelLine:
    """A label for a trainer, with the place of the file if it is known."""
    return placed(line_of(content, label), b"" if path is None else bytes(path))
